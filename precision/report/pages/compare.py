"""The page of ``precision compare``: two sets of results, what changed and whether it is more than noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from precision.analysis.comparison import CHANGES, COMPARISON_COLUMNS, Comparison
from precision.analysis.gates import Broken
from precision.report.document import (
    Cell,
    Column,
    Document,
    List,
    Note,
    Part,
    Quantity,
    Section,
    Strong,
    Table,
    Unit,
    Words,
    inline,
    note,
)
from precision.report.pages.folder import write_report
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.render.export import json_rows
from precision.report.text import number
from precision.tasks import named

PAGE = "compare.md"
_ABOUT = """\
A is {one}, B is {other}. A run of B is compared with the run of A that has the same trial, or the same
labels and seed; the difference has a 95 % interval over seeds and, where both have stored predictions, over
the test images. Better and worse are beyond noise, with 95 % for all cells together; within noise is a
difference that is not."""
_QUIET = ("same", "within noise")


def document(found: Comparison, faults: Sequence[Broken], asked: int) -> Document:
    """Return the page.

    Args:
        faults: gates that are broken.
        asked: how many gates there are.
    """
    parts: list[Part] = [_headline(found), note(_ABOUT, one=found.one.name, other=found.other.name)]
    if asked:
        parts.append(gates_section(faults, asked))
    loud = found.cells[~found.cells["change"].isin(_QUIET)]
    if len(loud):
        parts.append(Section("What changed", (_table(loud),)))
    if found.facts:
        rows = tuple((name, a or None, b or None) for name, (a, b) in found.facts.items())
        parts.append(Section("Where they ran", (Table((Column(""), Column("A"), Column("B")), rows),)))
    others = [_costs(found.cells, name) for name in ("counted", "measured")]
    parts += [section for section in others if section is not None]
    parts.append(Section("Every cell", (_table(found.cells),)))
    return Document("Comparison", tuple(parts))


def _headline(found: Comparison) -> Note:
    counts = [(change, found.count(change)) for change in CHANGES]
    told = ", ".join(f"{number} {change}" for change, number in counts if number)
    return Note(Strong(Words(f"{len(found.cells)} cells: {told or 'none'}.")))


def gates_section(faults: Sequence[Broken], asked: int) -> Section:
    """Return which gates are broken, by which cells."""
    if not faults:
        return Section("Requirements", (note(f"All {asked} are met." if asked > 1 else "It is met."),))
    gates = len({one.gate for one in faults})
    return Section(
        "Requirements",
        (note(f"{gates} of {asked} broken:"), List(tuple(str(one) for one in faults))),
    )


def _table(cells: pd.DataFrame) -> Table:
    columns = (
        *(Column(title) for title in ("Dataset", "Architecture", "Policy", "Method", "Training")),
        *(Column("n", Unit.COUNT), Column("A", Unit.NUMBER), Column("B", Unit.NUMBER)),
        *(
            Column("Difference", Unit.DIFFERENCE),
            Column("Interval"),
            Column("p", Unit.ERROR),
            Column("Change"),
        ),
    )
    rows = [_row(row) for row in cells.to_dict("records")]
    kept = [i for i, column in enumerate(columns) if column.title != "Training" or any(r[i] for r in rows)]
    return Table(tuple(columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows))


def _row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    task = named(row["task"])
    unit = Unit.NUMBER if task.relative else Unit.ACCURACY
    scores = [_score(row[f"score_{side}"], row[f"status_{side}"], unit) for side in "ab"]
    interval: Cell = None
    if pd.notna(row["low"]):
        ends = {end: Quantity(row[end], Unit.DIFFERENCE) for end in ("low", "high")}
        interval = inline("{low} to {high}", **ends)
    change: Cell = Words(row["change"])
    return (
        *(row[name] for name in ("dataset", "architecture", "policy", "method", "training")),
        None if pd.isna(row["pairs"]) else int(row["pairs"]),
        *scores,
        row["difference"],
        interval,
        row["p"],
        change if row["change"] in _QUIET else Strong(change),
    )


def _score(value: float, status: str, unit: Unit) -> Cell:
    if pd.notna(value):
        return Words(number(value, unit) + (" %" if unit is Unit.ACCURACY else ""))
    return status or None


def _costs(cells: pd.DataFrame, name: str) -> Section | None:
    """Return what was counted, or measured, otherwise."""
    told = cells[cells[name] != ""]
    if told.empty:
        return None
    places = told[["dataset", "architecture", "policy", "method", "training"]]
    where = [" ".join(part for part in row if part) for row in places.itertuples(index=False, name=None)]
    items = List(tuple(inline("{a}: {b}", a=a, b=b) for a, b in zip(where, told[name], strict=True)))
    if name == "counted":
        return Section("Counted otherwise", (items,))
    about = note("On one and the same machine, B over A; other work of the machine counts too.")
    return Section("Times and memory", (about, items))


def write_comparison(found: Comparison, faults: Sequence[Broken], asked: int, output: Path) -> Path:
    """Write compare.md, compare.csv and compare.json into an existing folder; return the path of the page."""
    beside = {
        "compare.csv": to_csv(found.cells, COMPARISON_COLUMNS),
        "compare.json": json.dumps(
            {
                "a": found.one.name,
                "b": found.other.name,
                "broken": [{"gate": one.gate, "cell": one.cell, "why": one.why} for one in faults],
                "facts": {name: list(both) for name, both in found.facts.items()},
                "cells": json_rows(found.cells, COMPARISON_COLUMNS),
            },
            indent=1,
            allow_nan=False,
        )
        + "\n",
    }
    return write_report(document(found, faults, asked), output / PAGE, beside)


def comparison_text(found: Comparison) -> str:
    """Return what changed as lines for a terminal."""
    loud = found.cells[~found.cells["change"].isin(_QUIET)]
    headline = Note(Words(f"A: {found.one.name}\nB: {found.other.name}"))
    return terminal.render([headline, _headline(found), *([_table(loud)] if len(loud) else [])], 120) + "\n"
