"""Exported files, read back with other programs' readers."""

import csv
import json
import math
import os
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest

from precision.analysis import Column
from precision.analysis.columns import typed
from precision.errors import PrecisionError
from precision.report.render.export import cell_text, export

COLUMNS = {
    "policy": Column("str", ""),
    "seed": Column("Int64", ""),
    "training.momentum": Column("float64", ""),
    "shared": Column("bool", ""),
}
ROWS = [
    ("=HYPERLINK(1)", 2**53, 0.1, True),
    ('a,"b"\nc | é', None, math.nan, False),
    ("", 0, math.inf, False),
    ("-1", -5, 5e-324, True),
]
FRAME = typed(pd.DataFrame(ROWS, columns=list(COLUMNS)).astype({"seed": "Int64"}), COLUMNS)
PLAIN = [
    ("=HYPERLINK(1)", 2**53, 0.1, True),
    ('a,"b"\nc | é', None, None, False),
    ("", 0, math.inf, False),
    ("-1", -5, 5e-324, True),
]


def test_sqlite(tmp_path):
    path = tmp_path / "x.sqlite"
    for _ in range(2):  # ours is replaced
        export(FRAME, COLUMNS, path)
    connection = sqlite3.connect(path)
    rows = connection.execute('SELECT policy, seed, "training.momentum", shared FROM results').fetchall()
    assert rows == PLAIN
    types = [row[2] for row in connection.execute("PRAGMA table_info(results)")]
    assert types == ["TEXT", "INTEGER", "REAL", "INTEGER"]
    connection.close()


def test_a_database_of_others_is_not_replaced(tmp_path):
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PrecisionError, match="is not replaced"):
        export(FRAME, COLUMNS, path)
    assert path.read_bytes() == before


def test_json(tmp_path):
    export(FRAME, COLUMNS, tmp_path / "x.json")
    rows = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    plain = [["inf" if value == math.inf else value for value in row] for row in PLAIN]
    assert [list(row.values()) for row in rows] == plain and list(rows[0]) == list(COLUMNS)
    export(FRAME.iloc[:0], COLUMNS, tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_csv_is_safe_in_a_spreadsheet(tmp_path):
    export(FRAME, COLUMNS, tmp_path / "x.CSV")
    with (tmp_path / "x.CSV").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == ["'=HYPERLINK(1)", 'a,"b"\nc | é', "", "'-1"]
    assert [row[1] for row in rows] == [str(2**53), "", "0", "-5"]
    assert float(rows[3][2]) == 5e-324 and rows[1][2] == ""


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export(FRAME, COLUMNS, tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == list(COLUMNS)
    kinds = [str(kind).removeprefix("large_") for kind in table.schema.types]
    assert kinds == ["string", "int64", "double", "bool"]
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert [tuple(None if value != value else value for value in row) for row in found] == PLAIN


def test_parquet_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PrecisionError, match=r"pip install 'precision\[parquet\]'"):
        export(FRAME, COLUMNS, tmp_path / "x.parquet")
    assert os.listdir(tmp_path) == []


def test_markdown(tmp_path):
    export(FRAME, COLUMNS, tmp_path / "x.md")
    lines = (tmp_path / "x.md").read_text().splitlines()
    assert len(lines) == 2 + len(ROWS), "a line break in a text does not end the row"
    assert "\\|" in lines[3] and lines[2].startswith("| =HYPERLINK(1)")
    assert lines[1] == "|:" + "-" * (len(lines[1].split("|")[1]) - 1) + "|" + "|".join(
        lines[1].split("|")[2:]
    )


def test_places_where_nothing_can_be(tmp_path):
    with pytest.raises(PrecisionError, match="cannot be written here"):
        export(FRAME, COLUMNS, tmp_path / "none" / "x.csv")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(PrecisionError, match="this is a folder"):
        export(FRAME, COLUMNS, tmp_path / "x.csv")
    with pytest.raises(PrecisionError, match=r"the ending says the format; did you mean '.parquet'"):
        export(FRAME, COLUMNS, tmp_path / "x.parque")
    with pytest.raises(PrecisionError, match=r"known: \.csv, \.json"):
        export(FRAME, COLUMNS, tmp_path / "results")
    assert os.listdir(tmp_path) == ["x.csv"]


@pytest.mark.faults("a full disk under an export")
def test_a_failed_export_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    export(FRAME, COLUMNS, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(PrecisionError, match=r"cannot be written \(No space left on device\); make room"):
        export(FRAME.iloc[:1], COLUMNS, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.csv"]


def test_numbers_for_people():
    values = [None, pd.NA, math.nan, 0.123456789, np.float64(1e-9), 93876, 12345678.0, True, ""]
    assert [cell_text(value) for value in values] == [
        *("", "", "", "0.123457", "1e-09", "93876", "1.23457e+07", "True", "")
    ]
