"""What the stored predictions tell of the difference between a run and the run that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from precision.analysis.paired import Paired, between, gains
from precision.analysis.seeds import covariance
from precision.tasks import Task

Predictions = Callable[[str], "np.ndarray | None"]
"""Returns what a trial predicted of the test images, as ``TrialResult`` has it; None where none is stored."""

Labels = Callable[[str], "np.ndarray | None"]
"""Returns the right answers of the test images of a trial; None where they are not known."""

KEPT = 32  # predictions of baselines that are kept in memory, of which many formats have the same


class Pair(NamedTuple):
    """A run, the one that it is compared with, by their trials, and the difference of their scores."""

    row: Hashable
    trial: str
    compared: str
    difference: float


class _Gains(NamedTuple):
    """The images on which one of the two alone is right: their places, and 1 where it is the run, else -1."""

    places: np.ndarray
    signs: np.ndarray


class _Changes(NamedTuple):
    """The images to which a run gives another answer: their places, what it says, what the baseline says."""

    places: np.ndarray
    said: np.ndarray
    before: np.ndarray


_Told = _Gains | _Changes | np.ndarray


def over_images(
    cells: Iterable[Sequence[Pair]], task: Task, predictions: Predictions, labels: Labels | None = None
) -> pd.DataFrame:
    """Return for each run what its test images tell, in the columns of the task; without what is not stored.

    Args:
        cells: the seeds of each cell.
        predictions: asked once for each run, and for a baseline now and then.
        labels: asked for each run, if they are known at all.
    """
    baseline = lru_cache(KEPT)(predictions)
    columns = [*task.ends, task.error, task.shared, "changed", "alone"]
    rows: dict[Hashable, list[float | None]] = {}
    for pairs in cells:
        found: list[tuple[Pair, Paired, _Told]] = []
        for pair in pairs:
            before, now = baseline(pair.compared), predictions(pair.trial)
            if before is None or now is None:
                continue
            right = None if labels is None or now.dtype.kind == "f" else labels(pair.trial)
            told = between(now, before, pair.difference, right)
            if told is not None:
                known = right if told.alone is not None else None
                found.append((pair, told, _told(now, before, known)))
        shared = _shared(found)
        for pair, told, _ in found:
            rows[pair.row] = [told.low, told.high, told.error, shared.get(pair.row), told.changed, told.alone]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _told(now: np.ndarray, before: np.ndarray, labels: np.ndarray | None) -> _Told:
    """Return what is kept of a run to compare it with other seeds."""
    if now.dtype.kind == "f":
        q, r = (np.square(errors, dtype=np.float64).mean(axis=1) for errors in (now, before))
        return (q / q.mean() - r / r.mean()) / 2  # of the logarithm of the RMSE, image by image
    signs = gains(now, before, labels)
    if signs is not None:
        places = np.flatnonzero(signs)
        return _Gains(places, signs[places])
    places = np.flatnonzero(~_equal(now, before))
    return _Changes(places, now[places], before[places])


def _shared(found: Sequence[tuple[Pair, Paired, _Told]]) -> dict[Hashable, float]:
    """Return for each run the mean covariance of its difference with those of the other seeds."""
    sums: dict[Hashable, list[float]] = {pair.row: [] for pair, _, _ in found}
    for (one, told, changes), (other, its, theirs) in combinations(found, 2):
        if told.images != its.images or type(changes) is not type(theirs):
            continue
        if isinstance(changes, _Gains) and isinstance(theirs, _Gains):
            value = covariance(_in_common(changes, theirs), told.images, one.difference, other.difference)
        elif isinstance(changes, _Changes) and isinstance(theirs, _Changes):
            value = covariance(_alike(changes, theirs), told.images, one.difference, other.difference)
        else:
            scale = (1 + one.difference) * (1 + other.difference)
            value = scale * float(np.cov(changes, theirs)[0, 1]) / told.images
        sums[one.row].append(value)
        sums[other.row].append(value)
    return {row: float(np.mean(values)) for row, values in sums.items() if values}


def _in_common(one: _Gains, other: _Gains) -> int:
    """Return on how many images two seeds gain, or lose, alike, less those on which they are opposite."""
    _, here, there = np.intersect1d(one.places, other.places, assume_unique=True, return_indices=True)
    return int((one.signs[here] * other.signs[there]).sum())


def _alike(one: _Changes, other: _Changes) -> int:
    """Return on how many images two seeds may change for the same reason.

    What is right is not known: where one of the two answers is the same with both seeds, it is taken for it.
    """
    _, here, there = np.intersect1d(one.places, other.places, assume_unique=True, return_indices=True)
    same = _equal(one.said[here], other.said[there]) | _equal(one.before[here], other.before[there])
    return int(same.sum())


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    same = one == other
    return same if same.ndim == 1 else same.all(axis=1)
