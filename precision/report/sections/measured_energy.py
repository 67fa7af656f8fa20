"""Measured energy: what the counters of the machines say, and where there are none, why not."""

from __future__ import annotations

import pandas as pd

from precision.analysis import Results, blocks, rows_of, summary
from precision.measure.machine.energy import LEFT_OUT, NOT_MEASURABLE
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Note, Section, Table, Unit, Words, note, order
from precision.report.titles import columns_of, title_of

ENERGIES = ("measured_train_joules", "measured_image_joules")
_ABOUT = """\
What the counters of the processor packages (RAPL) and of the GPUs (NVML) say of the time in which a trial
trained, and in which it evaluated the test images. They count the whole machine, whoever it works for: of two
trials at a time each has the energy of both. Of an emulated format it is the energy of the emulation, which
says nothing about hardware that has the format."""
_UNRECORDED = "These trials were stored by a version that measured no energy."


@SECTIONS.register("measured_energy")
@order(82)
def measured_energy(results: Results) -> Section:
    """Return the measured energy of each format, and by machine what counted it or why nothing did."""
    cells = results.cells()
    cells = cells[cells["status"] == "ok"]
    recorded = cells[cells["energy_source"] != ""]
    if recorded.empty:
        return Section("Measured energy", (note(_UNRECORDED),) if len(cells) else ())
    known = cells[cells[list(ENERGIES)].notna().any(axis=1)]
    tables = [
        table
        for timing in ("native", "emulated")
        for table in _tables(cells, known, results.settings.baseline, timing)
    ]
    parts: list[Note | Table] = [note(_ABOUT), *tables] if tables else []
    return Section("Measured energy", (*parts, _sources(recorded)))


def _tables(cells: pd.DataFrame, known: pd.DataFrame, baseline: str, timing: str) -> list[Table]:
    """Return the tables of this timing: one for each machine that counts, and each block."""
    tables: dict[str, Table] = {}
    for machine in known.loc[known["timing"] == timing, "machine"].unique():
        here = cells[(cells["machine"] == machine) & (cells["timing"] == timing)]
        for block in blocks(here, baseline):
            own = rows_of(here, block, baseline)
            if timing == "emulated":
                own = own[own["policy"] != baseline]
            if len(own):
                alone = ((own["policy"] == baseline) & (own["control"] == "")).all()
                title = title_of(block._replace(method="") if alone else block, str(machine), timing)
                table = _table(own, title)
                tables[repr(table)] = table
    return list(tables.values())


def _table(cells: pd.DataFrame, title: str) -> Table:
    """Return one row per network and format, means over seeds."""
    rows: list[tuple[Cell, ...]] = []
    for _, row in summary(cells).iterrows():
        joules = (_cell(cells, row, name) for name in ENERGIES)
        rows.append((str(row["architecture"]), str(row["policy"]), *joules))
    columns = (Column("Network"), Column("Format"), *columns_of(*ENERGIES).values())
    return Table(columns, tuple(rows), title)


def _cell(cells: pd.DataFrame, row: pd.Series, name: str) -> Cell:
    """Return a mean, or in words why there is none."""
    if pd.notna(row[name]):
        return float(row[name])
    own = cells[(cells["architecture"] == row["architecture"]) & (cells["policy"] == row["policy"])]
    if own["energy_source"].eq("").all():
        return Words("not recorded")
    if own["energy_source"].str.startswith(NOT_MEASURABLE).any():
        return Words(NOT_MEASURABLE)
    return Words("trained nothing") if (own["epochs"] == 0).all() else None


def _sources(cells: pd.DataFrame) -> Table:
    """Return what counted on each machine, or why nothing did, and how many trials say so."""
    trials = cells.drop_duplicates("trial")
    rows = []
    for (machine, source), same in trials.groupby(["machine", "energy_source"], sort=False):
        by, _, without = str(source).partition(LEFT_OUT)
        if by.startswith(NOT_MEASURABLE):
            by, without = NOT_MEASURABLE, by.removeprefix(f"{NOT_MEASURABLE}: ")
        rows.append((str(machine), by, without, len(same)))
    columns = (
        *(Column("Machine"), Column("Energy counted by")),
        *(Column("Not counted, and why"), Column("Trials", Unit.COUNT)),
    )
    return Table(columns, tuple(rows))
