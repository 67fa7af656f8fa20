"""Flat tables as CSV files that a spreadsheet opens safely."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from precision.analysis import Column
from precision.printable import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _plain(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula, with "\\n" as its only line break."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = printable(text, lines=True)
    return "'" + shown if text.startswith(_FORMULA) or shown.startswith(_FORMULA) else shown


def to_csv(frame: pd.DataFrame, columns: Mapping[str, Column]) -> str:
    """Return the table as CSV with exactly these columns in this order.

    A real number has the fewest digits that read back as the same float64; a missing value is empty.
    """
    table = frame[list(columns)].copy()
    for name, column in columns.items():
        if column.dtype == "str":
            cells = table[name].astype("object")
            table[name] = cells.where(cells.notna(), "").map(_plain)
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text
