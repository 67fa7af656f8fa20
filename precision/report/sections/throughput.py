"""Images per second against the size of a batch, for the trials that were asked for their latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from precision.analysis import Results, blocks, rows_of
from precision.metrics import METRICS
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Quantity, Section, Span, Table, Unit, Words, note, order
from precision.report.sections.times import MARK, disturbance, is_disturbed
from precision.report.titles import title_of

_NOTE = """\
Images per second in batches of several sizes, by the median call after a warm-up; Python and the way of
the images into the network are part of it. A size that takes too long is left out."""
_LATENCY = METRICS["latency_ms"]


@SECTIONS.register("throughput")
@order(82)
def throughput(results: Results) -> Section | None:
    """Return images per second by network, format and size of a batch; None where nothing was timed."""
    cells = results.cells()
    timed = cells[cells["trial"].isin(results.batches) & (cells["status"] == "ok")]
    if timed.empty:
        return None
    sections = [
        Section(f"Throughput, {timing}", tuple(_tables(own, results)))
        for timing, own in timed.groupby("timing", sort=False)
    ]
    return Section("Throughput", (note(_NOTE), *sections))


def _tables(cells: pd.DataFrame, results: Results) -> list[Table]:
    baseline, several = results.settings.baseline, cells["machine"].nunique() > 1
    tables: dict[str, Table] = {}
    for machine, rows in cells.groupby("machine", sort=False):
        for block in blocks(rows, baseline):
            own = rows_of(rows, block, baseline)
            alone = (own["policy"] == baseline).all()
            title = title_of(block._replace(method="") if alone else block, f"machine {machine}" * several)
            tables[title] = _table(own, results.batches, title)
    return list(tables.values())


def _table(cells: pd.DataFrame, batches: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> Table:
    curves = {trial: rates(batches[trial]) for trial in cells["trial"]}
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = []
    for (network, policy), own in cells.groupby(["architecture", "policy"], sort=False):
        known = [[curves[trial][size] for trial in own["trial"] if size in curves[trial]] for size in sizes]
        noisy = any(is_disturbed(row, _LATENCY.beside) for row in own.to_dict("records"))
        rows.append((str(network), str(policy), *(_rate(found, noisy) for found in known)))
    heads = (Column("Architecture"), Column("Format"), *(Column(f"batch {s}", Unit.COUNT) for s in sizes))
    return Table(heads, tuple(rows), title, tuple(disturbance(cells, [_LATENCY])))


def rates(rows: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return images per second by the size of a batch."""
    return {int(row["batch"]): float(row["images_per_second"]) for row in rows}


def _rate(found: Sequence[float], noisy: bool) -> Cell:
    """Return the mean over the seeds, with a mark where the machine was disturbed."""
    if not found:
        return None
    spans: tuple[Span, ...] = (Quantity(sum(found) / len(found), Unit.COUNT),)
    return (*spans, Words(f" {MARK}")) if noisy else spans
