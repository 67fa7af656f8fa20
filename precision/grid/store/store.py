"""Results on disk: one folder per trial, each file whole or absent.

    <root>/trials/<id>/result.json      the description and everything measured
    <root>/trials/<id>/predictions.npy  the predicted class of every test image
    <root>/trials/<id>/trained.weights.h5
    <root>/locks/<id>.lock              held by the process that runs the trial
    <root>/grids/<hash>.json            the grids that were run, see ``registered``
    <root>/index.sqlite                 a cache of the result files, see ``index``

A file is written under another name and renamed, and result.json comes last, so that a reader never sees half
of anything. A result that cannot be read is reported and treated as absent.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from precision import files, received
from precision.data.files import npy
from precision.errors import PrecisionError, said
from precision.grid.store import reading, record, registered
from precision.grid.store.locks import Lock
from precision.trial import FLOAT32, Trial, TrialResult

PREDICTIONS = 2**32  # bytes of a file of predictions, at most


class Store:
    """The results below one folder; several processes may use it at once.

    >>> from precision.grid import Store, expand, load_grid
    >>> store = Store("runs")
    >>> cell = expand(*load_grid("grid.yaml"))[0]
    >>> store.load(cell.trial.id).metrics["accuracy"]
    0.98
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        received.check_name(self.root)
        if self.root.exists() and not self.root.is_dir():
            raise PrecisionError(
                f"{self.root}: the store must be a folder, but this is a file; give another --store"
            )

    def create(self) -> None:
        """Make the folder.

        Raises:
            PrecisionError: when nothing can be written there.
        """
        with files.refused(self.root, "results cannot be written here", "give another --store"):
            for name in ("locks", "trials", "grids"):
                files.make_folder(self.root / name)
            files.check_room(self.root / "locks")

    def folder(self, trial_id: str) -> Path:
        """Return the folder of a trial."""
        return self.root / "trials" / trial_id

    def weights(self, trial_id: str) -> Path:
        """Return the file of a trial's trained weights."""
        return self.folder(trial_id) / "trained.weights.h5"

    def checkpoint(self, trial_id: str) -> Path:
        """Return the folder of what a training that is not over yet can go on from."""
        return self.folder(trial_id) / "checkpoint"

    def lock(self, trial_id: str) -> Lock:
        """Return the lock that the process running a trial holds; it falls with the process."""
        return Lock(self.root / "locks" / f"{trial_id}.lock")

    def register(self, grid: Path, name: str, ids: Iterable[str] = (), options: str = "") -> None:
        """Note that a grid was run, so that ``precision clean`` keeps what it refers to.

        Args:
            grid: the file.
            name: of the grid.
            ids: of all its trials, baselines and repeats included. Without them, only what the file says when
                ``clean`` reads it is kept.
            options: that changed what the file says, as on the command line.

        Raises:
            OSError: when it cannot be written.
        """
        registered.register(self.root, grid, name, ids, options)

    def save(self, result: TrialResult) -> None:
        """Write a result; it is there entirely or not at all.

        A file of a newer version of this project is kept beside a result of ours, and gives way to no
        failure, which the newer version may not have had.

        Raises:
            OSError: when it cannot be written; a former result stays.
        """
        folder = self.folder(result.trial.id)
        files.make_folder(folder)
        path = folder / "result.json"
        newer = _newer(path)
        if newer is not None and result.status not in ("ok", "diverged"):
            warnings.warn(
                f"{path}: a newer precision wrote this, and this failure is not stored: {result.reason}",
                stacklevel=2,
            )
            return
        if result.predictions is not None:
            predictions = result.predictions
            files.write(
                folder / "predictions.npy", lambda draft: np.save(draft, predictions, allow_pickle=False)
            )
        if newer is not None:
            path.rename(folder / f"result.schema{newer}.json")
        files.write(path, record.encode(result).encode())

    def load(self, trial_id: str) -> TrialResult | None:
        """Return the result of a trial without its predictions, or None when none can be trusted."""
        path = self.folder(trial_id) / "result.json"
        try:
            return record.revive(record.decode(received.stored(path)[1], trial_id))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            warnings.warn(reading.distrust(path, error), stacklevel=2)
            return None

    def results(self, ids: Collection[str] | None = None) -> dict[str, TrialResult]:
        """Return the results of all trials or of these, by id, without predictions; faster than one by one.

        Trials without a result, or with one that cannot be trusted (which is reported), are absent.
        """
        return {name: record.revive(found) for name, found in reading.records(self.root, ids)}

    def summaries(self) -> list[dict[str, Any]]:
        """Return the most important facts about every result as flat mappings, see ``reading.summary``."""
        return [reading.summary(name, found) for name, found in reading.records(self.root)]

    def finished(self, trial: Trial) -> bool:
        """Return whether a trial needs no run: it is ``ok``, or ``diverged``, which another run repeats."""
        return self.completed(trial) is not None

    def completed(self, trial: Trial) -> TrialResult | None:
        """Return the result of a trial that needs no run, without its predictions; None when it needs one."""
        result = self.load(trial.id)
        return result if result is not None and self._complete(trial, result.status) else None

    def done(self, trials: Iterable[Trial]) -> set[str]:
        """Return the ids of those that are finished; much faster than asking one by one."""
        asked = {trial.id: trial for trial in trials}
        found = {name: data["status"] for name, data in reading.records(self.root, asked.keys())}
        return {name for name, status in found.items() if self._complete(asked[name], status)}

    def predictions(self, trial_id: str) -> np.ndarray:
        """Return the predicted classes of a trial, shape (test images,).

        Raises:
            FileNotFoundError: when there are none.
            PrecisionError: when the file is torn or foreign.
        """
        path = self.folder(trial_id) / "predictions.npy"
        try:
            predictions = npy.decode(received.stored(path, PREDICTIONS)[1])
            if predictions.ndim != 1:
                raise ValueError("it holds something else")
        except OSError:
            raise
        except Exception as error:  # a damaged header can lead to anything
            raise PrecisionError(
                f"{path}: these predictions cannot be read ({said(error)}); remove the folder and run the "
                "grid again"
            ) from None
        return predictions

    def _complete(self, trial: Trial, status: str) -> bool:
        if status not in ("ok", "diverged"):
            return False
        if status == "diverged":
            return True
        # The trials that start from a baseline need its weights.
        needed = [self.folder(trial.id) / "predictions.npy"]
        needed += [self.weights(trial.id)] if trial.method == FLOAT32 else []
        return all(path.exists() for path in needed)


def _newer(path: Path) -> int | None:
    """Return the version of the record in a file if it is later than ours."""
    try:
        version = record.schema(received.stored(path)[1])
    except (OSError, ValueError):
        return None
    return version if version is not None and version > record.SCHEMA_VERSION else None
