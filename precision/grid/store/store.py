"""Results on disk: one folder per trial, each file whole or absent.

    <root>/trials/<id>/result.json      the description and everything measured
    <root>/trials/<id>/predictions.npy  the predicted class of every test image
    <root>/trials/<id>/by_class.npz     confusion matrix and ROC, see ``tasks.by_class``
    <root>/trials/<id>/trained.weights.h5
    <root>/trials/<id>/samples.json     what was sampled while it ran; the only one that may be missing
    <root>/store.json                   the version of the store, see ``version``
    <root>/locks/<id>.lock              held by the process that runs the trial
    <root>/labels/<digests>.npy         the right answers of test images, see ``labels``
    <root>/grids/<hash>.json            the grids that were run, see ``registered``
    <root>/index.sqlite                 a cache of the result files, see ``index``

A file is written under another name and renamed, and result.json comes last, so that a reader never sees half
of anything. A result that cannot be read, or is not what was written, is reported and treated as absent.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from precision import files, received
from precision.errors import PrecisionError, said
from precision.grid.store import (
    labels,
    links,
    predictions,
    reading,
    record,
    registered,
    samples,
    sums,
    trusted,
    version,
)
from precision.grid.store.locks import Lock
from precision.grid.store.trusted import DONE
from precision.samples import Samples
from precision.trial import Trial, TrialResult

Content = TypeVar("Content")
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
        self._summed: bool | None = None  # whether every result has to have sums; None is unknown
        self._read: dict[str, dict[str, str] | None] = {}  # sums of the files of results that were read
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
        links.check(self.root)
        with files.refused(self.root, "results cannot be written here", "give another --store"):
            for name in ("locks", "trials", "grids"):
                files.make_folder(self.root / name)
            files.check_room(self.root / "locks")
            self._summed = version.summed(self.root)

    def folder(self, trial_id: str) -> Path:
        """Return the folder of a trial."""
        return self.root / "trials" / trial_id

    def weights(self, trial_id: str) -> Path:
        """Return the file of a trial's trained weights."""
        return self.folder(trial_id) / sums.WEIGHTS

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
        """Write a result with the sums of its files; it is there entirely or not at all.

        A file of a newer version of this project is kept beside a result of ours, and gives way to no
        failure, which the newer version may not have had. A result is worth more than its samples, which are
        left out where only they cannot be written.

        Raises:
            PrecisionError: for a number that cannot be, and where a link leads out of the store.
            OSError: when it cannot be written; a former result stays.
        """
        folder = self.folder(result.trial.id)
        links.check(self.root, [result.trial.id])
        files.make_folder(folder)
        path = folder / "result.json"
        newer = reading.newer(path)
        if newer is not None and result.status not in DONE:
            warnings.warn(
                f"{path}: a newer precision wrote this, and this failure is not stored: {result.reason}",
                stacklevel=2,
            )
            return
        contents: dict[str, bytes] = {}
        if result.predictions is not None:
            contents[sums.PREDICTIONS] = predictions.encode(result.predictions)
        if result.by_class:
            contents[sums.BY_CLASS] = predictions.encode_by_class(result.by_class)
        if result.samples is not None and result.status in DONE:
            contents[sums.SAMPLES] = samples.encode(result.samples)
        try:
            self._write(result, contents, newer)
        except OSError:
            if contents.pop(sums.SAMPLES, None) is None:
                raise
            self._write(result, contents, newer)
        for name in {sums.SAMPLES, sums.BY_CLASS}.difference(contents):  # those of a former result
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)

    def _write(self, result: TrialResult, contents: dict[str, bytes], newer: int | None) -> None:
        """Write a result and the other files of its trial, all or none; weights lie there already."""
        folder = self.folder(result.trial.id)
        found = {name: sums.of(content) for name, content in contents.items()}
        if result.status in DONE and (weights := self.weights(result.trial.id)).exists():
            found[sums.WEIGHTS] = sums.of_file(weights)
        text = record.encode(result, found)
        if newer is not None:
            with suppress(FileNotFoundError):  # it is there already
                (folder / "result.json").rename(folder / f"result.schema{newer}.json")
        files.write_all(folder, {**contents, "result.json": text.encode()})

    def load(self, trial_id: str) -> TrialResult | None:
        """Return the result of a trial without its predictions, or None when none can be trusted."""
        found = self._record(trial_id)
        return None if found is None else record.revive(found)

    def results(self, ids: Collection[str] | None = None) -> dict[str, TrialResult]:
        """Return the results of all trials or of these, by id, without predictions; faster than one by one.

        Trials without a result, or with one that cannot be trusted (which is reported), are absent.
        """
        results = {}
        for name, found in self._records(ids):
            self._read[name] = found["sums"]
            results[name] = record.revive(found)
        return results

    def summaries(self) -> list[dict[str, Any]]:
        """Return the most important facts about every result as flat mappings, see ``reading.summary``."""
        return [reading.summary(name, found) for name, found in self._records()]

    def weights_digest(self, trial_id: str) -> str | None:
        """Return the sha256 of what a trial trained, see ``Predictor.digest``; None where it is unknown."""
        found = self._record(trial_id)
        return found["facts"].get("weights_digest") if found else None

    def finished(self, trial: Trial) -> bool:
        """Return whether a trial needs no run: it is ``ok``, or ``diverged``, which another run repeats."""
        return self.completed(trial) is not None

    def completed(self, trial: Trial) -> TrialResult | None:
        """Return the result of a trial that needs no run, without its predictions; None when it needs one.

        Predictions, and the weights that other trials start from, are read and compared with their sums.
        """
        found = self._record(trial.id)
        if found is None or not trusted.whole(self.folder(trial.id), trial, found):
            return None
        return record.revive(found)

    def done(self, trials: Iterable[Trial]) -> set[str]:
        """Return the ids of those that are finished; much faster than asking one by one.

        The weights that other trials start from have to be there, but are not read.
        """
        asked = {trial.id: trial for trial in trials}
        found = self._records(asked.keys())
        return {
            name for name, data in found if trusted.whole(self.folder(name), asked[name], data, weights=False)
        }

    def predictions(self, trial_id: str) -> np.ndarray:
        """Return the predicted classes of a trial, shape (test images,).

        Raises:
            FileNotFoundError: when there are none.
            PrecisionError: when the file is not the one that was stored with the result.
        """
        decode = predictions.decode
        return self._decoded(trial_id, sums.PREDICTIONS, decode, "these predictions", PREDICTIONS)

    def keep_labels(self, digest: str, targets: np.ndarray) -> None:
        """Keep the right answers of the test images of a data set, once for all trials of these images.

        Raises:
            PrecisionError: when they cannot be written.
        """
        with files.refused(self.root, "results cannot be written here", "give another --store"):
            labels.keep(self.root, digest, targets)

    def labels(self, digest: str) -> np.ndarray:
        """Return the right answers of the test images of a data set, by its digest.

        Raises:
            FileNotFoundError: when there are none.
            PrecisionError: when the file is not the one that was written.
        """
        return labels.load(self.root, digest)

    def by_class(self, trial_id: str) -> dict[str, np.ndarray]:
        """Return what is kept of each class for a trial, see ``tasks.by_class``.

        Raises:
            FileNotFoundError: when there is nothing, as for other tasks and older results.
            PrecisionError: when the file is not the one that was stored with the result.
        """
        decode, most = predictions.decode_by_class, predictions.BY_CLASS
        return self._decoded(trial_id, sums.BY_CLASS, decode, "these numbers of classes", most)

    def samples(self, trial_id: str) -> Samples | None:
        """Return what was sampled while a trial ran; None where nothing was kept of it.

        Raises:
            PrecisionError: when the file is not the one that was stored with the result.
        """
        try:
            return samples.decode(self._content(trial_id, sums.SAMPLES, samples.LARGEST))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PrecisionError(
                f"{self.folder(trial_id) / sums.SAMPLES}: these samples cannot be trusted and are left out "
                f"({said(error)})"
            ) from None

    def _decoded(
        self, trial_id: str, name: str, decode: Callable[[bytes], Content], what: str, most: int
    ) -> Content:
        try:
            return decode(self._content(trial_id, name, most))
        except ValueError as error:
            path = self.folder(trial_id) / name
            raise PrecisionError(f"{path}: {what} cannot be trusted ({error}); run the grid again") from None

    @property
    def unsummed(self) -> bool:
        """Whether results without sums are taken, see ``version``."""
        if self._summed is None:
            self._summed = version.summed(self.root)
        return not self._summed

    def _content(self, trial_id: str, name: str, most: int) -> bytes:
        path = self.folder(trial_id) / name
        if self._read.get(trial_id) is not None:  # many files of results that were read together
            with suppress(ValueError):  # unless the result was replaced since
                return trusted.content(path, {"sums": self._read[trial_id]}, most)
        return trusted.content(path, self._record(trial_id), most)

    def _records(self, ids: Collection[str] | None = None) -> Iterator[tuple[str, record.Record]]:
        return reading.records(self.root, ids, self.unsummed)

    def _record(self, trial_id: str) -> record.Record | None:
        path, unsummed = self.folder(trial_id) / "result.json", self.unsummed
        try:
            return record.decode(received.stored(path)[1], trial_id, unsummed)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reading.tell(reading.distrust(path, error))
            return None
