"""How well each class is recognised: of the baseline of a network, and of the formats that cost it most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from precision.analysis import Classes, Results
from precision.analysis.classes import COMPARED, NETWORKS, by_class
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Note, Section, Table, Unit, note, order

MOST = 20
"""Classes that a table shows."""
_ABOUT = """\
Test images of each class that are classified correctly, of the baseline; and how many percentage points
more or less with the formats that are least accurate and keep half of its accuracy, at most {formats}.
Means over the seeds, of the first {networks} networks."""


@SECTIONS.register("classes")
@order(61.5)
def classes(results: Results) -> Section | None:
    """Return the accuracy of each class; None where nothing of the classes is stored."""
    found = by_class(results)
    if not found:
        return None
    tables = tuple(_table(title, runs, _names(results, title)) for title, runs in found.items())
    about = note(_ABOUT, formats=str(COMPARED), networks=str(NETWORKS))
    return Section("Accuracy by class", (about, *tables))


def _names(results: Results, title: str) -> list[str]:
    """Return what the classes are called, as far as the results tell: of ``cat 12, dog 30``."""
    for label, (_, test) in results.targets.items():
        if title.startswith(f"{label}, "):
            return [part.rpartition(" ")[0] for part in test.split(", ")]
    return []


def _table(title: str, runs: Sequence[Classes], names: Sequence[str]) -> Table:
    baseline, *others = (_accuracies(run) for run in runs)
    number = len(baseline)
    if len(names) != number:
        names = [str(one) for one in range(number)]
    changes = [own - baseline for own in others]
    shown, notes = list(range(number)), []
    if number > MOST:
        most = np.max(np.abs(changes), axis=0) if changes else -baseline
        shown = sorted(np.argsort(-np.nan_to_num(most), kind="stable")[:MOST].tolist())
        notes = [note("The {most} of {all} classes that change most.", most=str(MOST), all=str(number))]
    rows: list[tuple[Cell, ...]] = []
    for one in shown:
        images = float(runs[0].confusion[one].sum())
        rows.append((names[one], images, float(baseline[one]), *(float(change[one]) for change in changes)))
    columns = (
        Column("Class"),
        Column("Images", Unit.COUNT),
        Column(f"{runs[0].name} %", Unit.ACCURACY),
        *(Column(run.name, Unit.DIFFERENCE) for run in runs[1:]),
    )
    said: tuple[Note, ...] = tuple(notes)
    return Table(columns, tuple(rows), title, said)


def _accuracies(run: Classes) -> np.ndarray:
    """Return the share of the images of each class that is found; NaN of a class without any."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.diagonal(run.confusion) / run.confusion.sum(axis=1)
