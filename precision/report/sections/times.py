"""Tables of what a clock and the operating system said, with what tells how far they can be trusted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from precision.analysis import summary
from precision.analysis.columns import spread_of
from precision.measure.machine.calibration import DISTURBED
from precision.metrics import METRICS, Metric
from precision.report.document import Cell, Column, Note, Quantity, Span, Table, Unit, Words, note
from precision.report.titles import columns_of

MARK = "†"
_APART = "± is half the range over the repeats, as a share of the median."
_DISTURBED = """\
{mark} The machine was disturbed: beside these times a loop of fixed work took up to {most} times as long
as at its best in this grid; more than {limit} counts as disturbed."""
_Row = Mapping[Hashable, Any]


def measured_table(cells: pd.DataFrame, title: str) -> Table:
    """Return one row per architecture and format of one machine, means over seeds."""
    table = summary(cells)
    costs = [metric for metric in METRICS.of("measured", "timed") if metric.cost]
    shown = [metric for metric in costs if table[metric.name].notna().any()]
    columns = columns_of(*(metric.name for metric in shown))
    apart = _apart(cells, shown)
    rows = tuple(
        (
            row["architecture"],
            row["policy"],
            *(_cell(row, metric, columns[metric.name].unit, apart) for metric in shown),
        )
        for row in table.to_dict("records")
    )
    usual = int(table["n"].mode().max())
    largest = [f"{metric.title.lower()} is the largest" for metric in shown if "largest" in metric.summary]
    said = "; ".join([f"Means over n = {usual} seeds", *largest])
    notes = [note(f"{said}.")] if usual > 1 else []
    notes += [note(_APART)] if apart else []
    heads = (Column("Architecture"), Column("Format"), *columns.values())
    return Table(heads, rows, title, (*notes, *disturbance(table, shown)))


def _apart(cells: pd.DataFrame, shown: list[Metric]) -> dict[tuple[Any, ...], float]:
    """Return half the largest range over the repeats, by architecture, policy and metric."""
    found: dict[tuple[Any, ...], float] = {}
    for metric in shown:
        name = spread_of(metric)
        if name not in cells:
            continue
        for (architecture, policy), rows in cells.groupby(["architecture", "policy"], sort=False):
            if rows[name].notna().any():
                found[architecture, policy, metric.name] = rows[name].max() / 2
    return found


def _cell(row: _Row, metric: Metric, unit: Unit | None, apart: Mapping[tuple[Any, ...], float]) -> Cell:
    """Return a cost with half its range over the repeats, and a mark where the machine was disturbed."""
    value = row[metric.name]
    if pd.isna(value) or unit is None:
        return None
    spans: tuple[Span, ...] = (Quantity(value, unit),)
    half = apart.get((row["architecture"], row["policy"], metric.name))
    if half is not None:
        spans += (Words(" ± "), Quantity(100 * half, Unit.PERCENT, 0), Words(" %"))
    return (*spans, Words(f" {MARK}")) if is_disturbed(row, metric.beside) else spans


def is_disturbed(row: _Row, beside: str) -> bool:
    """Return whether the machine was disturbed while a time of a row was measured."""
    return bool(beside) and not pd.isna(row[beside]) and row[beside] > DISTURBED


def disturbance(table: pd.DataFrame, shown: list[Metric]) -> list[Note]:
    """Return the line that explains the marks of a table, where it has any."""
    found = {metric.beside for metric in shown if metric.beside}
    most = max((float(value) for name in found for value in table[name].dropna()), default=0.0)
    if most <= DISTURBED:
        return []
    limit = Quantity(DISTURBED, Unit.RATIO)
    return [note(_DISTURBED, mark=Words(MARK), most=Quantity(most, Unit.RATIO), limit=limit)]
