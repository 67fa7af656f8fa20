"""The report as one Markdown document."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from precision.analysis import COLUMNS, SUMMARY_COLUMNS, Column, Results
from precision.analysis.choice import points
from precision.report.document import table_text
from precision.report.sections import comparison, cost, experiment
from precision.report.text import document, escape

TEMPLATE = "report.md.j2"


class Picture(NamedTuple):
    """A figure of the report: its file, which rows it shows and its heading (empty for all)."""

    file: str
    dataset: str | None
    heading: str = ""


def pictures(cells: pd.DataFrame, stem: str) -> list[Picture]:
    """Return the figure over all datasets and, when there are several, one for each."""
    datasets = list(cells["dataset"].unique())
    found = [Picture(f"{stem}.png", None)]
    if len(datasets) < 2:
        return found
    for number, dataset in enumerate(datasets, 1):
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", dataset).strip("_.") or str(number)
        file = f"{stem}_{name}.png"
        if file.lower() in {picture.file.lower() for picture in found}:
            file = f"{stem}_{name}_{number}.png"
        found.append(Picture(file, dataset, escape(dataset)))
    return found


def shown(found: list[Picture]) -> list[Picture]:
    """Return the figures to embed: one per dataset, rather than all and then each again."""
    return found[1:] or found


def columns_text(columns: Mapping[str, Column]) -> str:
    """Return the documentation of the columns of a CSV file as a Markdown table."""
    rows = [[f"`{name}`", escape(column.meaning), column.unit] for name, column in columns.items()]
    return table_text(["Column", "Meaning", "Unit"], rows, left=3)


def _baseline_problem(cells: pd.DataFrame, baseline: str) -> str:
    """Return why no run can be compared with the baseline, or an empty text."""
    runs = cells[cells["policy"] == baseline]
    name = escape(baseline)
    if runs.empty:
        return f"The grid has no policy named {name}: nothing can be compared with it."
    if not ((runs["status"] == "ok") & runs["accuracy"].notna()).any():
        return f"No run of the baseline {name} gave a result: nothing can be compared with it."
    return ""


def _rerun(results: Results) -> str:
    """Return the command that repeats the grid, on one line that cannot leave its code block."""
    return f"precision run {shlex.quote(' '.join((results.source or results.name + '.yaml').split()))}"


def render(results: Results, accuracy: list[Picture], losses: list[Picture]) -> str:
    """Return the report; the figures named must lie beside it.

    Args:
        results: what to report.
        accuracy: figures of accuracy against bits; may be empty.
        losses: figures of loss curves; empty when no trial trained.
    """
    import jinja2

    cells, settings = results.cells(), results.settings
    baseline, tolerance = settings.baseline, settings.tolerance
    answer_tables, sentences = comparison.answer(cells, results)
    figures = settings.published
    context: dict[str, Any] = {
        "name": escape(results.name),
        "description": document(results.description),
        "baseline": escape(baseline),
        "baseline_problem": _baseline_problem(cells, baseline),
        "tolerance": points(tolerance),
        "answer": answer_tables,
        "sentences": sentences,
        "outcomes": experiment.outcomes(cells),
        "choices": experiment.choices(cells, results),
        "environment": {escape(key): escape(value) for key, value in results.environment.items()},
        "setup": experiment.setup(cells),
        "accuracy": comparison.accuracy(cells, baseline),
        "differences": comparison.differences(cells, baseline, tolerance),
        "published": comparison.published(cells, baseline, figures) if figures else [],
        "source": escape(figures.source) if figures else "",
        "source_note": escape(figures.note) if figures else "",
        "accuracy_pictures": accuracy,
        "loss_pictures": losses,
        "sizes": cost.sizes(cells, baseline),
        "native": cost.measured(cells, baseline, "native"),
        "emulated": cost.measured(cells, baseline, "emulated"),
        "machines": cost.machines_note(cells),
        "notes": document(settings.notes),
        "trials": experiment.trials(cells, results),
        "command": _rerun(results),
        "commit": escape(results.environment.get("commit", "")),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        # The output is Markdown: every text above is escaped for it, by escape() or document().
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(TEMPLATE).render(context)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def columns_document() -> str:
    """Return the reference of results.csv and summary.csv, for the documentation."""
    parts = [("results.csv", "One row per cell of the grid.", COLUMNS)]
    parts += [("summary.csv", "One row per cell, aggregated over seeds.", SUMMARY_COLUMNS)]
    return "\n".join(f"## {file}\n\n{text}\n\n{columns_text(columns)}\n" for file, text, columns in parts)
