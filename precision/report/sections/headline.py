"""The grid in one sentence, and the share of its cells that each format covers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from precision.analysis import Results
from precision.analysis.coverage import coverage
from precision.report.document import (
    Cell,
    Column,
    Inline,
    Note,
    Quantity,
    Span,
    Table,
    Unit,
    Words,
    inline,
    note,
)
from precision.report.titles import method_in_words

_COVERED = """\
Networks on their data in which a format is {bounded}, of those in which it was compared; a run without a
result is none."""


def headline(results: Results, choices: pd.DataFrame, bounded: str) -> Note:
    """Return what the grid says in one sentence.

    Args:
        choices: of ``analysis.choice.chosen``, a row for each network on its data by one method.
        bounded: what a format may do, in words.
    """
    found, baseline = choices[choices["verdict"] == "found"], results.settings.baseline
    of: dict[str, Inline] = {
        "bounded": Words(bounded),
        "baseline": baseline,
        "all": Quantity(len(choices), Unit.COUNT),
    }
    if found.empty:
        text = "In none of {all} cases (a network on its data by one method) is a smaller format shown to "
        return Note((*inline(text + "{bounded} against {baseline}.", **of), *_share(results)))
    text = "In {number} of {all} cases (a network on its data by one method) a smaller format is shown to "
    told = inline(
        text + "{bounded} against {baseline}, most often {usual}: {saved}.",
        **of,
        number=Quantity(len(found), Unit.COUNT),
        usual=_most_often(found["policy"].tolist()),
        saved=_saved(found),
    )
    return Note((*told, *_share(results)))


def _share(results: Results) -> tuple[Span, ...]:
    """Return how many of all cells are shown to be within the tolerance; nothing without a cell."""
    covered = coverage(results.summary(), results.settings.baseline)
    cells, within = int(covered["cells"].sum()), int(covered["within"].sum())
    if not cells:
        return ()
    return inline(
        " Of all {cells} cells of a format, {share} are shown to be within the tolerance.",
        cells=Quantity(cells, Unit.COUNT),
        share=(Quantity(100 * within / cells, Unit.PERCENT, 0), Words(" %")),
    )


def _most_often(policies: Sequence[str]) -> tuple[Span, ...]:
    usual = max(dict.fromkeys(policies), key=policies.count)
    return inline("{usual} ({count})", usual=usual, count=Quantity(policies.count(usual), Unit.COUNT))


def _saved(found: pd.DataFrame) -> tuple[Span, ...]:
    """Return what these formats save, in words."""
    saved = inline("weights {range} times smaller", range=_range(found["compression"]))
    energy = found["energy_times"].dropna()
    if len(energy):
        saved += inline(", {range} times less modelled energy", range=_range(energy))
    return saved


def _range(values: pd.Series) -> tuple[Span, ...]:
    low, high = (Quantity(float(value), Unit.RATIO, 1) for value in (values.min(), values.max()))
    return (low,) if f"{low.value:.1f}" == f"{high.value:.1f}" else (low, Words(" to "), high)


def covered_table(results: Results, bounded: str) -> Table | None:
    """Return the share of cells within the tolerance, formats by methods; None without a cell."""
    covered = coverage(results.summary(), results.settings.baseline)
    if covered.empty:
        return None
    methods = list(covered["method"].unique())
    rows: list[tuple[Cell, ...]] = []
    for policy, own in covered.groupby("policy", sort=False):
        counts = {row.method: f"{row.within} of {row.cells}" for row in own.itertuples()}
        share = float(own["within"].sum() / own["cells"].sum())
        rows.append((str(policy), *(counts.get(method) for method in methods), 100 * share))
    columns = (
        Column("Format"),
        *(Column(method_in_words(str(method))) for method in methods),
        Column("Share %", Unit.PERCENT, 0),
    )
    return Table(columns, tuple(rows), "Coverage", (note(_COVERED, bounded=Words(bounded)),))
