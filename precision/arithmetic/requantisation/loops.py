"""Requantisation as a compiled loop: a run of sums becomes codes within their range.

The rules are those of ``rules``, whose functions say what this computes; a test compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.requantisation.rules import LEAST, MANTISSA, MOST, RULES

KINDS = {rule: (0,) * place for place, rule in enumerate(RULES)}


@compiled
def put(
    kind: Any, x: Any, at: int, length: int, factors: Any, shifts: Any, limits: Any, codes: Any, to: int
) -> None:
    """Write the codes of some sums that lie side by side.

    Args:
        kind: one of ``KINDS``: its length is known when this is compiled.
        x: integers, one dimension.
        at: the first of them.
        length: how many; at most as many as there are factors.
        factors: of the sums; the integers of integer factors.
        shifts: int64, of integer factors.
        limits: int64: the code of zero, the least and the largest code.
        codes: to be written, one dimension.
        to: the first of them.
    """
    if len(kind) == 0:
        _float(x, at, length, factors, limits, codes, to)
    elif len(kind) == 1:
        _float32(x, at, length, factors, limits, codes, to)
    elif len(kind) == 2:
        _single(x, at, length, factors, shifts, limits, codes, to)
    else:
        _twice(x, at, length, factors, shifts, limits, codes, to)


@compiled
def put_all(x: Any, how: Any, codes: Any, first: int, last: int) -> None:
    """Write the codes of sums first to last, whose factors repeat; ``first`` is a multiple of their number.

    Args:
        how: (kind, factors, shifts, limits), see ``put``.
    """
    kind, factors, shifts, limits = how
    for at in range(first, last, len(factors)):
        put(kind, x, at, min(len(factors), last - at), factors, shifts, limits, codes, at)


# Below, indices are unsigned, as numba would look for negative ones, and no slices are made, whose references
# it would count: either takes longer than a short run.


@compiled
def _float(x: Any, at: int, length: int, factors: Any, limits: Any, codes: Any, to: int) -> None:
    zero = np.int32(limits[0])
    low, high = np.float64(limits[1] - limits[0]), np.float64(limits[2] - limits[0])
    for j in range(length):
        y = np.rint(x[np.uint64(at + j)] * factors[j])
        codes[np.uint64(to + j)] = np.int32(min(max(y, low), high)) + zero


@compiled
def _float32(x: Any, at: int, length: int, factors: Any, limits: Any, codes: Any, to: int) -> None:
    zero = np.int32(limits[0])
    low, high = np.float32(limits[1] - limits[0]), np.float32(limits[2] - limits[0])
    for j in range(length):
        y = np.rint(np.float32(x[np.uint64(at + j)]) * factors[j])
        codes[np.uint64(to + j)] = np.int32(min(max(y, low), high)) + zero


@compiled
def _single(x: Any, at: int, length: int, m: Any, shift: Any, limits: Any, codes: Any, to: int) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for j in range(length):
        right = MANTISSA - shift[j]
        y = (np.int64(x[np.uint64(at + j)]) * m[j] + (np.int64(1) << (right - 1))) >> right
        codes[np.uint64(to + j)] = min(max(y + zero, low), high)


@compiled
def _twice(x: Any, at: int, length: int, m: Any, shift: Any, limits: Any, codes: Any, to: int) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for j in range(length):
        left, right = max(shift[j], 0), max(-shift[j], 0)
        product = min(max(np.int64(x[np.uint64(at + j)]) << left, LEAST), MOST) * m[j]
        if product >= 0:
            top = (product + (np.int64(1) << 30)) >> MANTISSA
        else:
            nudged = product + 1 - (np.int64(1) << 30)
            top = -(-nudged >> MANTISSA)
        mask = (np.int64(1) << right) - 1
        y = (top >> right) + (1 if (top & mask) > (mask >> 1) + (1 if top < 0 else 0) else 0)
        codes[np.uint64(to + j)] = min(max(y + zero, low), high)
