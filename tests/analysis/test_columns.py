import pandas as pd
import pytest

from precision.analysis import COLUMNS, STATUSES, checked
from precision.errors import PrecisionError


def test_a_checked_frame_has_the_documented_columns_in_order_and_type(run):
    table = checked(pd.DataFrame([run("fixed8", 0.98), run("float32", 0.99)]).iloc[:, ::-1])
    assert list(table.columns) == list(COLUMNS)
    assert {name: str(table[name].dtype) for name in COLUMNS} == {n: c.dtype for n, c in COLUMNS.items()}
    assert table["accuracy_difference"].isna().all()


def test_every_column_says_what_it_means():
    assert all(column.meaning for column in COLUMNS.values())
    assert all(status in COLUMNS["status"].meaning for status in STATUSES)


def test_missing_values_become_the_empty_value_of_the_type(run):
    row = run("fixed8", None, reason=None, parameters=None, shared=None, activation_bits=None)
    table = checked(pd.DataFrame([row, run("float32", 0.99)]))
    assert table.loc[0, "reason"] == ""
    assert table.loc[0, "parameters"] is pd.NA
    assert not table.loc[0, "shared"]
    assert pd.isna(table.loc[0, "activation_bits"])


def test_no_rows_are_allowed(run):
    assert list(checked(pd.DataFrame([run("fixed8", 0.98)]).iloc[:0]).columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": "high"}, "'accuracy' must hold numbers"),
        ({"epochs": 2.5}, "'epochs' must hold whole numbers"),
        ({"status": "fine"}, "unknown status 'fine'"),
        ({"timing": "Native"}, "did you mean 'native'"),
        ({"acuracy": 0.5}, "unknown column 'acuracy'; did you mean 'accuracy'"),
    ],
)
def test_a_wrong_value_is_named(run, change, message):
    with pytest.raises(PrecisionError, match=message):
        checked(pd.DataFrame([run("fixed8", 0.98) | change]))


def test_a_missing_column_is_named(run):
    with pytest.raises(PrecisionError, match="'loss' is missing"):
        checked(pd.DataFrame([run("fixed8", 0.98)]).drop(columns="loss"))


def test_two_rows_for_one_cell_are_refused(run):
    with pytest.raises(PrecisionError, match=r"one row.*fixed8"):
        checked(pd.DataFrame([run("fixed8", 0.98), run("fixed8", 0.97)]))
