"""A rounding as a staircase over the float32 numbers in ascending order.

Rounding never decreases, so a format and a mode are a short table: from which float32 on comes which result.
Looking up a pattern is a search in the table, and a run of neighbouring patterns is the table's results, each
repeated as often as its step is wide: checking all 2^32 patterns costs little more than writing them down.

float32 numbers are counted by *keys*: 0 is +0, 1 the least positive number, -1 is -0, and so on to the
infinities at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INFINITY = 0x7F800000  # key of +Inf, and its bit pattern
LEAST = -1 - INFINITY  # key of -Inf
SIGN = 0x80000000
NAN_BITS = 0x7FC00000


def keys(patterns: np.ndarray) -> np.ndarray:
    """Return the keys (int64) of float32 bit patterns; those of NaN lie beyond the infinities."""
    patterns = patterns.astype(np.int64)
    return np.where(patterns < SIGN, patterns, SIGN - 1 - patterns)


def bits(x: np.ndarray | float) -> np.ndarray:
    """Return the bit patterns (uint32) of float32 numbers."""
    return np.ascontiguousarray(x, np.float32).view(np.uint32)


def first_at_least(limit: np.ndarray) -> np.ndarray:
    """Return the key of the first float32 that is >= each limit (float64, exact). -0 counts as 0."""
    with np.errstate(over="ignore", under="ignore"):
        single = limit.astype(np.float32)
    found = keys(bits(single)) + (single.astype(np.float64) < limit)
    return np.where(limit == 0, -1, found)


def first_above(limit: np.ndarray) -> np.ndarray:
    """Return the key of the first float32 that is > each limit (float64, exact)."""
    with np.errstate(over="ignore", under="ignore"):
        single = limit.astype(np.float32)
    found = keys(bits(single)) + (single.astype(np.float64) <= limit)
    return np.where(limit == 0, 1, found)


@dataclass(frozen=True)
class Staircase:
    """The results of a rounding.

    Attributes:
        starts: keys (int64), ascending, where a step begins; the first is ``LEAST``.
        results: bit patterns (uint32) of the results.
        nan, negative_nan: bit patterns of what NaN becomes, by its sign bit.
    """

    starts: np.ndarray
    results: np.ndarray
    nan: int
    negative_nan: int

    def lookup(self, patterns: np.ndarray) -> np.ndarray:
        """Return the results of float32 bit patterns, any order."""
        at = keys(patterns)
        found = self.results[np.searchsorted(self.starts, at, side="right") - 1]
        found = np.where(at > INFINITY, np.uint32(self.nan), found)
        return np.where(at < LEAST, np.uint32(self.negative_nan), found)

    def run(self, first: int, count: int) -> np.ndarray:
        """Return the results of ``count`` patterns from ``first`` on, all of one sign."""
        magnitude = first & (SIGN - 1)
        numbers = max(0, min(count, INFINITY + 1 - magnitude))  # behind them come the patterns of NaN
        if first < SIGN:
            found, nan = self._ascending(first, first + numbers), self.nan
        else:
            found, nan = self._ascending(-magnitude - numbers, -magnitude)[::-1], self.negative_nan
        return np.concatenate([found, np.full(count - numbers, nan, np.uint32)])

    def _ascending(self, begin: int, end: int) -> np.ndarray:
        if begin == end:
            return np.empty(0, np.uint32)
        one, last = np.searchsorted(self.starts, [begin, end - 1], side="right") - 1
        edges = np.concatenate([[begin], self.starts[one + 1 : last + 1], [end]])
        return np.repeat(self.results[one : last + 1], np.diff(edges))


def staircase(
    starts: np.ndarray, values: np.ndarray, *, minus: float, plus: float, nan: float, zero_sign: bool
) -> Staircase:
    """Return the staircase in which step i begins at ``starts[i]`` and gives ``values[i]``.

    Args:
        starts: keys; the first is ignored, its step reaches down to the least finite float32.
        values: float64, exactly float32 numbers.
        minus, plus: what the infinities become.
        zero_sign: whether what comes from below zero and rounds to zero is -0.
    """
    starts = np.concatenate([[LEAST, LEAST + 1], starts[1:], [INFINITY]])
    values = np.concatenate([[minus], values, [plus]])
    kept = np.append(starts[1:] > starts[:-1], True)  # an empty step is overtaken by the next
    starts, values = starts[kept], values[kept]
    results = bits(values)
    if not np.array_equal(values, results.view(np.float32), equal_nan=True):
        raise ValueError("a value is no float32")
    results[values == 0] = 0
    if zero_sign:
        below = (values == 0) & (starts < 0)
        results[below] = SIGN
        if below.any() and 0 not in starts:
            at = np.searchsorted(starts, 0)
            starts, results = np.insert(starts, at, 0), np.insert(results, at, 0)
    if np.isnan(nan):
        return Staircase(starts, results, NAN_BITS, NAN_BITS)
    # A format without NaN makes it 0, with the sign of the NaN where zeros have one.
    sign = SIGN if zero_sign and nan == 0 else 0
    return Staircase(starts, results, int(bits(nan)[0]), int(bits(nan)[0]) | sign)
