"""Memory and time. Times of an emulated format say nothing about hardware: they have tables of their own."""

from __future__ import annotations

import pandas as pd

from precision.analysis import blocks, rows_of, summary
from precision.report.document import Table, table_text, title_of
from precision.report.text import NONE, count, escape, ratio, seconds, size

_MEASURED = {
    "Peak memory": ("peak_memory_bytes", size),
    "Training s": ("train_seconds", seconds),
    "s per epoch": ("seconds_per_epoch", seconds),
    "Images per s": ("inference_images_per_second", count),
}


def _size_table(cells: pd.DataFrame) -> str:
    """Return bytes of weights, and in brackets how many times fewer than in float32."""
    policies = list(cells["policy"].unique())
    rows = []
    for name, of_network in cells.groupby("architecture", sort=False):
        row = [escape(name)]
        for policy in policies:
            # The size is known before a trial runs: one that failed may still tell it.
            known = of_network[(of_network["policy"] == policy) & of_network["weight_bytes"].notna()]
            text = NONE
            if len(known):
                text = f"{size(known['weight_bytes'].iloc[0])} ({ratio(known['compression'].iloc[0])})"
            row.append(text)
        rows.append(row)
    return table_text(["Architecture", *map(escape, policies)], rows)


def sizes(cells: pd.DataFrame, baseline: str) -> list[Table]:
    """Return the size of the weights, architecture by policy, one table per dataset.

    How a format enters does not change its size; should it do so, there is a table for each block.
    """
    distinct = cells.groupby(["dataset", "architecture", "policy"])["weight_bytes"].nunique()
    if (distinct > 1).any():
        found = blocks(cells, baseline)
        return [Table(title_of(block), _size_table(rows_of(cells, block, baseline))) for block in found]
    return [
        Table(escape(dataset), _size_table(rows)) for dataset, rows in cells.groupby("dataset", sort=False)
    ]


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
    lines = [
        [escape(row["architecture"]), escape(row["policy"])]
        + [write(row[name]) for name, write in _MEASURED.values()]
        for _, row in table.iterrows()
    ]
    usual = int(table["n"].mode().max())
    notes = (f"Means over n = {usual} seeds; peak memory is the largest.",) if usual > 1 else ()
    return Table(title, table_text(["Architecture", "Format", *_MEASURED], lines, left=2), notes)


def machines_note(cells: pd.DataFrame) -> str:
    """Return a warning when the trials ran on several machines, otherwise an empty text."""
    machines = [name for name in cells.loc[cells["status"] == "ok", "machine"].unique() if name]
    if len(machines) < 2:
        return ""
    return f"The trials ran on {len(machines)} machines; times are comparable within one table only."
