"""The answer: per architecture, the smallest format within the tolerance."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from precision.analysis import Block, Estimate, Results, blocks
from precision.analysis.choice import chosen
from precision.registry import SECTIONS
from precision.report.document import (
    Cell,
    Code,
    Column,
    List,
    Note,
    Quantity,
    Section,
    Strong,
    Table,
    Unit,
    Words,
    inline,
    note,
    order,
    table_of,
)
from precision.report.sections.headline import covered_table, headline
from precision.report.sections.pivots import sample_note, task_of, with_images, without_labels
from precision.report.titles import columns_of, score_column, scores_of, title_of
from precision.tasks import SCORES, Task

_ABOUT = """\
The smallest format, by bytes of weights and then by bits of activations, that is shown to {bounded} against
{baseline}: the interval of its difference is within the tolerance, over seeds and test images where there
are several seeds, otherwise over the test images, at 95 % for all formats of a network together. Not shown
is the best candidate where only means are within. A format with a failed run is not considered. How to read
the verdicts: {guide}."""
_CONTINUED = """\
Of a method that goes on training, {baseline} is the network that went on with that policy, for as many
epochs, at the same rate and over the images in the same order; {baseline} untouched is the one that both
began with."""


@SECTIONS.register("answer")
@order(10)
def answer(results: Results) -> Section:
    """Return one table per dataset, training and method, and sentences where a table does not say enough.

    There is a sentence for every architecture without an answer; when the report compares one
    architecture by one method only, its sentence is there in any case.
    """
    cells, settings = results.cells(), results.settings
    found = blocks(cells, settings.baseline)
    if not found:
        return Section("The answer", (note("There is no trial to compare."),))
    if problem := _problem(cells, settings.baseline):
        return Section("The answer", (problem,))
    choices = chosen(results.summary(), settings.baseline, settings.tolerance)
    tasks = {block: task_of(cells, block, settings.baseline) for block in found}
    bounded = " or ".join(task.bounded(settings.tolerance) for task in scores_of(tasks.values()))
    guide = Code("docs/reading-a-report.md")
    about = note(_ABOUT, bounded=Words(bounded), baseline=settings.baseline, guide=guide)
    told = choices if len(choices) == 1 else choices[choices["verdict"] != "found"]
    explained = [about]
    if any(choices[f"{task.untouched}_mean"].notna().any() for task in tasks.values()):
        explained.append(note(_CONTINUED, baseline=settings.baseline))
    sentences = List(
        tuple(
            f"{title_of(Block(row['dataset'], row['training'], row['method']))}: {row['sentence']}"
            for _, row in told.iterrows()
        )
    )
    covered = covered_table(results, f"shown to {bounded}")
    return Section(
        "The answer",
        (
            headline(results, choices, bounded),
            *explained,
            sentences,
            *(_table(block, task, choices, results) for block, task in tasks.items()),
            *([covered] if covered is not None else []),
        ),
    )


def _problem(cells: pd.DataFrame, baseline: str) -> Note | None:
    """Return why no run can be compared with the baseline, None where one can."""
    runs = cells[cells["policy"] == baseline]
    if runs.empty:
        text = "The grid has no policy named {name}: nothing can be compared with it."
    elif not ((runs["status"] == "ok") & runs[list(SCORES)].notna().any(axis="columns")).any():
        text = "No run of the baseline {name} gave a result: nothing can be compared with it."
    elif (cells["policy"] == baseline).all():
        text = "Every trial computes in {name}: there is no other format that could be found smaller."
    else:
        return None
    return note(text, name=baseline)


def _table(block: Block, task: Task, choices: pd.DataFrame, results: Results) -> Table:
    baseline = results.settings.baseline
    own = choices[(choices[["dataset", "training", "method"]] == list(block)).all(axis="columns")]
    columns = {
        "architecture": Column("Architecture"),
        "answer": Column("Smallest format"),
        f"{task.score}_mean": score_column(task),
        f"{task.baseline}_mean": score_column(task, baseline),
        f"{task.untouched}_mean": score_column(task, f"{baseline} untouched"),
        "difference": Column("Difference %" if task.relative else "Difference", Unit.DIFFERENCE),
        "interval": Column("Interval"),
        "judged": Column("Verdict"),
        **columns_of("weight_bits", "activation_bits", "weight_bytes", "compression"),
        "energy_times": Column("Times less modelled energy", Unit.RATIO),
    }
    if own["energy_times"].isna().all():
        del columns["energy_times"]
    if own[f"{task.untouched}_mean"].isna().all():
        del columns[f"{task.untouched}_mean"]
    mean, ci95 = own[f"{task.difference}_mean"], own[f"{task.difference}_ci95"]
    lost: list[Any] = [*map(Estimate, mean, own["pairs"].fillna(0), mean * math.nan, ci95)]
    answers: list[Any] = [_answer(row) for _, row in own.iterrows()]
    intervals: list[Any] = [_interval(row, task) for _, row in own.iterrows()]
    own = own.assign(answer=answers, difference=lost, interval=intervals)
    images, guessed = with_images(results, task), without_labels(results, task)
    notes = tuple(sample_note(int(n), images, guessed) for n in sorted(own["pairs"].dropna().unique()))
    return table_of(own, columns, title_of(block), notes)


def _answer(row: pd.Series) -> Cell:
    match row["verdict"]:
        case "found":
            return Strong(row["policy"])
        case "not shown":
            return inline("not shown ({policy})", policy=row["policy"])
        case verdict:
            return str(verdict)


def _interval(row: pd.Series, task: Task) -> Cell:
    low, high = (row[end] for end in task.ends)
    if pd.isna(low):
        return None
    ends = (Quantity(end, Unit.DIFFERENCE) for end in (low, high))
    return inline("{low} to {high}", **dict(zip(("low", "high"), ends, strict=True)))
