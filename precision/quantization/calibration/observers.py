"""Observers: how the range of a quantizer is chosen from what calibration saw of a tensor.

An observer is a function of the statistics and of what the range is for, which returns both ends:

    @OBSERVERS.register("half")
    def half(statistics, aim):
        return statistics.low / 2, statistics.high / 2

It is given the values of a tensor too, for which the network runs over the images once more;
``extremes_only`` marks one that does not read them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.errors import PrecisionError, shown
from precision.quantization.calibration.range_search import Rounds, Search, divergence, squared_error
from precision.quantization.calibration.statistics import BINS, Histogram, Statistics, statistics_of
from precision.registry import OBSERVERS

__all__ = ["Aim", "Rounds", "Statistics", "choose_range", "needs_values", "statistics_of"]

_KEPT = 4096  # values per channel that mse works on as they are; of more it takes a histogram
_LEAST_BINS = 128  # of a histogram that entropy cuts, as in Migacz's search: of few bins nothing much is lost


Range = tuple[np.ndarray, np.ndarray]
Observer = Callable[[Statistics, "Aim"], Range]


@dataclass(frozen=True)
class Aim:
    """What a range is for.

    Attributes:
        percentile: of the policy, above 50 and at most 100, where it is the extremes.
        symmetric: whether the quantizer has no zero point, so that only max(-low, high) matters.
        rounds: how the quantizer rounds: called with rows of values (n, m) and the range (n,), (n,) of each.
            A range may be (0, 0).
    """

    percentile: float
    symmetric: bool
    rounds: Rounds


def extremes_only(observer: Observer) -> Observer:
    """Mark an observer that does not read the values of a tensor."""
    observer.extremes_only = True  # type: ignore[attr-defined]
    return observer


def needs_values(observer: str) -> bool:
    """Return whether an observer reads the values of a tensor, and not its extremes alone."""
    return not getattr(OBSERVERS[observer], "extremes_only", False)


def choose_range(
    statistics: Statistics,
    observer: str,
    *,
    percentile: float = 99.9,
    symmetric: bool,
    rounds: Rounds,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the range (low, high), float32 (C,) each, that a quantizer should cover; low <= 0 <= high.

    Args:
        observer: a name in the registry.
        percentile: as the rest, see :class:`Aim`.

    Raises:
        PrecisionError: for an unknown observer, a percentile outside its limits, an observer of values where
            the statistics hold only extremes, and one of a plugin that fails.
    """
    if needs_values(observer) and statistics.points.shape[1] == 0:
        raise PrecisionError(
            f"observer {observer} needs the values of a tensor, but calibration kept only the extremes; "
            "observe it with values=True"
        )
    found = OBSERVERS.call(
        observer, (tuple, list, np.ndarray), statistics, Aim(percentile, symmetric, rounds)
    )
    low, high = _ends(observer, found, len(statistics.low))
    limit = np.finfo(np.float32).max  # of a range that is wider than the values
    return np.clip(low, -limit, 0).astype(np.float32), np.clip(high, 0, limit).astype(np.float32)


def _ends(observer: str, found: Any, channels: int) -> Range:
    """Return what an observer found as both ends of the range of each channel."""
    try:
        low, high = (np.asarray(end, np.float64) for end in found)
    except (TypeError, ValueError):
        low = high = np.array(np.nan)
    fits = low.shape == high.shape == (channels,) and np.isfinite([low, high]).all()
    if not fits or (low > high).any():
        raise OBSERVERS.error(
            observer,
            f"must return (low, high), low <= high, finite and one for each of {channels} channels, but it "
            f"returned {shown(found)}"[:300],
        )
    return low, high


@OBSERVERS.register("minmax")
@extremes_only
def minmax(statistics: Statistics, aim: Aim) -> Range:
    """The extremes."""
    return statistics.low, statistics.high


@OBSERVERS.register("moving_average")
@extremes_only
def moving_average(statistics: Statistics, aim: Aim) -> Range:
    """The moving averages of the extremes of the batches."""
    return statistics.average_low, statistics.average_high


@OBSERVERS.register("percentile")
def percentile(statistics: Statistics, aim: Aim) -> Range:
    """What a share of the values do not exceed, and likewise from below.

    With a symmetric quantizer it is that share of the absolute values, on both sides.
    """
    return _percentiles(statistics, aim.percentile, aim.symmetric)


@OBSERVERS.register("mse")
def mse(statistics: Statistics, aim: Aim) -> Range:
    """The range with the least mean squared error of what the quantizer makes of the values.

    It tries symmetric bounds, and then, for a quantizer with a zero point, each end alone, all in steps of a
    hundredth: every fourth first, and then those around the best. Before that the extremes are multiplied by
    the power of two with the least squared error: formats that are most precise in the middle of their range,
    such as posits, gain from a range that is wider than the values; with others it is 1.
    """
    search = _search(statistics, aim.rounds).widened()
    low, high = search.symmetric() if aim.symmetric else search.asymmetric()
    return low, high


@OBSERVERS.register("entropy")
def entropy(statistics: Statistics, aim: Aim) -> Range:
    """The range with the least divergence between histograms of the values and of what is kept of them.

    It is searched for like that of ``mse``; the divergence is that of Kullback and Leibler, see
    :func:`divergence`.
    """
    low, high = _least_divergence(statistics, aim.symmetric, _search(statistics, aim.rounds).widened())
    return low, high


def _percentiles(statistics: Statistics, percentile: float, symmetric: bool) -> Range:
    if not 50 < percentile <= 100:
        raise PrecisionError(f"percentile must be above 50 and at most 100, but got {shown(percentile)}")
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
    if (counts == 1).all():
        return np.asarray(np.quantile(points, fraction, axis=1))
    found = np.empty(len(points))
    for channel, (values, weights) in enumerate(zip(points, counts, strict=True)):
        order = np.argsort(values, kind="stable")
        ends = np.cumsum(weights[order])
        place = fraction * (ends[-1] - 1)
        rank = int(place)
        below, above = values[order[np.searchsorted(ends, [rank, min(rank + 1, ends[-1] - 1)], "right")]]
        found[channel] = below + (place - rank) * (float(above) - float(below))
    return found


def _search(statistics: Statistics, rounds: Rounds) -> Search:
    """Return the search for the least squared error."""
    points, counts = statistics.points, statistics.counts
    if points.shape[1] > _KEPT:
        histogram = Histogram(statistics.low, statistics.high)
        histogram.add(points.T, counts.T)
        points, counts = histogram.sample()
    low, high = np.minimum(statistics.low, 0), np.maximum(statistics.high, 0)
    return Search(points, counts, low.astype(np.float64), high.astype(np.float64), rounds, squared_error)


def _least_divergence(statistics: Statistics, symmetric: bool, search: Search) -> np.ndarray:
    """Return the range (2, C) with the least :func:`divergence`, up to where a search for the error goes.

    As in the publication, the histogram is one of absolute values if the quantizer is symmetric. Fewer values
    fill fewer bins, four each on average, and of less than 128 bins none is cut off. Zeros are left out:
    every quantizer keeps them, and so many of them in one bin, as behind a ReLU, would count as an error of
    those that round the neighbours to zero too.
    """
    low, high = search.low, search.high
    points, counts = statistics.points, statistics.counts
    top = np.maximum(-low, high)
    ends: tuple[np.ndarray, np.ndarray] = (np.zeros_like(top), top) if symmetric else (low, high)
    bins = min(BINS, 1 << max(1, int(counts[0].sum()) // 4).bit_length() - 1)
    histogram = Histogram(*ends, bins)
    histogram.add((np.abs(points) if symmetric else points).T, counts.T)
    points, counts = histogram.sample()
    counts = np.where(points == 0, 0, counts)
    least = min(100, math.ceil(100 * _LEAST_BINS / bins))
    search = replace(
        search, points=points, counts=counts, low=ends[0], high=ends[1], loss=divergence, least=least
    )
    if not symmetric:
        return search.asymmetric()
    bound = search.symmetric()[1]
    wider = np.maximum(np.divide(bound, top, out=np.ones_like(top), where=top > 0), 1)
    return np.stack([np.maximum(wider * low, -bound), np.minimum(wider * high, bound)])
