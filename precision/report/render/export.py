"""A table of results as a file for other programs: CSV, JSON, Markdown, Parquet or SQLite."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from precision import files, received
from precision.analysis import Column
from precision.errors import PrecisionError, suggest
from precision.printable import printable
from precision.report.render.csv import to_csv
from precision.report.render.markdown import escape, pipes
from precision.report.text import missing

APPLICATION = 0x70726574  # marks an SQLite file as one that we wrote
_SQL = {"str": "TEXT", "Int64": "INTEGER", "float64": "REAL", "bool": "INTEGER"}
Columns = Mapping[str, Column]


def export(frame: pd.DataFrame, columns: Columns, path: Path) -> None:
    """Write these columns of a table in the format that the ending of the file says; readers see it whole.

    Raises:
        PrecisionError: for another ending, a missing library, and a place where nothing can be written.
    """
    received.check_name(path)
    if path.is_dir():
        raise PrecisionError(f"{path}: results are written to a file, but this is a folder")
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        ending = path.suffix or path.name
        raise PrecisionError(f"{path}: the ending says the format; {suggest(ending, WRITERS)}")
    if path.suffix.lower() == ".sqlite":
        _check_database(path)
    content = write(_printable(frame[list(columns)], columns), columns)
    with files.refused(path, "the results cannot be written here", "give another --output"):
        files.write(path, content)


def _printable(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    texts = [name for name, column in columns.items() if column.dtype == "str"]
    return frame.assign(**{name: frame[name].map(_text) for name in texts})


def _text(value: Any) -> Any:
    return printable(value, lines=True) if isinstance(value, str) else value


def cell_text(value: Any) -> str:
    """Return a value as a table for people shows it: six digits, and nothing where there is none."""
    if missing(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv(frame: pd.DataFrame, columns: Columns) -> bytes:
    return to_csv(frame, columns).encode()


def json_rows(frame: pd.DataFrame, columns: Columns) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them: None where there is nothing, infinity as a text."""
    return [dict(zip(columns, map(_without_infinity, row), strict=True)) for row in _rows(frame)]


def _json(frame: pd.DataFrame, columns: Columns) -> bytes:
    rows = json_rows(frame, columns)
    text = ",\n".join(_json_line(row) for row in rows)
    return f"[\n{text}\n]\n".encode()


def _json_line(row: dict[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(row, allow_nan=False)


def _markdown(frame: pd.DataFrame, columns: Columns) -> bytes:
    left = next((i for i, column in enumerate(columns.values()) if column.dtype != "str"), len(columns))
    rows = [[escape(cell_text(value)) for value in row] for row in _rows(frame)]
    flush = [i < left for i in range(len(columns))]
    return (pipes([escape(name) for name in columns], rows, flush) + "\n").encode()


def _parquet(frame: pd.DataFrame, columns: Columns) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise PrecisionError(
            "Parquet files need a library that is not installed; run: pip install 'precision[parquet]'"
        ) from None
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def _sqlite(frame: pd.DataFrame, columns: Columns) -> bytes:
    names = ", ".join(f'"{name}" {_SQL[column.dtype]}' for name, column in columns.items())
    marks = ", ".join("?" * len(columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.sqlite"
        connection = sqlite3.connect(path)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"CREATE TABLE results ({names})")
            connection.executemany(f"INSERT INTO results VALUES ({marks})", _rows(frame))
            connection.commit()
        finally:
            connection.close()
        return path.read_bytes()


def _check_database(path: Path) -> None:
    """Refuse to replace a database that we did not write: others may keep more in theirs."""
    try:
        with path.open("rb") as stream:
            head = stream.read(100)
    except OSError:
        return
    if head and int.from_bytes(head[68:72], "big") != APPLICATION:
        raise PrecisionError(
            f"{path}: this file was not written by 'precision results' and is not replaced; "
            "give another --output"
        )


WRITERS: dict[str, Callable[[pd.DataFrame, Columns], bytes]] = {
    ".csv": _csv,
    ".json": _json,
    ".md": _markdown,
    ".parquet": _parquet,
    ".sqlite": _sqlite,
}


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    """Return the rows as plain values, None where there is none."""
    table = frame.astype(object)
    return [[None if missing(value) else value for value in row] for row in table.itertuples(index=False)]


def _without_infinity(value: Any) -> Any:
    """JSON has no infinity: it becomes a text."""
    return str(value) if isinstance(value, float) and math.isinf(value) else value
