"""Results on disk: one folder per trial, each file whole or absent.

    <root>/trials/<id>/result.json      the description and everything measured
    <root>/trials/<id>/predictions.npy  the predicted class of every test image
    <root>/trials/<id>/trained.weights.h5
    <root>/locks/<id>.lock              held by the process that runs the trial

A file is written under another name and renamed, and result.json comes last, so that a reader never sees half
of anything. A result that cannot be read is reported and treated as absent.
"""

from __future__ import annotations

import json
import math
import os
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np

from precision.errors import PrecisionError
from precision.trial import STATUSES, Trial, TrialResult

SCHEMA_VERSION = 1


class Store:
    """The results below one folder; several processes may use it at once."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise PrecisionError(
                f"{self.root}: the store must be a folder, but this is a file; give another --store"
            )

    def create(self) -> None:
        """Make the folder.

        Raises:
            PrecisionError: when nothing can be written there.
        """
        try:
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            (self.root / "trials").mkdir(exist_ok=True)
            probe = self.root / "locks" / f".{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise PrecisionError(
                f"{self.root}: results cannot be written here ({error.strerror}); give another --store"
            ) from None

    def folder(self, trial_id: str) -> Path:
        """Return the folder of a trial."""
        return self.root / "trials" / trial_id

    def weights(self, trial_id: str) -> Path:
        """Return the file of a trial's trained weights."""
        return self.folder(trial_id) / "trained.weights.h5"

    def checkpoint(self, trial_id: str) -> Path:
        """Return the folder of what a training that is not over yet can go on from."""
        return self.folder(trial_id) / "checkpoint"

    def lock(self, trial_id: str) -> filelock.FileLock:
        """Return the lock that the process running a trial holds; it falls with the process."""
        return filelock.FileLock(self.root / "locks" / f"{trial_id}.lock")

    def save(self, result: TrialResult) -> None:
        """Write a result; it is there entirely or not at all."""
        folder = self.folder(result.trial.id)
        folder.mkdir(parents=True, exist_ok=True)
        if result.predictions is not None:
            predictions = result.predictions
            _write(
                folder / "predictions.npy", lambda stream: np.save(stream, predictions, allow_pickle=False)
            )
        record = {
            "schema": SCHEMA_VERSION,
            "id": result.trial.id,
            "trial": result.trial.to_json(),
            "status": result.status,
            "reason": result.reason,
            "metrics": _without_nan(result.metrics),
            "facts": result.facts,
            "history": [_without_nan(row) for row in result.history],
            "provenance": result.provenance,
        }
        text = json.dumps(record, indent=1, allow_nan=False)
        _write(folder / "result.json", lambda stream: stream.write(text.encode()))

    def load(self, trial_id: str) -> TrialResult | None:
        """Return the result of a trial without its predictions, or None when none can be trusted."""
        path = self.folder(trial_id) / "result.json"
        try:
            return _parse(path.read_text(encoding="utf-8"), trial_id)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"{path}: this result cannot be trusted and is ignored ({type(error).__name__}: {error})"
            warnings.warn(text, stacklevel=2)
            return None

    def finished(self, trial: Trial) -> bool:
        """Return whether a trial needs no run: it is ``ok``, or ``diverged``, which another run repeats."""
        result = self.load(trial.id)
        if result is None or result.status not in ("ok", "diverged"):
            return False
        if result.status == "diverged":
            return True
        # The trials that start from a baseline need its weights.
        needed = [self.folder(trial.id) / "predictions.npy"]
        needed += [self.weights(trial.id)] if trial.method.name == "float32" else []
        return all(path.exists() for path in needed)

    def predictions(self, trial_id: str) -> np.ndarray:
        """Return the predicted classes of a trial, shape (test images,)."""
        predictions: np.ndarray = np.load(self.folder(trial_id) / "predictions.npy", allow_pickle=False)
        return predictions


def _write(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _without_nan(values: dict[str, float]) -> dict[str, float | str]:
    """JSON has no NaN and no infinity: they are stored as texts, so that any JSON reader can read them."""
    return {key: v if math.isfinite(v) else str(float(v)) for key, v in values.items()}


def _with_nan(values: dict[str, float | str]) -> dict[str, float]:
    return {key: float(v) if isinstance(v, str) else v for key, v in values.items()}


def _parse(text: str, trial_id: str) -> TrialResult:
    """Return the result that a file describes; any error means that it is torn or foreign."""
    record = json.loads(text)
    if record["schema"] != SCHEMA_VERSION:
        raise ValueError(f"it has schema {record['schema']}, not {SCHEMA_VERSION}")
    trial = Trial.from_json(record["trial"])
    if trial.id != trial_id or record["status"] not in STATUSES:
        raise ValueError("it does not describe this trial")
    return TrialResult(
        trial=trial,
        status=record["status"],
        reason=record["reason"],
        metrics=_with_nan(record["metrics"]),
        facts=record["facts"],
        history=[_with_nan(row) for row in record["history"]],
        provenance=record["provenance"],
    )
