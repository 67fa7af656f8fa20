"""What every tool is told of a trial: its name, its parameters, and the names of its metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from precision.grid import Cell, Store
from precision.grid.store import sums
from precision.printable import printable
from precision.trial import Trial, TrialResult

Scalar = str | int | float | bool
# Rows of the history name the metrics of the test images with this prefix.
_VALIDATION = "val_"


@dataclass(frozen=True)
class Described:
    """A trial as a tool shows it.

    Attributes:
        name: its labels in one line, for people.
        parameters: labels, seed, and the whole description, by dotted names; texts and numbers.
        attempt: counts from 1; above that the trial is run again because it gave no result.
        began: when it was started, in seconds since 1970.
    """

    trial: Trial
    name: str
    parameters: dict[str, Scalar]
    attempt: int
    began: float


@dataclass(frozen=True)
class End:
    """What came of a trial.

    Attributes:
        status: of its result, or ``killed`` when the run ended before it.
        retried: whether it is going to be run again.
        metrics: final numbers, without those that are not there (NaN).
        texts: the reason, facts and provenance, by dotted names.
        files: to keep as artifacts.
        time: when it ended, in seconds since 1970.
    """

    status: str
    time: float
    reason: str = ""
    retried: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


class Describer:
    """Describes the trials of one grid with the labels of its cells."""

    def __init__(self, store: Store, cells: Sequence[Cell], weights: bool) -> None:
        self._store, self._weights = store, weights
        self._cells: dict[str, Cell] = {}
        for cell in cells:
            self._cells.setdefault(cell.trial.id, cell)

    def begin(self, trial: Trial, attempt: int, began: float) -> Described:
        """Describe a trial that starts."""
        labels = self._labels(trial)
        words = [str(labels[key]) for key in ("dataset", "architecture", "policy")]
        words += [str(labels["method"])] if trial.policy else []
        words += [f"seed {trial.seed}", str(labels.get("training", ""))]
        words += [f"repeat {trial.repeat}"] if trial.repeat else []
        parameters = {**labels, **flat(trial.to_json()), "trial": trial.id, "attempt": attempt}
        name = printable(" ".join(word for word in words if word))
        return Described(trial, name, shown(parameters), attempt, began)

    def end(self, result: TrialResult, retried: bool, time: float) -> End:
        """Describe what came of a trial."""
        folder = self._store.folder(result.trial.id)
        names = ("result.json", sums.PREDICTIONS, sums.BY_CLASS, sums.SAMPLES)
        files = [folder / name for name in names]
        if self._weights:
            files.append(self._store.weights(result.trial.id))
        return End(
            status=result.status,
            time=time,
            reason=printable(result.reason),
            retried=retried,
            metrics={f"result/{k}": float(v) for k, v in result.metrics.items() if not math.isnan(v)},
            texts={
                **{f"facts.{printable(key)}": printable(text) for key, text in result.facts.items()},
                **{f"provenance.{key}": printable(text) for key, text in result.provenance.items()},
            },
            files=() if retried else tuple(path for path in files if path.exists()),
        )

    def _labels(self, trial: Trial) -> dict[str, Scalar]:
        cell = self._cells.get(replace(trial, repeat=0).id)  # a cell stands for its repeats too
        if cell is None:  # a baseline that no cell of the grid shows
            return {
                "dataset": trial.dataset.name,
                "architecture": trial.architecture.name,
                "policy": "float32" if not trial.policy else "",
                "method": trial.method.name,
            }
        labels: dict[str, Scalar] = {
            key: getattr(cell, key) for key in ("dataset", "architecture", "policy", "method")
        }
        return {**labels, **({"training": cell.training} if cell.training else {})}


def shown(parameters: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return parameters whose names and texts only say something."""
    return {
        printable(key): printable(value) if isinstance(value, str) else value
        for key, value in parameters.items()
    }


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Return nested plain data by dotted names; lists become their JSON text, what is None is left out."""
    found: dict[str, Scalar] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            if value:
                found[prefix + key] = json.dumps(value)
        elif value is not None:
            found[prefix + key] = value
    return found


def epoch_metrics(row: dict[str, float]) -> dict[str, float]:
    """Return a row of the history by the names that tools group by: ``train/loss``, ``val/accuracy``."""
    named = {}
    for key, value in row.items():
        group = "val" if key.startswith(_VALIDATION) else "train"
        named[f"{group}/{key.removeprefix(_VALIDATION)}"] = float(value)
    del named["train/epoch"]
    return named


def sample_metrics(row: dict[str, float]) -> dict[str, float]:
    """Return a sample of what a trial's process uses, by the names that tools group by."""
    return {f"resources/{key}": float(value) for key, value in row.items() if key != "seconds"}
