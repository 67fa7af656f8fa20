"""The reference of the columns of results.csv and summary.csv, for the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from precision.analysis import COLUMNS, SUMMARY_COLUMNS
from precision.analysis import Column as Described
from precision.report.document import Code, Column, Table, Words
from precision.report.render.markdown import table_text


def columns_text(columns: Mapping[str, Described]) -> str:
    """Return the documentation of the columns of a CSV file as a Markdown table."""
    rows = tuple((Code(name), column.meaning, Words(column.unit)) for name, column in columns.items())
    return table_text(Table((Column("Column"), Column("Meaning"), Column("Unit")), rows))


def columns_document() -> str:
    """Return the reference of results.csv and summary.csv."""
    parts = [("results.csv", "One row per cell of the grid.", COLUMNS)]
    parts += [("summary.csv", "One row per cell, aggregated over seeds.", SUMMARY_COLUMNS)]
    return "\n".join(f"## {file}\n\n{text}\n\n{columns_text(columns)}\n" for file, text, columns in parts)
