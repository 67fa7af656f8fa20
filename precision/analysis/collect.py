"""Gather the stored results of a grid into the table that the analysis and the report read."""

from __future__ import annotations

import functools
import json
import math
import statistics
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from precision.analysis.columns import CELL, spread_of, spreads
from precision.analysis.deployed import deployed, machines
from precision.analysis.explained import explanations
from precision.analysis.gates import Gate
from precision.analysis.modelled import modelled
from precision.analysis.published import Published, PublishedFigure
from precision.analysis.results import ReportSettings, Results
from precision.analysis.selected import KEYS
from precision.analysis.true_labels import labels_of
from precision.grid.command import command_of
from precision.grid.file.energy import energy_table
from precision.grid.file.published import PublishedFigures
from precision.grid.file.report import ReportOptions
from precision.grid.file.schema import Grid
from precision.grid.file.source import Source
from precision.grid.plan.expand import Cell
from precision.grid.plan.unrounded import epochs_before
from precision.grid.store import Store, bundles
from precision.measure.counted.energy_table import EnergyTable
from precision.measure.machine.environment import together
from precision.metrics import METRICS
from precision.quantization import Policy
from precision.tasks import CLASSIFICATION
from precision.trial import TrialResult


def collect(grid: Grid, source: Source, cells: list[Cell], store: Store) -> Results:
    """Return the results of a grid; a trial without a result has the status ``pending``."""
    everything = store.results({trial.id for cell in cells for trial in cell.trials()})
    found = {cell.trial.id: everything[cell.trial.id] for cell in cells if cell.trial.id in everything}
    uses = Counter(cell.trial.id for cell in cells)
    rows, table, best = [], energy_table(grid.report.energy_table), _best_loops(everything.values())
    for cell in cells:
        again = [everything[trial.id] for trial in cell.repeats if trial.id in everything]
        shared = uses[cell.trial.id] > 1
        rows.append(_row(cell, found.get(cell.trial.id), again, shared, table, best))
    results = list(found.values())
    others = machines(bundles.stored(store.root), set(found))
    return Results(
        name=grid.name,
        description=grid.description,
        frame=pd.DataFrame(rows),
        histories={result.trial.id: _history(result) for result in results if result.history},
        settings=_settings(grid.report),
        grid=source.origin,
        changes=source.options,
        command=tuple(command_of("run", source, cells)),
        options=_options(grid),
        environment=together(result.provenance for result in results),
        predictions=store.predictions,
        labels=labels_of({r.trial.id: r.facts.get("data_digest", "") for r in results}, store),
        by_class=store.by_class,
        samples=store.samples,
        explanations=explanations(store.root, {result.trial.id for result in results}),
        batches={result.trial.id: result.batches for result in results if result.batches},
        targets=_targets(cells, found),
        deployed=deployed(found, others),
        machines=others,
    )


def _targets(cells: list[Cell], found: Mapping[str, TrialResult]) -> dict[str, tuple[str, str]]:
    """Return what the images of each data set have for targets, as the first of its results says."""
    told: dict[str, tuple[str, str]] = {}
    for cell in cells:
        facts = found[cell.trial.id].facts if cell.trial.id in found else {}
        if "test_classes" in facts:
            told.setdefault(cell.dataset, (facts.get("train_classes", ""), facts["test_classes"]))
    return told


def _history(result: TrialResult) -> list[dict[str, float]]:
    """Return a row per epoch, counted from the beginning of the first training of the network."""
    before = epochs_before(result.trial)
    return [{**row, "epoch": row["epoch"] + before} for row in result.history]


def _best_loops(results: Iterable[TrialResult]) -> dict[str, float]:
    """Return by machine the shortest calibration loop, in ms, that any of its trials has seen."""
    best: dict[str, float] = {}
    for result in results:
        machine, seen = result.provenance.get("machine", ""), result.metrics.get("best_loop_ms", math.nan)
        if not math.isnan(seen):
            best[machine] = min(seen, best.get(machine, math.inf))
    return best


def _row(
    cell: Cell,
    result: TrialResult | None,
    repeats: list[TrialResult],
    shared: bool,
    table: EnergyTable,
    best: Mapping[str, float],
) -> dict[str, Any]:
    metrics, runs, apart = _metrics(cell, result, repeats)
    shown = result or TrialResult(cell.trial, "pending")
    return {
        "trial": cell.trial.id,
        **dict(zip(CELL, cell.labels, strict=True)),
        "control": cell.control,
        "dataset_title": shown.facts.get("dataset_title", cell.dataset),
        "task": shown.facts.get("task", CLASSIFICATION.name) if shown.facts else "",
        "status": shown.status,
        "reason": shown.reason,
        **METRICS.numbers({**metrics, **modelled(shown, table), **_best_loop(shown, best)}),
        **apart,
        "repeats": runs,
        "device": _device(shown),
        "threads": _count(shown, "threads"),
        "cores": _count(shown, "cores"),
        "timing": shown.facts.get("timing", ""),
        "formats": _formats(json.dumps(cell.trial.policy)),
        "shared": shared,
        "energy_source": shown.facts.get("energy_source", ""),
        "lost_negatives": shown.facts.get("lost_negatives", ""),
        "machine": shown.provenance.get("machine", ""),
    }


@functools.cache
def _formats(policy: str) -> str:
    """Return the formats of a policy, which many cells have, given as JSON."""
    return str(Policy.from_json(json.loads(policy)))


def _best_loop(result: TrialResult, best: Mapping[str, float]) -> dict[str, float]:
    machine = result.provenance.get("machine", "")
    return {"best_loop_ms": best[machine]} if result.status == "ok" and machine in best else {}


def _device(result: TrialResult) -> str:
    """Return what a trial ran on, or where it did not run what it asks for."""
    if result.trial.runtime.device or result.status != "ok":
        return result.trial.runtime.device or ""
    return "gpu" if result.provenance.get("gpus") else "cpu"


def _count(result: TrialResult, name: str) -> int | None:
    """Return how many threads, or cores, the process of a trial had; None where it did not run."""
    text = result.provenance.get(name, "") if result.status == "ok" else ""
    return int(text) if text.isdecimal() else None


def _metrics(
    cell: Cell, result: TrialResult | None, repeats: list[TrialResult]
) -> tuple[dict[str, float], int, dict[str, float]]:
    """Return the numbers of a cell, the count of its runs, and how far their times lie apart.

    Times are the medians over the runs.
    """
    if result is None or result.status != "ok":
        return {}, 0, {}
    repeats = [run for run in repeats if run.status == "ok"]
    _check_same(cell, [result, *repeats])
    machine = result.provenance.get("machine")  # times of different machines are never compared
    runs = [result, *(run for run in repeats if run.provenance.get("machine") == machine)]
    times, apart = {}, dict.fromkeys(spreads(), math.nan)
    for metric in METRICS.of("timed"):
        values = [run.metrics.get(metric.name, math.nan) for run in runs]
        known = [value for value in values if not math.isnan(value)]
        if known:
            times[metric.name] = median = statistics.median(known)
            if len(known) > 1 and median and metric.cost:
                apart[spread_of(metric)] = (max(known) - min(known)) / median
    return {**result.metrics, **times}, len(runs), apart


def _check_same(cell: Cell, runs: list[TrialResult]) -> None:
    """Warn when runs of one experiment have different numbers: then something else decides them too."""
    for name in (metric.name for metric in METRICS.of("quality")):
        values = [run.metrics[name] for run in runs if name in run.metrics]  # older results may lack it
        if len({repr(value) for value in values}) > 1:
            words = " ".join(str(label) for label in cell.labels if label != "")
            warnings.warn(
                f"{words}: repeats of one trial differ in {name} "
                f"({', '.join(str(value) for value in values)}); the tables show the first",
                stacklevel=4,
            )
            return


def _settings(options: ReportOptions) -> ReportSettings:
    return ReportSettings(
        baseline=options.baseline,
        tolerance=options.tolerance,
        published=_published(options.published) if options.published else None,
        notes=options.notes,
        energy_table=energy_table(options.energy_table).title,
        gates=tuple(Gate(**requirement.model_dump()) for requirement in options.require),
    )


def _published(given: PublishedFigures) -> Published:
    figures = []
    for one in given.figures:
        kind, value = one.stated
        labels = one.model_dump(include={*KEYS, "bound", "name"})
        margin = given.margin if one.margin is None else one.margin
        figures.append(PublishedFigure(**labels, kind=kind, value=value, margin=margin or 0.0))
    return Published(given.source, given.note, given.accuracy, given.margin, tuple(figures))


def _options(grid: Grid) -> dict[str, str]:
    """Return, as texts, how the networks were trained and every option that the grid sets."""

    def text(options: dict[str, Any]) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in options.items())

    training = {
        name: " or ".join("of Keras" if value is None else str(value) for value in values)
        for name, values in grid.training
        if values not in ([0.0], ["constant"])
    }
    runtime = {
        name: " or ".join("default" if value is None else str(value) for value in values)
        for name, values in grid.runtime
        if values != [None]
    }
    measured = {"runtime": text(runtime)} if runtime else {}
    if grid.repeats > 1:
        measured["repeats"] = f"{grid.repeats} runs of each trial, for its times"
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
    return {"training": text(training), **measured, **chosen}
