"""The answer: per architecture, the smallest format within the tolerance."""

from __future__ import annotations

import pandas as pd

from precision.analysis import Block, Estimate, Results, blocks, smallest_within_tolerance, summary
from precision.analysis.choice import points
from precision.registry import SECTIONS
from precision.report.document import Cell, Column, List, Note, Section, Strong, Table, Unit, note, order
from precision.report.sections.pivots import sample_note
from precision.report.titles import title_of

_ABOUT = """\
The smallest format, by bytes of weights and then by bits of activations, whose mean test accuracy is at
most {tolerance} below that of {baseline}. A format with a failed run is not considered."""


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
    choices = smallest_within_tolerance(summary(cells), settings.baseline, settings.tolerance)
    about = note(
        _ABOUT,
        tolerance=points(settings.tolerance),
        baseline=settings.baseline,
    )
    told = choices if len(choices) == 1 else choices[choices["verdict"] != "found"]
    sentences = List(
        tuple(
            f"{title_of(Block(row['dataset'], row['training'], row['method']))}: {row['sentence']}"
            for _, row in told.iterrows()
        )
    )
    return Section(
        "The answer", (about, sentences, *(_table(block, choices, settings.baseline) for block in found))
    )


def _problem(cells: pd.DataFrame, baseline: str) -> Note | None:
    """Return why no run can be compared with the baseline, None where one can."""
    runs = cells[cells["policy"] == baseline]
    if runs.empty:
        text = "The grid has no policy named {name}: nothing can be compared with it."
    elif not ((runs["status"] == "ok") & runs["accuracy"].notna()).any():
        text = "No run of the baseline {name} gave a result: nothing can be compared with it."
    else:
        return None
    return note(text, name=baseline)


def _table(block: Block, choices: pd.DataFrame, baseline: str) -> Table:
    chosen = choices[(choices[["dataset", "training", "method"]] == list(block)).all(axis="columns")]
    columns = (
        Column("Architecture"),
        Column("Smallest format"),
        Column("Accuracy %", Unit.ACCURACY),
        Column(f"{baseline} %", Unit.ACCURACY),
        Column("Difference", Unit.DIFFERENCE),
        Column("Weight bits", Unit.BITS),
        Column("Activation bits", Unit.BITS),
        Column("Weights", Unit.BYTES),
        Column("Times smaller", Unit.RATIO),
    )
    rows = tuple(_row(row) for _, row in chosen.iterrows())
    notes = tuple(sample_note(int(n)) for n in sorted(chosen["pairs"].dropna().unique()))
    return Table(columns, rows, title_of(block), notes)


def _row(row: pd.Series) -> tuple[Cell, ...]:
    pairs = 0 if pd.isna(row["pairs"]) else int(row["pairs"])
    lost = Estimate(row["accuracy_difference_mean"], pairs, float("nan"), row["accuracy_difference_ci95"])
    return (
        row["architecture"],
        Strong(row["policy"]) if row["verdict"] == "found" else str(row["verdict"]),
        row["accuracy_mean"],
        row["baseline_accuracy_mean"],
        lost,
        row["weight_bits"],
        row["activation_bits"],
        row["weight_bytes"],
        row["compression"],
    )
