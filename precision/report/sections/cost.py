"""Memory and time, and a model of energy.

Times of an emulated format say nothing about hardware: they have tables of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from precision.analysis import Results, blocks, rows_of
from precision.metrics import METRICS, Metric
from precision.registry import SECTIONS
from precision.report.document import (
    Cell,
    Code,
    Column,
    Note,
    Quantity,
    Section,
    Table,
    Unit,
    Words,
    note,
    order,
)
from precision.report.sections.times import measured_table
from precision.report.titles import columns_of, title_of

_SIZES = "Packed in the bits of their own formats; in brackets, how many times smaller than in float32."
_PEAK = """\
The most that the activations of one image take at once, in the bits of their own formats, if layer after
layer is computed and what no one reads any more is given up."""
_MODELLED = """\
A model, nothing is measured: the operations of one inference by published energies ({table}). It ranks
formats by the arithmetic and the traffic that they save; see {model}."""
_NATIVE = """\
The network as the framework runs it, each trial in a process of its own. Peak memory is the resident memory
of that process, the framework and the images included."""
_EMULATED = """\
These formats are emulated in float32: the times are those of the emulation and say nothing about hardware
that has the format. Its memory would say nothing either, and is not measured."""


@SECTIONS.register("cost")
@order(80)
def cost(results: Results) -> Section:
    """Return the size of the weights, and what was measured natively and in emulation."""
    cells, baseline = results.cells(), results.settings.baseline
    native, emulated = (_measured(cells, baseline, timing) for timing in ("native", "emulated"))
    of_native = note(_NATIVE if native else "No trial ran in a native number type.")
    of_emulated = note(_EMULATED if emulated else "No trial ran in an emulated format.")
    sections = (
        Section("Size of the weights", (note(_SIZES), *_tables(cells, baseline, "weight_bytes"))),
        *_more(results, cells, baseline),
        Section("Measured, native", (of_native, *native)),
        Section("Measured, emulated", (of_emulated, *emulated)),
    )
    return Section("Memory and time", (*_machines(cells), *sections))


def _machines(cells: pd.DataFrame) -> list[Note]:
    """Return a warning when the trials ran on several machines."""
    machines = [name for name in cells.loc[cells["status"] == "ok", "machine"].unique() if name]
    if len(machines) < 2:
        return []
    return [note(f"The trials ran on {len(machines)} machines; times are comparable within one table only.")]


def _more(results: Results, cells: pd.DataFrame, baseline: str) -> list[Section]:
    """Return the other costs that are counted or modelled, of which anything is known."""
    peak, energy = "peak_activation_bytes", "energy_modelled_pj"
    model = note(
        _MODELLED, table=results.settings.energy_table, model=Code("precision.measure.counted.energy")
    )
    of_plugins = [metric.name for metric in METRICS.of("counted", "modelled") if metric.cost]
    rest = [name for name in of_plugins if name not in ("weight_bytes", peak, energy)]
    sections = [
        (METRICS[peak].title, [note(_PEAK)], [peak]),
        (METRICS[energy].title, [model], [energy]),
        ("Other counts", [], rest),
    ]
    known = [(title, text, [n for n in names if cells[n].notna().any()]) for title, text, names in sections]
    return [
        Section(title, (*text, *(table for name in names for table in _tables(cells, baseline, name))))
        for title, text, names in known
        if names
    ]


def _tables(cells: pd.DataFrame, baseline: str, name: str) -> list[Table]:
    """Return a counted or modelled cost, architecture by policy, one table per dataset.

    How a format enters does not change its size; should it do so, there is a table for each block.
    """
    return [
        _counted_table(rows, METRICS[name], title) for title, rows in _parts(cells, baseline, METRICS[name])
    ]


def _parts(cells: pd.DataFrame, baseline: str, metric: Metric) -> list[tuple[str, pd.DataFrame]]:
    """Return title and rows of each table of a cost; those of the framework have a section of their own."""
    more = [metric.title] if not metric.lacking and metric.name != "weight_bytes" else []
    distinct = cells.groupby(["dataset", "architecture", "policy"])[metric.name].nunique()
    if (distinct > 1).any():
        found = blocks(cells, baseline)
        return [(title_of(block, *more), rows_of(cells, block, baseline)) for block in found]
    return [(", ".join([str(name), *more]), rows) for name, rows in cells.groupby("dataset", sort=False)]


def _counted_table(cells: pd.DataFrame, metric: Metric, title: str) -> Table:
    """Return a counted cost by policy; of bytes of weights also how many times fewer than in float32."""
    cells = cells[["architecture", "policy", *dict.fromkeys([metric.name, "compression"])]]
    policies = list(cells["policy"].unique())
    unit = columns_of(metric.name)[metric.name].unit
    rows: list[tuple[Cell, ...]] = []
    # The size is known before a trial runs: one that failed may still tell it.
    known = cells[cells[metric.name].notna()].drop_duplicates(["architecture", "policy"])
    found = {(row["architecture"], row["policy"]): row for row in known.to_dict("records")}
    for name in cells["architecture"].unique():
        of_network = (found.get((name, policy)) for policy in policies)
        counted = (None if row is None else _counted(row, metric.name, unit) for row in of_network)
        rows.append((str(name), *counted))
    columns = (Column("Architecture"), *(Column(policy, unit) for policy in policies))
    return Table(columns, tuple(rows), title)


def _counted(row: Mapping[Hashable, Any], name: str, unit: Unit | None) -> Cell:
    if name != "weight_bytes":
        return row[name]
    value = Quantity(row[name], Unit.BYTES)
    return (value, Words(" ("), Quantity(row["compression"], Unit.RATIO), Words(")"))


def _measured(cells: pd.DataFrame, baseline: str, timing: str) -> list[Table]:
    """Return memory and times of the cells with this timing, per block and machine.

    Native tables hold the baseline beside the native formats of the same block; where there is no other
    native format, the baseline stands alone, once.
    """
    here = cells[(cells["timing"] == timing) & (cells["status"] == "ok")]
    several = here["machine"].nunique() > 1
    tables: dict[str, Table] = {}
    for (machine, _, _), rows in here.groupby(["machine", "dataset", "training"], sort=False):
        for block in blocks(rows, baseline):
            own = rows_of(rows, block, baseline)
            if timing == "emulated":
                own = own[own["policy"] != baseline]
            alone = ((own["policy"] == baseline) & (own["control"] == "")).all()
            # The baseline alone is not of a method, unless it went on training as one does: equal tables
            # under several methods become one.
            title = title_of(block._replace(method="") if alone else block, f"machine {machine}" * several)
            if len(own):
                table = measured_table(own, title)
                tables[repr(table)] = table
    return list(tables.values())
