import contextlib
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.analysis import Column
from precision.analysis.columns import typed
from precision.analysis.query import pick, sort, where, words
from precision.errors import PrecisionError

COLUMNS = {
    "policy": Column("str", ""),
    "seed": Column("Int64", ""),
    "accuracy": Column("float64", ""),
    "shared": Column("bool", ""),
    "training.epochs": Column("Int64", ""),
}
ROWS = [
    ("fixed(8,4)", 0, 0.9, True, 3),
    ("fixed(8,6)", 1, 0.95, False, None),
    ("half", None, math.nan, False, 5),
    ("a, b", 3, math.inf, False, 5),
    ("", 4, -0.5, True, 5),
    ("[x]", 5, 0.0, True, 5),
]
FRAME = typed(pd.DataFrame(ROWS, columns=list(COLUMNS)), COLUMNS)


def rows_where(*conditions):
    found = where(FRAME, conditions, COLUMNS)
    return [list(FRAME["policy"]).index(policy) for policy in found["policy"]]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("policy=half", [2]),
        ("policy==half", [2]),
        ("policy = half ", [2]),
        ("policy!=half", [0, 1, 3, 4, 5]),
        ("policy=fixed*", [0, 1]),
        ("policy=fixed(8,4)", [0]),
        ("policy=fixed(8,4),half", [0, 2]),
        ("policy=half , fixed(8,?)", [0, 1, 2]),
        ("policy!=half,fixed*", [3, 4, 5]),
        ("policy=a, b", [3]),
        ("policy=[x]", [5]),
        ("policy=[xyh]*", [2]),
        ("policy=", [4]),
        ("policy!=", [0, 1, 2, 3, 5]),
        ("policy=HALF", []),
        ("seed=0", [0]),
        ("seed=0,3.0", [0, 3]),
        ("seed!=0", [1, 3, 4, 5]),
        ("seed=", [2]),
        ("seed!=", [0, 1, 3, 4, 5]),
        ("seed>=3", [3, 4, 5]),
        ("seed<1.5", [0, 1]),
        ("accuracy>=0.9", [0, 1, 3]),
        ("accuracy>9e-1", [1, 3]),
        ("accuracy<0", [4]),
        ("accuracy<=-.5", [4]),
        ("accuracy=inf", [3]),
        ("accuracy=0.9", [0]),
        ("accuracy=", [2]),
        ("shared=true", [0, 4, 5]),
        ("shared!=TRUE", [1, 2, 3]),
        ("shared=true,false", [0, 1, 2, 3, 4, 5]),
        ("training.epochs>3", [2, 3, 4, 5]),
    ],
)
def test_conditions(condition, rows):
    assert rows_where(condition) == rows


def test_all_conditions_must_hold():
    assert rows_where("accuracy>=0.9", "shared=true") == [0]
    assert rows_where() == [0, 1, 2, 3, 4, 5]
    assert where(FRAME.iloc[:0], ["policy=x", "seed>1", "accuracy=", "shared=true"], COLUMNS).empty


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "a condition is a column"),
        ("accuracy", "a condition is a column"),
        (">=1", "a condition is a column"),
        ("accuracy>>1", "a number must stand here, but got '>1'"),
        ("acuracy>1", "unknown column 'acuracy'; did you mean 'accuracy'"),
        ("accuracy>", "a number must stand here"),
        ("accuracy=nan", "a number must stand here"),
        ("accuracy=1,", "a number must stand here"),
        ("seed=one", "'seed=one': a number must stand here, but got 'one'"),
        ("policy>a", "policy holds text, which only = and != compare"),
        ("shared<1", "true or false, which only"),
        ("shared=yes", "true or false must stand here, but got 'yes'"),
        ("__import__('os')=1", "unknown column"),
    ],
)
def test_what_is_no_condition(condition, message):
    with pytest.raises(PrecisionError) as caught:
        where(FRAME, [condition], COLUMNS)
    assert message in str(caught.value)


@given(st.text(max_size=20))
def test_no_text_crashes(text):
    with contextlib.suppress(PrecisionError):
        assert len(where(FRAME, [text], COLUMNS)) <= len(FRAME)


def test_order():
    def order(*keys):
        return [list(FRAME["policy"]).index(policy) for policy in sort(FRAME, keys, COLUMNS)["policy"]]

    assert order("accuracy") == [4, 5, 0, 1, 3, 2]
    assert order("-accuracy") == [3, 1, 0, 5, 4, 2], "what has no value comes last all the same"
    assert order("shared", "-seed") == [3, 1, 2, 5, 4, 0]
    assert order("-shared") == [0, 4, 5, 1, 2, 3], "equal rows keep their order"
    assert order("policy") == [5, 3, 0, 1, 2, 4]
    assert order() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(PrecisionError, match="did you mean 'accuracy'"):
        order("-accurace")


def test_columns():
    assert words(["a,b", " c ,", "a"]) == ["a", "b", "c", "a"]
    assert list(pick(["seed", "policy", "seed"], COLUMNS)) == ["seed", "policy"]
    with pytest.raises(PrecisionError, match="unknown column 'sed'; did you mean 'seed'"):
        pick(["sed"], COLUMNS)
