"""The thresholds of a rounding to a table of values, and their table of buckets.

A threshold is the least float32 that is rounded to the next value. All of them are worked out exactly: the
middle of two float32 numbers is carried as a float64 and the error that this leaves (D. E. Knuth, The Art of
Computer Programming, vol. 2, 4.2.2, theorem B).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from precision.errors import PrecisionError

_MOST_BUCKETS = 1 << 19  # the place of a bucket and a shift together are exact in float32
_INFINITY = np.float32(np.inf)
# Modes that look up the value below x and a partner of it: the value above, or the one with the odd code.
PAIRED = ("stochastic", "odd")


Exact = tuple[np.ndarray, np.ndarray]  # float64 numbers and what they lack to those that are meant


def thresholds(values: np.ndarray, codes: np.ndarray, boundaries: Exact, mode: str) -> np.ndarray:
    """Return the least float32 x that is rounded to ``values[i + 1]`` rather than ``values[i]``, for each i.

    Args:
        boundaries: where rounding to nearest changes from one value to the next.
        mode: a rounding mode; for those of PAIRED the values themselves.
    """
    low, high = values[:-1], values[1:]
    after_low = np.nextafter(low, _INFINITY)
    if mode in ("floor", *PAIRED):
        return high
    if mode == "ceil":
        return after_low
    if mode == "toward_zero":
        return np.where(high <= 0, after_low, high)
    middle, error = boundaries
    if mode == "nearest":
        tie_up = codes[1:] % 2 == 0
    elif mode == "nearest_away":
        tie_up = middle >= 0
    else:  # nearest_up
        tie_up = np.ones(len(middle), bool)
    return _least_above(middle, error, tie_up)


def away_from_zero(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return thresholds under which only zero itself is rounded to the value 0."""
    zero = int(np.searchsorted(values, 0))
    steps = steps.copy()
    steps[zero - 1] = 0.0
    steps[zero] = np.nextafter(np.float32(0), _INFINITY)
    return steps


def middles(values: np.ndarray) -> Exact:
    """Return the middle of every two neighbours."""
    low, high = values[:-1].astype(float), values[1:].astype(float)
    total = low + high
    part = total - low
    lack = (low - (total - part)) + (high - part)
    return total / 2, lack / 2


def _least_above(middle: np.ndarray, error: np.ndarray, tie_up: np.ndarray) -> np.ndarray:
    """Return the least float32 at or above ``middle + error`` (above it, where a tie does not go up)."""
    with np.errstate(over="ignore", under="ignore"):
        step = middle.astype(np.float32)
    exact = step.astype(float)
    below = (exact < middle) | ((exact == middle) & ((error > 0) | ((error == 0) & ~tie_up)))
    return np.where(below, np.nextafter(step, _INFINITY), step)


@dataclass(frozen=True)
class Table:
    """What :class:`precision.formats.kernels.codebook.CodebookProgram` looks up."""

    buckets: int
    places: np.ndarray
    columns: tuple[np.ndarray, ...]


def table(
    values: np.ndarray,
    steps: np.ndarray,
    infinity: float,
    name: str,
    partners: np.ndarray | None = None,
) -> Table:
    """Return the buckets of a staircase that begins at ``values[0]`` and rises at each of ``steps``.

    Args:
        infinity: what +infinity becomes; -infinity becomes the least value where that is the largest one.
        partners: for each value another one; then each side of a threshold has two columns, not one.

    Raises:
        PrecisionError: when thresholds lie so near to each other that the table would be too large.
    """
    # Seen from zero: on the positive side x reaches values[i + 1] at steps[i]; on the negative side it falls
    # back from it to values[i] once its magnitude exceeds that of the step.
    zero = int(np.searchsorted(steps, 0, side="right"))  # steps[zero:] are positive
    sides = (
        (steps[zero:], 1, infinity),
        (
            np.nextafter(-steps[:zero][::-1] + np.float32(0), _INFINITY),
            -1,
            values[0] if infinity == values[-1] else -infinity,
        ),
    )
    places, columns, start = [], [], 0
    for marks, direction, end in sides:
        bits = marks.view(np.int32)
        for field in range(255):
            first, last = np.searchsorted(bits, [field << 23, (field + 1) << 23])
            threshold, passed, shift = _binade(bits[first:last])
            inner = zero + direction * (first + passed)
            outer = zero + direction * (first + passed + (threshold < _INFINITY))
            picked = [values[inner], values[outer]]
            if partners is not None:
                picked = [values[inner], partners[inner], values[outer], partners[outer]]
            places.append(start * 32 + shift)
            columns.append(np.stack([threshold, *picked]))
            start += len(threshold)
            if start > _MOST_BUCKETS:
                raise PrecisionError(
                    f"format {name!r}: its values lie too near to each other to be told apart; leave out "
                    "values whose relative distance is below 2^-16"
                )
        places.append(start * 32 + 23)
        columns.append(np.array([[_INFINITY], *[[end]] * (len(columns[0]) - 1)], np.float32))
        start += 1
    size = 1 << (start - 1).bit_length()  # few sizes, so that tables of about one size share their graph
    joined = np.concatenate(columns, axis=1)
    padded = np.concatenate([joined, np.zeros((len(joined), size - start), np.float32)], axis=1)
    return Table(size, np.array(places, np.float32), tuple(padded))


def _binade(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut a binade into buckets with at most one threshold each.

    Args:
        marks: bit patterns of the thresholds in the binade, ascending.

    Returns:
        For each bucket its threshold (infinity for none) and how many thresholds lie in the buckets before
        it, and the shift that makes a mantissa the number of its bucket.
    """
    mantissas = marks & 0x7FFFFF
    cut = 0
    while 1 << cut <= _MOST_BUCKETS and (np.diff(mantissas >> (23 - cut)) == 0).any():
        cut += 1
    occupied = mantissas >> (23 - cut)
    threshold = np.full(1 << cut, _INFINITY, np.float32)
    threshold[occupied] = marks.view(np.float32)
    return threshold, np.searchsorted(occupied, np.arange(1 << cut)), 23 - cut
