"""Observers: how the range of a quantizer is chosen from what calibration saw of a tensor."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from precision.errors import PrecisionError, unknown
from precision.quantization.calibration.range_search import Rounds, Search, divergence, squared_error
from precision.quantization.calibration.statistics import BINS, Histogram, Statistics, statistics_of

__all__ = ["OBSERVERS", "OF_VALUES", "Observer", "Rounds", "Statistics", "choose_range", "statistics_of"]

Observer = Literal["minmax", "moving_average", "percentile", "mse", "entropy"]
OBSERVERS: tuple[str, ...] = get_args(Observer)
OF_VALUES = ("percentile", "mse", "entropy")  # the others read the extremes alone

_KEPT = 4096  # values per channel that mse works on as they are; of more it takes a histogram
_LEAST_BINS = 128  # of a histogram that entropy cuts, as in Migacz's search: of few bins nothing much is lost


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

    The last two try symmetric bounds, and then, for a quantizer with a zero point, each end alone, all in
    steps of a hundredth: every fourth first, and then those around the best. Before that the extremes are
    multiplied by the power of two with the least squared error: formats that are most precise in the middle
    of their range, such as posits, gain from a range that is wider than the values; with others it is 1.

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
    else:
        search = _search(statistics, rounds).widened()
        if observer == "mse":
            low, high = search.symmetric() if symmetric else search.asymmetric()
        else:
            low, high = _least_divergence(statistics, symmetric, search)
    limit = np.finfo(np.float32).max  # of a range that is wider than the values
    return np.clip(low, -limit, 0).astype(np.float32), np.clip(high, 0, limit).astype(np.float32)


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
