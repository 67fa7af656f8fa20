"""What calibration sees of a tensor: its extremes, and a weighted sample of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats.engine.program import Axis
from precision.quantization.layers.channels import as_columns

BINS = 2048  # of a histogram, from the least to the largest value of a channel
# The weight of the next batch in a moving average. PyTorch takes 0.01, made for thousands of batches;
# calibration sees about ten.
WEIGHT = 0.1


@dataclass(frozen=True, eq=False)
class Statistics:
    """What calibration saw of one tensor, by channel; a tensor that is taken whole is one channel (C = 1).

    Attributes:
        low, high: least and largest value (C,), float32.
        average_low, average_high: moving averages of the extremes of the batches (C,), float32: the first
            batch starts them, and each batch moves them by ``WEIGHT`` of its distance, a += 0.1 (x - a).
        points: the values (C, n), float32, in any order, or a sample of them as a :class:`Histogram` has it;
            (C, 0) where only extremes were asked for.
        counts: how many values each point stands for (C, n), int64.
    """

    low: np.ndarray
    high: np.ndarray
    average_low: np.ndarray
    average_high: np.ndarray
    points: np.ndarray
    counts: np.ndarray


class Histogram:
    """Counts and sums of values in equal bins, by channel.

    A bin is represented by the mean of its values (by its centre if it is empty). Zeros are counted apart:
    every format represents them, and of some tensors they are the most.

    Args:
        low, high: the range of the bins (C,); values must lie within.
        bins: how many.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, bins: int = BINS) -> None:
        self._low, self._high, self._bins = low.astype(np.float64), high.astype(np.float64), bins
        width = self._high - self._low
        self._scale = np.divide(bins, width, out=np.zeros_like(width), where=width > 0)
        self._offsets = np.arange(len(low)) * (bins + 1)
        self._counts = np.zeros(len(low) * (bins + 1), np.int64)
        self._sums = np.zeros(len(low) * (bins + 1))

    def add(self, columns: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Count values (m, C), each once or ``weights`` (m, C) times."""
        # In pieces: what is computed for one should stay in the cache, and outweigh the arrays of the bins.
        rows = max(1, max(1 << 16, 2 * len(self._counts)) // columns.shape[1])
        for start in range(0, len(columns), rows):
            x = columns[start : start + rows]
            index = ((x - self._low) * self._scale).astype(np.int64)
            np.minimum(index, self._bins - 1, out=index)
            index[x == 0] = self._bins
            index += self._offsets
            index = index.ravel()
            if weights is None:
                self._counts += np.bincount(index, minlength=len(self._counts))
                self._sums += np.bincount(index, x.ravel(), len(self._counts))
            else:
                w = weights[start : start + rows]
                self._counts += np.bincount(index, w.ravel(), len(self._counts)).astype(np.int64)
                self._sums += np.bincount(index, (w * x.astype(np.float64)).ravel(), len(self._counts))

    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Return points (C, bins + 1), float32 and ascending, and how many values each stands for."""
        shape = (len(self._low), self._bins + 1)
        low, high = self._low[:, None], self._high[:, None]
        centres = low + (np.arange(shape[1]) + 0.5) / self._bins * (high - low)
        centres[:, -1] = 0
        counts = self._counts.reshape(shape)
        means = np.divide(self._sums.reshape(shape), counts, out=centres, where=counts > 0)
        means[:, :-1] = np.clip(means[:, :-1], low, high)
        points = means.astype(np.float32)
        order = np.argsort(points, axis=1, kind="stable")
        return np.take_along_axis(points, order, 1), np.take_along_axis(counts, order, 1)


def extremes(columns: np.ndarray, location: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest value of each column of (m, C).

    Raises:
        PrecisionError: when there is no value, or one that is not finite; it begins with ``location``.
    """
    if columns.size == 0:
        raise PrecisionError(f"{location}: calibration needs at least one value, but got none")
    low, high = columns.min(axis=0), columns.max(axis=0)  # NaN passes through both
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        received = "NaN" if np.isnan(low).any() else "infinity"
        raise PrecisionError(
            f"{location}: calibration needs finite values, but got {received}; the usual causes are a "
            "training that diverged and damaged images"
        )
    return low, high


def statistics_of(values: Any, axis: Axis | None = None, *, location: str = "values") -> Statistics:
    """Return the statistics of an array in memory, for example of a weight.

    Args:
        values: of any shape, read as float32.
        axis: of the channels; None takes the whole array as one channel.
        location: what the message of an error begins with.

    Raises:
        PrecisionError: when there is no value, or one that is not finite.
    """
    columns = as_columns(values, axis)
    low, high = extremes(columns, location)
    points = columns.T
    return Statistics(low, high, low, high, points, np.broadcast_to(np.int64(1), points.shape))


def moving_average(batches: Sequence[np.ndarray]) -> np.ndarray:
    """Return the moving average (C,) of the extremes of batches, (C,) each; the first one starts it."""
    average = batches[0].astype(np.float64)
    for batch in batches[1:]:
        average += WEIGHT * (batch - average)
    return average.astype(np.float32)
