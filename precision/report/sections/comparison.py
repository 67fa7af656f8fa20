"""The tables that compare formats: accuracy or RMSE, and the difference to the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from precision.analysis import Results
from precision.registry import SECTIONS
from precision.report.document import (
    Cell,
    Column,
    Quantity,
    Runs,
    Section,
    Span,
    Strong,
    Table,
    Unit,
    Words,
    inline,
    joined,
    note,
    order,
)
from precision.report.sections.pivots import Pivot, pivots, sample_note, score_note, with_images
from precision.report.titles import score_column, scores_of, title_of
from precision.tasks import CLASSIFICATION

_SCORES = """\
{unit}. A cell without a result shows its status; a dash is a cell that the grid does
not have."""
_DIFFERENCE = """\
{compared} Bold: shown to lose less
than the tolerance of {tolerance}, with 95 % for all formats of a row together. Behind the interval stands the
verdict. A dash: there is no run, or no {baseline} run to compare it with."""


def score_tables(results: Results) -> Iterator[tuple[Pivot, Table]]:
    """Yield for each block its pivot and its table of scores on the test images, architecture by policy."""
    baseline = results.settings.baseline
    earlier = pivots(results, lambda task: task.untouched)
    for pivot, before in zip(pivots(results, lambda task: task.score), earlier, strict=True):
        seeds, unit = pivot.seeds(pivot.policies), score_column(pivot.task).unit
        columns = [Column("Architecture")]
        cells: list[tuple[Pivot, str]] = []
        for policy in pivot.policies:
            columns.append(Column(policy, unit))
            cells.append((pivot, policy))
            if policy == baseline and before.seeds([policy]):  # from which the method went on training
                columns.append(Column(f"{policy} untouched", unit))
                cells.append((before, policy))
        rows = tuple((name, *(of.cell(name, policy) for of, policy in cells)) for name in pivot.architectures)
        notes = (score_note(seeds),)
        title = title_of(pivot.block)
        yield pivot, Table(tuple(columns), rows, title, notes, seeds, across="Policy")


@SECTIONS.register("accuracy")
@order(30)
def accuracy(results: Results) -> Section:
    """Return the score on the test images, architecture by policy, one table per block."""
    baseline, found = results.settings.baseline, list(score_tables(results))
    tasks = scores_of(pivot.task for pivot, _ in found) or [CLASSIFICATION]
    unit = "; or ".join(task.tested for task in tasks)
    title = " and ".join(task.title for task in tasks)
    about = note(_SCORES, unit=Words(unit[:1].upper() + unit[1:]))
    tables = [table for _, table in found]
    if (
        len(tables) > 1
        and len(tasks) == 1
        and {p for pivot, _ in found for p in pivot.policies} == {baseline}
    ):
        tables = [_one_below_the_other(tables, score_column(tasks[0], baseline))]
    return Section(title, (about, *tables))


def _one_below_the_other(tables: Sequence[Table], score: Column) -> Table:
    """Return tables of the baseline alone as one: there is nothing to stand beside it in any of them."""
    rows = tuple((table.title, *row[:2]) for table in tables for row in table.rows)
    notes = tuple(dict.fromkeys(one for table in tables for one in table.notes))
    return Table((Column("Run"), Column("Architecture"), score), rows, "", notes, tables[0].seeds)


@SECTIONS.register("difference")
@order(40)
def difference(results: Results) -> Section:
    """Return the paired difference to the baseline; bold where within tolerance."""
    baseline, tolerance = results.settings.baseline, results.settings.tolerance
    tables, tasks = [], []
    told = (
        results.summary()
        .set_index(["dataset", "training", "method", "architecture", "policy"])
        .to_dict("index")
    )
    for pivot in pivots(results, lambda task: task.difference):
        policies = [policy for policy in pivot.policies if policy != baseline]
        if not policies:
            continue
        tasks.append(pivot.task)
        seeds = pivot.seeds(policies)
        rows = tuple(
            (
                name,
                *(
                    _difference(pivot, name, policy, told.get((*pivot.block, name, policy)), seeds)
                    for policy in policies
                ),
            )
            for name in pivot.architectures
        )
        columns = (Column("Architecture"), *(Column(policy, Unit.DIFFERENCE) for policy in policies))
        notes = (sample_note(seeds, with_images(results, pivot.task)),)
        tables.append(Table(columns, rows, title_of(pivot.block), notes, seeds, across="Policy"))
    text = _DIFFERENCE if tables else "There is no other format to compare with {baseline}."
    found = scores_of(tasks)
    compared = joined((inline(task.compared, baseline=baseline) for task in found), " ")
    allowed = " or ".join(task.tolerated(tolerance) for task in found)
    about = note(text, baseline=baseline, tolerance=allowed, compared=compared)
    return Section(f"Difference to {baseline}", (about, *tables))


def _difference(pivot: Pivot, name: str, policy: str, row: Mapping[Hashable, Any] | None, seeds: int) -> Cell:
    """Return a difference with its interval and its verdict.

    Args:
        row: of the summary.
        seeds: that most cells of the table have.
    """
    cell = pivot.cell(name, policy)
    if not isinstance(cell, Runs) or row is None:
        return cell
    mean, half = row[f"{pivot.task.difference}_mean"], row[f"{pivot.task.difference}_ci95"]
    spans: list[Span] = [Quantity(mean, Unit.DIFFERENCE)]
    low, high = (row[end] for end in pivot.task.ends)
    if not math.isnan(half):
        spans += [Words(" ± "), Quantity(half, Unit.ACCURACY)]
    elif not math.isnan(low):
        ends = {"low": Quantity(low, Unit.DIFFERENCE), "high": Quantity(high, Unit.DIFFERENCE)}
        spans += inline(" ({low} to {high})", **ends)
    spans += [Words(f", {row['verdict']}")] if row["verdict"] else []
    more = [f"n = {cell.estimate.n}"] if cell.estimate.n != seeds else []
    more += [f"{cell.failed} failed"] if cell.failed else []
    rest = (Words(f" ({', '.join(more)})"),) if more else ()
    found = (*spans, *rest)
    return Strong(found) if row["shown"] else found
