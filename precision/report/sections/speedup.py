"""What more threads or another device gain, where a grid varies them."""

from __future__ import annotations

import itertools
import math

import pandas as pd

from precision.analysis import Block, Results
from precision.analysis.speedup import GROUP, Amdahl, fits, speedups
from precision.measure.machine.calibration import DISTURBED
from precision.metrics import METRICS
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Quantity, Section, Table, Unit, Words, note, order
from precision.report.sections.times import MARK, disturbance
from precision.report.titles import columns_of, title_of

_NOTE = """\
Speed-up is the time of the first row of a network and format over that of the row; efficiency is the
speed-up over the number of times that there are more threads."""
_FIT = """\
The serial share is that part of the time with one thread that no thread shortens, by a least squares fit
of Amdahl's law to the times; the limit is the speed-up with any number of threads, and the residual the
root mean square of what the fit misses, as a share of the time with one thread. Two numbers of threads
leave no residual, and say nothing about whether the law holds."""
_TURNS = """\
With more threads than the {cores} cores that the trial could use they take turns; such rows are left out of
the fit of the serial share."""
_ONLY_FORMAT = ["dataset", "others", "method", "timing", "machine"]


@SECTIONS.register("speedup")
@order(83)
def speedup(results: Results) -> Section | None:
    """Return times, speed-up, efficiency and serial share; None where threads and device are the same."""
    table = speedups(results.cells())
    if table.empty:
        return None
    found, several = fits(table), table["machine"].nunique() > 1
    tables: dict[str, tuple[Table, ...]] = {}
    for (dataset, others, method, timing, machine), rows in table.groupby(_ONLY_FORMAT, sort=False):
        # The baseline alone is not of a method: equal tables under several methods become one.
        alone = (rows["policy"] == results.settings.baseline).all()
        block = Block(str(dataset), str(others), "" if alone else str(method))
        title = title_of(block, str(timing), f"machine {machine}" * several)
        tables[title] = (_times(rows, title), *_serial(rows, found))
    return Section("Threads and devices", (note(_NOTE), *itertools.chain(*tables.values())))


def _times(rows: pd.DataFrame, title: str) -> Table:
    time = METRICS[str(rows["time"].iloc[0])]
    lines: list[tuple[Cell, ...]] = []
    for row in rows.to_dict("records"):
        value = (Quantity(row["value"], columns_of(time.name)[time.name].unit or Unit.NUMBER),)
        disturbed = not pd.isna(row["disturbed"]) and row["disturbed"] > DISTURBED
        lines.append(
            (
                *(str(row["architecture"]), str(row["policy"]), str(row["device"]), row["threads"]),
                (*value, Words(f" {MARK}")) if disturbed else value,
                row["speedup"],
                row["efficiency"],
            )
        )
    heads = (
        *(Column(name) for name in ("Architecture", "Format", "Device")),
        *(Column("Threads", Unit.COUNT), Column(time.title), Column("Speed-up", Unit.RATIO)),
        Column("Efficiency", Unit.SHARE),
    )
    crowded = rows[rows["threads"] > rows["cores"]]
    notes = [note(_TURNS, cores=str(int(crowded["cores"].max())))] if len(crowded) else []
    marks = disturbance(rows.rename(columns={"disturbed": time.beside}), [time])
    return Table(heads, tuple(lines), title, (*notes, *marks))


def _serial(rows: pd.DataFrame, found: dict[tuple[object, ...], Amdahl]) -> tuple[Table, ...]:
    """Return the table of the fits, where there is one."""
    lines: list[tuple[Cell, ...]] = []
    for key, own in rows.groupby([*GROUP, "device"], sort=False):
        if key in found:
            fit, used = found[key], own[~(own["threads"] > own["cores"])]
            threads = ", ".join(str(number) for number in used["threads"])
            limit = 1 / fit.serial if fit.serial else math.inf
            residual = fit.residual if len(used) > 2 else None
            first = own.iloc[0]
            names = (str(first["architecture"]), str(first["policy"]), str(first["device"]), threads)
            lines.append((*names, fit.serial, residual, limit))
    heads = (
        *(Column(name) for name in ("Architecture", "Format", "Device", "Threads")),
        *(Column("Serial share", Unit.SHARE), Column("Residual", Unit.SHARE), Column("Limit", Unit.RATIO)),
    )
    return (Table(heads, tuple(lines), "", (note(_FIT),)),) if lines else ()
