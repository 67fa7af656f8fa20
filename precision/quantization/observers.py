"""Observers: how the range of a quantizer is chosen from what calibration saw of a tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from precision.errors import PrecisionError, unknown
from precision.quantization.statistics import BINS, Histogram, Statistics, statistics_of

__all__ = ["OBSERVERS", "OF_VALUES", "Rounds", "Statistics", "choose_range", "statistics_of"]

OBSERVERS = ("minmax", "moving_average", "percentile", "mse", "entropy")
OF_VALUES = ("percentile", "mse", "entropy")  # the others read the extremes alone

# Rounds points (R, n) by a quantizer with one range (R,), (R,) per row: (points, low, high) -> (R, n).
Rounds = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# The loss (R,) of rounding points (R, n) that stand for counts (R, n), with a range (R,), (R,) per row.
_Loss = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

_STEPS = 100  # ranges that a search tries, equally far apart
_AT_ONCE = 1 << 17  # values that a search rounds in one call: what is computed for them fits the cache
_KEPT = 16_384  # points per channel that a search works on as they are
_DOUBLINGS, _DOUBLINGS_AT_ONCE = 128, 8  # of a range: all of float32, and two regimes of a posit with es = 2


def choose_range(
    statistics: Statistics,
    observer: str,
    *,
    percentile: float = 99.9,
    symmetric: bool,
    rounds: Rounds,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the range (low, high), float32 (C,) each, that a quantizer should cover; low <= 0 <= high.

    - ``minmax``: the extremes.
    - ``moving_average``: the moving averages of the extremes of the batches.
    - ``percentile``: the value that ``percentile`` percent of the values do not exceed, and likewise from
      below; with a symmetric quantizer, that percentile of the absolute values, on both sides.
    - ``mse``: the range with the least mean squared error of what the quantizer makes of the values.
    - ``entropy``: the range with the least Kullback-Leibler divergence between the histogram of the values
      and of what the quantizer keeps of it, see :func:`divergence`.

    The last two try a hundred symmetric bounds, and then, for a quantizer with a zero point, a hundred values
    of each end alone, twice. Before that the extremes are multiplied by the best power of two: formats that
    are most precise in the middle of their range, such as posits, gain from a range that is wider than the
    values; with others that power is 1. Of equally good ranges that clip values the widest is taken.

    Args:
        percentile: above 50 and at most 100, where it is the extremes.
        symmetric: whether the quantizer has no zero point, so that only max(-low, high) matters.
        rounds: how the quantizer rounds; called by ``mse`` and ``entropy`` alone, with rows of which each has
            a range of its own, in any number of rows. A range may be (0, 0).

    Raises:
        PrecisionError: for an unknown observer, a percentile outside its limits, or an observer of values
            where the statistics hold only extremes.
    """
    if observer not in OBSERVERS:
        raise unknown("observer", observer, OBSERVERS)
    if observer in OF_VALUES and statistics.points.shape[1] == 0:
        raise PrecisionError(
            f"observer {observer} needs the values of a tensor, but calibration kept only the extremes; "
            "observe it with values=True"
        )
    if observer == "minmax":
        low, high = statistics.low, statistics.high
    elif observer == "moving_average":
        low, high = statistics.average_low, statistics.average_high
    elif observer == "percentile":
        low, high = _percentiles(statistics, percentile, symmetric)
    elif observer == "mse":
        loss = _with(squared_error, rounds)
        low, high = _search(statistics, *_sample(statistics), loss, symmetric, 0)
    else:
        # As in Migacz's search, which starts at 128 of 2048 bins: of a histogram that is cut to a few bins
        # there is little left to diverge.
        low, high = _search(statistics, *_histogram(statistics), _with(divergence, rounds), symmetric, 1 / 16)
    return np.minimum(low, 0).astype(np.float32), np.maximum(high, 0).astype(np.float32)


def _percentiles(statistics: Statistics, percentile: float, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    if not 50 < percentile <= 100:
        raise PrecisionError(f"percentile must be above 50 and at most 100, but got {percentile!r}")
    low, high = statistics.low, statistics.high
    if percentile == 100:  # the points of a histogram are means and fall short of it
        return low, high
    if symmetric:
        bound = weighted_quantile(np.abs(statistics.points), statistics.counts, percentile / 100)
        return np.maximum(low, -bound), np.minimum(high, bound)
    return (
        weighted_quantile(statistics.points, statistics.counts, 1 - percentile / 100),
        weighted_quantile(statistics.points, statistics.counts, percentile / 100),
    )


def weighted_quantile(points: np.ndarray, counts: np.ndarray, fraction: float) -> np.ndarray:
    """Return the quantile (C,) of values (C, n) that each occur ``counts`` times (C, n).

    It is ``numpy.quantile`` of the values written out: between the two neighbours it interpolates.
    """
    found = np.empty(len(points))
    for channel, (values, weights) in enumerate(zip(points, counts, strict=True)):
        order = np.argsort(values, kind="stable")
        ends = np.cumsum(weights[order])
        place = fraction * (ends[-1] - 1)
        rank = int(place)
        below, above = values[order[np.searchsorted(ends, [rank, min(rank + 1, ends[-1] - 1)], "right")]]
        found[channel] = below + (place - rank) * (float(above) - float(below))
    return found


def squared_error(
    points: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: Rounds
) -> np.ndarray:
    """Return the sum of the squared errors (R,) of rounding points (R, n) that stand for counts (R, n)."""
    error = rounds(points, low, high).astype(np.float64) - points
    return np.asarray(np.einsum("rn,rn,rn->r", error, error, counts.astype(np.float64)))


def divergence(
    points: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: Rounds
) -> np.ndarray:
    """Return the Kullback-Leibler divergence (R,) that a quantizer causes in histograms (R, n), in nats.

    The points of a row ascend.

    The criterion of S. Migacz (2017, "8-bit inference with TensorRT"), for any quantizer. P is the histogram
    in which the values that the quantizer clips are counted in the outermost bins that it does not clip. Q is
    what the quantizer keeps of the histogram without the clipped values: the bins that it rounds to one value
    share their counts equally, empty bins aside. A bin is clipped when it lies beyond the range and beyond
    the outermost value that the quantizer returned for it. Clipped values go to bins that hold others, so
    that Q is never 0 where P is not.

    Infinite where the quantizer returns something that is not finite, or clips all but one bin.
    """
    rounded = rounds(points, low, high)
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

    with np.errstate(invalid="ignore", divide="ignore"):
        p /= p.sum(axis=1, keepdims=True)
        q /= q.sum(axis=1, keepdims=True)
        found = np.sum(p * np.log(np.where(inside, p / q, 1)), axis=1)
    clipped = (inside != occupied).any(axis=1)
    useless = (occupied & ~np.isfinite(rounded)).any(axis=1) | (clipped & (inside.sum(axis=1) < 2))
    return np.where(useless, np.inf, found)


def _sample(statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Return points and counts; of very many points a histogram."""
    points, counts = statistics.points, statistics.counts
    if points.shape[1] <= _KEPT:
        return points, counts
    histogram = Histogram(statistics.low, statistics.high)
    histogram.add(points.T, counts.T)
    return histogram.sample()


def _histogram(statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and counts of histograms for :func:`divergence`.

    Fewer values fill fewer bins: four each, on average. Zeros are left out: every quantizer keeps them, and
    so many of them in one bin, as behind a ReLU, would count as an error of those that round the neighbours
    to zero too.
    """
    total = int(statistics.counts[0].sum())
    bins = min(BINS, 1 << max(1, (total // 4).bit_length() - 1))
    histogram = Histogram(statistics.low, statistics.high, bins)
    histogram.add(statistics.points.T, statistics.counts.T)
    points, counts = histogram.sample()
    return points, np.where(points == 0, 0, counts)


def _with(
    loss: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Rounds], np.ndarray], rounds: Rounds
) -> _Loss:
    """Return a loss of one quantizer; what is undefined or overflows is infinitely bad."""

    def finite(points: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            found = loss(points, counts, low, high, rounds)
        return np.where(np.isnan(found), np.inf, found)

    return finite


def _search(
    statistics: Statistics,
    points: np.ndarray,
    counts: np.ndarray,
    loss: _Loss,
    symmetric: bool,
    least: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the range (C,), (C,) with the least loss, channel by channel.

    Args:
        least: the smallest fraction of the widest range to try.
    """
    low = np.minimum(statistics.low, 0).astype(np.float64)
    high = np.maximum(statistics.high, 0).astype(np.float64)
    low, high = _doubled(points, counts, loss, low, high) * np.stack([low, high])
    fractions = np.arange(_STEPS, 0, -1)[:, None] / _STEPS
    fractions = fractions[fractions[:, 0] >= least]
    bounds = fractions * np.maximum(-low, high)
    lows, highs = np.maximum(low, -bounds), np.minimum(high, bounds)
    chosen = _least(_losses(points, counts, loss, lows, highs), lows, highs)
    two = np.flatnonzero((low < 0) & (high > 0))  # of a range with one end the other need not be looked for
    if symmetric or not two.size:
        return chosen[0], chosen[1]
    points, counts, low, high, ends = points[two], counts[two], low[two], high[two], chosen[:, two]
    for end in (1, 0, 1, 0):
        # What was chosen comes first, so that it stays where nothing is better.
        tried = np.repeat(ends[:, None], 1 + len(fractions), axis=1)
        tried[end, 1:] = fractions * (low, high)[end]
        ends = _least(_losses(points, counts, loss, *tried), *tried)
    chosen[:, two] = ends
    return chosen[0], chosen[1]


def _doubled(
    points: np.ndarray, counts: np.ndarray, loss: _Loss, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return the power of two (C,) by which a range is made wide enough that the best one lies within.

    That is 1, or twice the power of two of the least loss. The loss of a tapered format goes up and down with
    every regime, so some doublings are tried at once.
    """
    best, chosen = np.full(len(low), np.inf), np.ones(len(low))
    for start in range(0, _DOUBLINGS, _DOUBLINGS_AT_ONCE):
        factors = 2.0 ** np.arange(start, start + _DOUBLINGS_AT_ONCE)
        losses = _losses(points, counts, loss, factors[:, None] * low, factors[:, None] * high)
        better = losses.min(axis=0) < best
        if not better.any():
            break
        chosen = np.where(better, factors[losses.argmin(axis=0)], chosen)
        best = np.minimum(best, losses.min(axis=0))
    return np.where(chosen > 1, 2 * chosen, 1)


def _least(losses: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Return the range (2, C) with the least of the losses (K, C), the first of equal ones."""
    index = losses.argmin(axis=0), np.arange(losses.shape[1])
    return np.stack([lows[index], highs[index]])


def _losses(
    points: np.ndarray, counts: np.ndarray, loss: _Loss, lows: np.ndarray, highs: np.ndarray
) -> np.ndarray:
    """Return the losses (K, C) of K ranges (K, C), (K, C) of the channels, some at once."""
    limit = np.finfo(np.float32).max
    lows, highs = (np.clip(a, -limit, limit).astype(np.float32) for a in (lows, highs))
    together = max(1, _AT_ONCE // points.size)
    found = []
    for start in range(0, len(lows), together):
        low, high = lows[start : start + together], highs[start : start + together]
        repeats = (len(low), 1)
        rows = loss(np.tile(points, repeats), np.tile(counts, repeats), low.ravel(), high.ravel())
        found.append(rows.reshape(low.shape))
    return np.concatenate(found)
