"""Figures of another work beside ours: one table by architecture and policy, one of those with a margin."""

from __future__ import annotations

import math

from precision.analysis import Published, Results
from precision.analysis.published import Comparison, compared
from precision.registry import SECTIONS
from precision.report.checks import WITHIN, Check, counted, percent, table_of_checks
from precision.report.document import Cell, Column, Part, Section, Span, Table, Unit, Words, note, order
from precision.report.sections.pivots import pivots
from precision.report.titles import title_of

_INTERVAL = "Behind ours stands half its 95 % interval over seeds."


@SECTIONS.register("published")
@order(50)
def published(results: Results) -> Section | None:
    """Return which published figures ours are within the margin of, and those without one side by side."""
    figures = results.settings.published
    if not figures:
        return None
    parts: list[Part] = []
    if checks := [_check(one) for one in compared(figures, results.summary())]:
        parts += [counted(checks), table_of_checks(checks), note(WITHIN), note(_INTERVAL)]
    if figures.margin is None and (tables := _side_by_side(results, figures)):
        about = note("Test accuracy in percent: ours beside those of {source}.", source=figures.source)
        parts += [about, *tables]
    if not parts:
        return None
    source = note(
        "Source: {source}.{gap}{more}",
        source=figures.source.rstrip("."),
        gap=Words(" " if figures.note.strip() else ""),
        more=figures.note,
    )
    return Section("Published figures", (*parts, source))


def _check(one: Comparison) -> Check:
    figure, known = one.figure, one.runs > 0
    signed = figure.kind == "difference"
    half: tuple[Span, ...] = () if math.isnan(one.half) else (Words(" ± "), percent(one.half))
    return Check(
        figure=figure.name or one.cell,
        of=one.cell,
        published=percent(figure.value, signed),
        bound=figure.bound,
        ours=percent(one.ours, signed) if known else None,
        spread=(*half, Words(f" (n = {one.runs})")),
        away=percent(one.ours - figure.value, True) if known else None,
        margin=percent(figure.margin),
        status=one.status,
    )


def _side_by_side(results: Results, figures: Published) -> list[Table]:
    """Return a table per block, of what the publication names, in grid order as far as the grid has it."""
    known = list(results.cells()["policy"].unique())
    named = list(dict.fromkeys(policy for row in figures.accuracy.values() for policy in row))
    named.sort(key=lambda policy: known.index(policy) if policy in known else len(known))
    columns = [Column("Architecture")]
    for policy in named:
        columns += [Column(f"{policy} ours", Unit.ACCURACY), Column(f"{policy} published", Unit.PERCENT)]
    tables = []
    # Figures of another work are accuracies.
    found = [pivot for pivot in pivots(results, lambda task: task.score) if not pivot.task.relative]
    for pivot in found if named else ():
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
