"""The tables that compare formats: accuracy, difference to the baseline, published figures."""

from __future__ import annotations

import math
from collections.abc import Iterator

from precision.analysis import Block, Published, Results
from precision.analysis.choice import points
from precision.analysis.differences import ENDS
from precision.analysis.evidence import within
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, Runs, Section, Strong, Table, Unit, Words, note, order
from precision.report.sections.pivots import Pivot, accuracy_note, pivots, sample_note
from precision.report.titles import title_of

_ACCURACY = """\
Test accuracy in percent. A cell without a result shows its status; a dash is a cell that the grid does
not have."""
_DIFFERENCE = """\
Percentage points of test accuracy, each run minus the {baseline} run with the same seed. Bold: the interval
of the difference is within the tolerance of {tolerance}, over seeds where there are several, otherwise over
the test images. A dash: there is no run, or no {baseline} run to compare it with."""


def accuracy_tables(results: Results) -> Iterator[tuple[Block, Table]]:
    """Yield each block and its table of test accuracy, architecture by policy."""
    baseline = results.settings.baseline
    for pivot, before in zip(pivots(results, "accuracy"), pivots(results, "untouched_accuracy"), strict=True):
        seeds = pivot.seeds(pivot.policies)
        columns = [Column("Architecture")]
        cells: list[tuple[Pivot, str]] = []
        for policy in pivot.policies:
            columns.append(Column(policy, Unit.ACCURACY))
            cells.append((pivot, policy))
            if policy == baseline and before.seeds([policy]):  # from which the method went on training
                columns.append(Column(f"{policy} untouched", Unit.ACCURACY))
                cells.append((before, policy))
        rows = tuple((name, *(of.cell(name, policy) for of, policy in cells)) for name in pivot.architectures)
        notes = (accuracy_note(seeds),)
        title = title_of(pivot.block)
        yield pivot.block, Table(tuple(columns), rows, title, notes, seeds, across="Policy")


@SECTIONS.register("accuracy")
@order(30)
def accuracy(results: Results) -> Section:
    """Return test accuracy in percent, architecture by policy, one table per block."""
    return Section("Accuracy", (note(_ACCURACY), *(table for _, table in accuracy_tables(results))))


@SECTIONS.register("difference")
@order(40)
def difference(results: Results) -> Section:
    """Return the paired difference to the baseline in percentage points; bold where within tolerance."""
    baseline, tolerance = results.settings.baseline, results.settings.tolerance
    tables = []
    for pivot, ends in zip(pivots(results, "accuracy_difference"), pivots(results, ENDS[0]), strict=True):
        policies = [policy for policy in pivot.policies if policy != baseline]
        if not policies:
            continue
        seeds = pivot.seeds(policies)
        rows = tuple(
            (name, *(_difference(pivot, ends, name, policy, tolerance) for policy in policies))
            for name in pivot.architectures
        )
        columns = (Column("Architecture"), *(Column(policy, Unit.DIFFERENCE) for policy in policies))
        notes = (sample_note(seeds),)
        tables.append(Table(columns, rows, title_of(pivot.block), notes, seeds, across="Policy"))
    text = _DIFFERENCE if tables else "There is no other format to compare with {baseline}."
    about = note(text, baseline=baseline, tolerance=points(tolerance))
    return Section(f"Difference to {baseline}", (about, *tables))


def _difference(pivot: Pivot, ends: Pivot, name: str, policy: str, tolerance: float) -> Cell:
    cell, end = pivot.cell(name, policy), ends.cell(name, policy)
    if not isinstance(cell, Runs):
        return cell
    low = cell.estimate.mean - cell.estimate.ci95
    if cell.estimate.n == 1:
        low = end.estimate.mean if isinstance(end, Runs) else math.nan
    return Strong(cell) if within(low, tolerance) else cell


@SECTIONS.register("published")
@order(50)
def published(results: Results) -> Section | None:
    """Return our accuracy and the published one side by side, in percent, one table per block."""
    figures = results.settings.published
    tables = _published_tables(results, figures) if figures else []
    if not figures or not tables:
        return None
    about = note("Test accuracy in percent: ours beside those of {source}.", source=figures.source)
    source = note(
        "Source: {source}.{gap}{more}",
        source=figures.source.rstrip("."),
        gap=Words(" " if figures.note.strip() else ""),
        more=figures.note,
    )
    return Section("Published figures", (about, *tables, source))


def _published_tables(results: Results, figures: Published) -> list[Table]:
    """Return a table per block, of what the publication names, in grid order as far as the grid has it."""
    known = list(results.cells()["policy"].unique())
    named = list(dict.fromkeys(policy for row in figures.accuracy.values() for policy in row))
    named.sort(key=lambda policy: known.index(policy) if policy in known else len(known))
    columns = [Column("Architecture")]
    for policy in named:
        columns += [Column(f"{policy} ours", Unit.ACCURACY), Column(f"{policy} published", Unit.PERCENT)]
    tables = []
    found = pivots(results, "accuracy")
    for pivot in found:
        if len(found) > 1 and not set(named) & set(pivot.policies) - {results.settings.baseline}:
            continue  # the baseline alone stands beside the figures of another block already
        rows = []
        ordered = [name for name in pivot.architectures if name in figures.accuracy]
        for name in dict.fromkeys([*ordered, *figures.accuracy]):
            row: list[Cell] = [name]
            for policy in named:
                row += [pivot.cell(name, policy), figures.accuracy[name].get(policy)]
            rows.append(tuple(row))
        seeds = pivot.seeds(pivot.policies)
        tables.append(Table(tuple(columns), tuple(rows), title_of(pivot.block), seeds=seeds))
    return tables
