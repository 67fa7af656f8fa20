"""Gather the stored results of a grid into the table that the analysis and the report read."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from precision.analysis.results import Published, ReportSettings, Results
from precision.grid.expression.expand import Cell
from precision.grid.expression.schema import Grid, ReportOptions
from precision.grid.expression.source import Source
from precision.grid.store import Store
from precision.quantization import Policy
from precision.trial import TrialResult

METRICS = [
    "accuracy",
    "loss",
    "train_images",
    "test_images",
    "epochs",
    "parameters",
    "weight_bits",
    "activation_bits",
    "weight_bytes",
    "float32_weight_bytes",
    "peak_memory_bytes",
    "train_seconds",
    "seconds_per_epoch",
    "inference_images_per_second",
]


def collect(grid: Grid, source: Source, cells: list[Cell], store: Store) -> Results:
    """Return the results of a grid; a trial without a result has the status ``pending``."""
    found = store.results({cell.trial.id for cell in cells})
    uses = Counter(cell.trial.id for cell in cells)
    rows = [_row(cell, found.get(cell.trial.id), uses[cell.trial.id] > 1) for cell in cells]
    results = list(found.values())
    return Results(
        name=grid.name,
        description=grid.description,
        frame=pd.DataFrame(rows),
        histories={result.trial.id: result.history for result in results if result.history},
        settings=_settings(grid.report),
        source=_shown(source.path),
        options=_options(grid),
        environment=_environment(results),
        predictions=store.predictions,
    )


def _row(cell: Cell, result: TrialResult | None, shared: bool) -> dict[str, Any]:
    metrics = result.metrics if result and result.status == "ok" else {}
    row: dict[str, Any] = {
        "trial": cell.trial.id,
        "dataset": cell.dataset,
        "dataset_title": result.facts.get("dataset_title", cell.dataset) if result else cell.dataset,
        "architecture": cell.architecture,
        "policy": cell.policy,
        "method": cell.method,
        "training": cell.training,
        "seed": cell.seed,
        "status": result.status if result else "pending",
        "reason": result.reason if result else "",
        **{name: metrics.get(name, math.nan) for name in METRICS},
        "timing": result.facts.get("timing", "") if result else "",
        "formats": str(Policy.from_json(cell.trial.policy)),
        "shared": shared,
        "machine": result.provenance.get("machine", "") if result else "",
    }
    size = row["weight_bytes"]
    row["compression"] = row["float32_weight_bytes"] / size if size else math.nan
    return row


def _settings(options: ReportOptions) -> ReportSettings:
    published = options.published
    return ReportSettings(
        baseline=options.baseline,
        tolerance=options.tolerance,
        published=Published(published.source, published.note, published.accuracy) if published else None,
        notes=options.notes,
    )


def _options(grid: Grid) -> dict[str, str]:
    """Return, as texts, how the networks were trained and every option that the grid sets."""

    def text(options: dict[str, Any]) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in options.items())

    training = {
        name: " or ".join("of Keras" if value is None else str(value) for value in values)
        for name, values in grid.training
        if values not in ([0.0], ["constant"])
    }
    added = [inclusion.method for inclusion in grid.include if inclusion.method]
    chosen = {
        f"{kind} {entry.label}": text(entry.choice.options)
        for kind, entries in (
            ("dataset", grid.datasets),
            ("architecture", grid.architectures),
            ("method", [*grid.methods, *added]),
        )
        for entry in entries
        if entry.choice.options
    }
    return {"training": text(training), **chosen}


def _shown(path: Path) -> str:
    """Return a path as a reader elsewhere can use it: from the working directory, or the name alone."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.name


def _environment(results: list[TrialResult]) -> dict[str, str]:
    """Return what the trials ran on; where they differ, every value."""
    environment = {}
    keys = ("machine", "memory", "threads", "system", "python", "tensorflow", "keras", "numpy", "commit")
    for key in (*keys, "plugins"):
        values = sorted({result.provenance.get(key, "") for result in results} - {""})
        if values:
            environment[key] = ", ".join(values)
    return environment
