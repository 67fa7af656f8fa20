import csv
import io

import pandas as pd

from precision.analysis import COLUMNS, SUMMARY_COLUMNS, checked, summary, with_differences
from precision.report.render.csv import to_csv


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_columns_and_line_ends(grid):
    text = to_csv(checked(grid()), COLUMNS)
    assert text.split("\n")[0] == ",".join(COLUMNS)
    assert "\r" not in text
    assert text.endswith("\n")
    assert len(rows_of(text)) == len(grid())


def test_numbers_read_back_exactly(grid):
    frame = grid().assign(accuracy=1 / 3, train_seconds=None)
    row = rows_of(to_csv(checked(frame), COLUMNS))[0]
    assert float(row["accuracy"]) == 1 / 3
    assert row["parameters"] == "61706"
    assert row["train_seconds"] == ""
    assert row["shared"] == "True"


def test_texts_are_not_taken_for_formulas(grid):
    frame = grid().iloc[:5].assign(reason=["=1+1", "+1", "-1", "@x", "a=b"])
    reasons = [row["reason"] for row in rows_of(to_csv(checked(frame), COLUMNS))]
    assert reasons == ["'=1+1", "'+1", "'-1", "'@x", "a=b"]


def test_line_breaks_and_quotes_survive(grid):
    frame = grid().iloc[:2].assign(reason=['a "b",\r\nc', "d\re"])
    assert [r["reason"] for r in rows_of(to_csv(checked(frame), COLUMNS))] == ['a "b",\nc', "d\ne"]


def test_the_summary_reads_back(grid):
    table = summary(with_differences(checked(grid(seeds=(0, 1))), "float32"))
    back = pd.read_csv(io.StringIO(to_csv(table, SUMMARY_COLUMNS)))
    assert list(back.columns) == list(SUMMARY_COLUMNS)
    assert list(back["accuracy_mean"]) == list(table["accuracy_mean"])
