"""The search for the range of a quantizer that does the least harm to a sample of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

# Rounds points (R, n) by a quantizer with one range (R,), (R,) per row: (points, low, high) -> (R, n).
Rounds = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# From points (R, n), counts (R, n), a range (R,), (R,) per row and the rounded points (R, n) to a loss (R,).
Loss = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# From parts of the widest range (K, C) in 0..1 to ranges, low and high in shapes that broadcast to (K, C).
_Ranges = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_AT_ONCE = 1 << 17  # values that are rounded in one call: what is computed for them fits the cache
# Hundredths of the widest range that are tried, and then those around the best of them; that one comes first,
# so that it stays where no other is better.
_COARSE = np.arange(100, 0, -4)
_FINE = np.array([0, 3, 2, 1, -1, -2, -3])
_DOUBLINGS, _DOUBLINGS_AT_ONCE = 128, 8  # of a range: all of float32, and two regimes of a posit with es = 2


@dataclass(frozen=True)
class Search:
    """A sample of values by channel, and what a range is judged by.

    Attributes:
        points, counts: the sample (C, n), as of :class:`.statistics.Statistics`.
        low, high: the extremes, and zero (C,), float64.
        rounds: the quantizer.
        loss: what is to be least. A range under which a value or an extreme becomes infinite or NaN is
            infinitely bad.
        least: hundredths of the extremes below which no range is tried.
        widening: factor (C,) between the extremes and the widest range that is tried.
    """

    points: np.ndarray
    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rounds: Rounds
    loss: Loss
    least: int = 1
    widening: np.ndarray = field(default_factory=lambda: np.ones(1))

    def symmetric(self) -> np.ndarray:
        """Return the range (2, C) with the least loss among those cut off at -t and t."""
        low, high = self.widening * self.low, self.widening * self.high
        top = np.maximum(-low, high)
        return self._best(lambda part: (np.maximum(low, -part * top), np.minimum(high, part * top)))

    def asymmetric(self) -> np.ndarray:
        """Return the range (2, C) with the least loss, with both ends moved, one after the other, twice."""
        found = self.symmetric()
        two = np.flatnonzero((self.low < 0) & (self.high > 0))  # else there is but one end to move
        if two.size:
            some, ends = self._only(two), found[:, two]
            for end in (1, 0, 1, 0):
                ends = some._moved(end, ends)
            found[:, two] = ends
        return found

    def widened(self) -> Search:
        """Return this search up to a range that is wider than the extremes by a power of two.

        That is 1, or twice the one with the least loss. The error of a tapered format goes up and down with
        every regime, so some doublings are tried at once.
        """
        best, chosen = np.full(len(self.low), np.inf), np.ones(len(self.low))
        for start in range(0, _DOUBLINGS, _DOUBLINGS_AT_ONCE):
            factors = 2.0 ** np.arange(start, start + _DOUBLINGS_AT_ONCE)
            losses = self.losses(factors[:, None] * self.low, factors[:, None] * self.high)
            better = losses.min(axis=0) < best
            if not better.any():
                break
            chosen = np.where(better, factors[losses.argmin(axis=0)], chosen)
            best = np.minimum(best, losses.min(axis=0))
        return replace(self, widening=np.where(chosen > 1, 2 * chosen, 1))

    def _only(self, channels: np.ndarray) -> Search:
        arrays = {name: getattr(self, name)[channels] for name in ("points", "counts", "low", "high")}
        return replace(self, **arrays, widening=np.broadcast_to(self.widening, self.low.shape)[channels])

    def _moved(self, end: int, ends: np.ndarray) -> np.ndarray:
        other = ends[1 - end]
        if end == 0:
            return self._best(lambda part: (part * self.widening * self.low, other), ends)
        return self._best(lambda part: (other, part * self.widening * self.high), ends)

    def _best(self, at: _Ranges, default: np.ndarray | None = None) -> np.ndarray:
        """Return the best of the ranges ``at(part)``, part (K, C) in 0..1, and of a default (2, C)."""
        least = np.ceil(np.maximum(self.least / self.widening, 1))
        part, _ = self._least(np.maximum(_COARSE[:, None], least), at)
        part, losses = self._least(np.clip(part + _FINE[:, None], least, 100), at)
        found = np.stack(np.broadcast_arrays(*at(part / 100)))
        if default is None:
            return found
        return np.where(losses < self.losses(*default[:, None])[0], found, default)

    def _least(self, parts: np.ndarray, at: _Ranges) -> tuple[np.ndarray, np.ndarray]:
        """Return the best (C,) of some hundredths (K, C), the first of equal ones, and its loss (C,)."""
        losses = self.losses(*np.broadcast_arrays(*at(parts / 100)))
        index = losses.argmin(axis=0), np.arange(losses.shape[1])
        return parts[index], losses[index]

    def losses(self, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
        """Return the losses (K, C) of K ranges (K, C), (K, C) of the channels."""
        limit = np.finfo(np.float32).max
        low, high = (np.clip(ends, -limit, limit).astype(np.float32).ravel() for ends in (lows, highs))
        channel = np.tile(np.arange(lows.shape[1]), len(lows))
        extremes = np.stack([self.low, self.high], axis=1).astype(np.float32)
        found = np.empty(low.size)
        rows = max(1, _AT_ONCE // self.points.shape[1])
        for start in range(0, low.size, rows):
            part = slice(start, start + rows)
            own = channel[part]
            points, counts = self.points[own], self.counts[own]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                rounded = self.rounds(np.hstack([points, extremes[own]]), low[part], high[part])
                loss = self.loss(points, counts, low[part], high[part], rounded[:, :-2])
            found[part] = np.where(np.isfinite(rounded).all(axis=1), loss, np.inf)
        return found.reshape(lows.shape)


def squared_error(
    points: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray, rounded: np.ndarray
) -> np.ndarray:
    """Return the sum of the squared errors (R,) of points (R, n) that stand for counts (R, n)."""
    error = rounded.astype(np.float64) - points
    return np.asarray(np.einsum("rn,rn,rn->r", error, error, counts.astype(np.float64)))


def divergence(
    points: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray, rounded: np.ndarray
) -> np.ndarray:
    """Return the Kullback-Leibler divergence (R,) that a quantizer causes in histograms (R, n), in nats.

    The criterion of S. Migacz (2017, "8-bit inference with TensorRT"), for any quantizer. P is the histogram
    in which the values that the quantizer clips are counted in the outermost bins that it does not clip. Q is
    what the quantizer keeps of the histogram without the clipped values: the bins that it rounds to one value
    share their counts equally, empty bins aside. A bin is clipped when it lies beyond the range and beyond
    the outermost value that the quantizer returned for it. Clipped values go to bins that hold others, so
    that Q is never 0 where P is not.

    Infinite where the quantizer clips all but one bin.

    Args:
        points: a point of each bin, ascending.
        counts: how many values it holds.
    """
    rows, n = points.shape
    reaches_low = np.minimum(low, rounded[:, 0])[:, None]
    reaches_high = np.maximum(high, rounded[:, -1])[:, None]
    occupied = counts > 0
    inside = occupied & (points >= reaches_low) & (points <= reaches_high)
    kept = np.where(inside, counts, 0).astype(np.float64)

    p = kept.copy()
    every = np.arange(rows)
    first, last = inside.argmax(axis=1), n - 1 - inside[:, ::-1].argmax(axis=1)
    p[every, first] += (counts * (points < reaches_low)).sum(axis=1)
    p[every, last] += (counts * (points > reaches_high)).sum(axis=1)

    level = np.zeros((rows, n), np.int64)
    np.cumsum(rounded[:, 1:] != rounded[:, :-1], axis=1, out=level[:, 1:])
    level = (level + every[:, None] * n).ravel()
    mass = np.bincount(level, kept.ravel(), rows * n)
    members = np.bincount(level, inside.ravel(), rows * n)
    share = np.divide(mass, members, out=np.zeros(rows * n), where=members > 0)
    q = np.where(inside, share[level].reshape(rows, n), 0)

    p /= np.maximum(p.sum(axis=1, keepdims=True), 1)
    q /= np.maximum(q.sum(axis=1, keepdims=True), 1)
    ratio = np.divide(p, q, out=np.ones_like(p), where=inside)
    clipped = (inside != occupied).any(axis=1)
    return np.where(clipped & (inside.sum(axis=1) < 2), np.inf, np.sum(p * np.log(ratio), axis=1))
