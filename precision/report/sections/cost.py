"""Memory and time. Times of an emulated format say nothing about hardware: they have tables of their own."""

from __future__ import annotations

import pandas as pd

from precision.analysis import blocks, rows_of, summary
from precision.metrics import METRICS, Metric
from precision.report.document import Table, table_text, title_of
from precision.report.text import NONE, bits, count, escape, number, ratio, seconds, size

_BY_UNIT = {"byte": size, "s": seconds, "images/s": count, "ratio": ratio, "bit": bits}


def _write(metric: Metric, value: float) -> str:
    """Return a number in the way of its unit, or with four digits."""
    return _BY_UNIT.get(metric.unit, number)(value)


def _counted_table(cells: pd.DataFrame, metric: Metric) -> str:
    """Return a counted cost by policy; of bytes of weights also how many times fewer than in float32."""
    policies = list(cells["policy"].unique())
    rows = []
    for name, of_network in cells.groupby("architecture", sort=False):
        row = [escape(name)]
        for policy in policies:
            # The size is known before a trial runs: one that failed may still tell it.
            known = of_network[(of_network["policy"] == policy) & of_network[metric.name].notna()]
            text = NONE
            if len(known):
                text = _write(metric, known[metric.name].iloc[0])
                if metric.name == "weight_bytes":
                    text += f" ({ratio(known['compression'].iloc[0])})"
            row.append(text)
        rows.append(row)
    return table_text(["Architecture", *map(escape, policies)], rows)


def sizes(cells: pd.DataFrame, baseline: str) -> list[Table]:
    """Return the size of the weights and other counted costs, architecture by policy, one table per dataset.

    How a format enters does not change its size; should it do so, there is a table for each block.
    """
    return [
        Table(title, _counted_table(rows, metric))
        for metric in METRICS.of("counted")
        if metric.cost
        for title, rows in _parts(cells, baseline, metric)
    ]


def _parts(cells: pd.DataFrame, baseline: str, metric: Metric) -> list[tuple[str, pd.DataFrame]]:
    """Return title and rows of each table of a counted cost; bytes of weights need no name."""
    more = [] if metric.name == "weight_bytes" else [metric.title]
    distinct = cells.groupby(["dataset", "architecture", "policy"])[metric.name].nunique()
    if (distinct > 1).any():
        found = blocks(cells, baseline)
        return [(title_of(block, *more), rows_of(cells, block, baseline)) for block in found]
    by_dataset = cells.groupby("dataset", sort=False)
    return [(", ".join(map(escape, [dataset, *more])), rows) for dataset, rows in by_dataset]


def measured(cells: pd.DataFrame, baseline: str, timing: str) -> list[Table]:
    """Return memory and times of the cells with this timing, per block and machine.

    Native tables hold the baseline beside the native formats of the same block; where there is no other
    native format, the baseline stands alone, once.
    """
    here = cells[(cells["timing"] == timing) & (cells["status"] == "ok")]
    several = here["machine"].nunique() > 1
    tables: dict[Table, None] = {}
    for (machine, _, _), rows in here.groupby(["machine", "dataset", "training"], sort=False):
        for block in blocks(rows, baseline):
            own = rows_of(rows, block, baseline)
            if timing == "emulated":
                own = own[own["policy"] != baseline]
            alone = (own["policy"] == baseline).all()
            # The baseline alone is not of a method: equal tables under several methods become one.
            title = title_of(block._replace(method="") if alone else block, f"machine {machine}" * several)
            if len(own):
                tables[_measured_table(own, title)] = None
    return list(tables)


def _measured_table(cells: pd.DataFrame, title: str) -> Table:
    """Return one row per architecture and format, means over seeds."""
    table = summary(cells)
    shown = [metric for metric in METRICS.of("measured", "timed") if metric.cost]
    lines = [
        [escape(row["architecture"]), escape(row["policy"])] + [_write(one, row[one.name]) for one in shown]
        for _, row in table.iterrows()
    ]
    usual = int(table["n"].mode().max())
    largest = [f"{one.title.lower()} is the largest" for one in shown if "largest" in one.summary]
    notes = ("; ".join([f"Means over n = {usual} seeds", *largest]) + ".",) if usual > 1 else ()
    header = ["Architecture", "Format", *(escape(one.title) for one in shown)]
    return Table(title, table_text(header, lines, left=2), notes)


def machines_note(cells: pd.DataFrame) -> str:
    """Return a warning when the trials ran on several machines, otherwise an empty text."""
    machines = [name for name in cells.loc[cells["status"] == "ok", "machine"].unique() if name]
    if len(machines) < 2:
        return ""
    return f"The trials ran on {len(machines)} machines; times are comparable within one table only."
