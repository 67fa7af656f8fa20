"""Requantisation of whole tensors, compiled: from sums to codes within their range in one pass.

The rules are those of ``requantisation``, whose functions say what these loops compute; a test compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.integer.requantisation import LEAST, MANTISSA, MOST, Factor, narrow
from precision.arithmetic.integer.values import Grid
from precision.arithmetic.threads import divide, processors

ROWS = 1 << 15  # values of a piece of work


def code_type(grid: Grid) -> type[np.integer]:
    """Return the smallest type of NumPy that holds the codes of a grid."""
    for kind in (np.uint8, np.int8, np.uint16, np.int16):
        limits = np.iinfo(kind)
        if limits.min <= grid.lowest and grid.highest <= limits.max:
            return kind
    return np.int32


def finished(
    numbers: np.ndarray, factors: np.ndarray, rule: str, grid: Grid, low: int, high: int, places: int = 1
) -> np.ndarray:
    """Return sums times factors as codes, between two of them.

    Args:
        numbers: integers, (..., channels).
        factors: positive, float64: one, or one of each channel.
        rule: of requantisation.
        grid: of the codes.
        low, high: the least and the largest code that may come of it.
        places: by whose number the sums are divided as well, under ``litert_reference``.

    Returns:
        of the smallest type that holds the codes, the shape of ``numbers``.
    """
    numbers = np.ascontiguousarray(numbers)
    channels = numbers.shape[-1]
    flat = numbers.reshape(-1, channels)
    codes = np.empty(flat.shape, code_type(grid))
    factors = np.broadcast_to(factors, (channels,))
    limits = np.array([grid.zero, low, high], np.int64)
    if rule == "float":
        work: Any = (_float, np.ascontiguousarray(factors, np.float64), np.zeros(0, np.int64))
    elif rule == "float32":
        work = (_float32, np.ascontiguousarray(factors, np.float32), np.zeros(0, np.int64))
    else:
        narrow(flat)
        factor = Factor.of(factors)
        if places > 1:
            factor = factor.over(places)
        work = (_single if rule == "single" else _twice, factor.m, factor.shift)
    loop, first, second = work

    def part(begin: int, end: int) -> None:
        loop(flat[begin:end], first, second, limits, codes[begin:end])

    divide(part, len(flat), -(-flat.size // ROWS), processors())
    return codes.reshape(numbers.shape)


@compiled
def _float(x: Any, factors: Any, _: Any, limits: Any, codes: Any) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            y = np.rint(x[i, c] * factors[c]) + zero
            codes[i, c] = np.int64(min(max(y, np.float64(low)), np.float64(high)))


@compiled
def _float32(x: Any, factors: Any, _: Any, limits: Any, codes: Any) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            y = np.float64(np.rint(np.float32(x[i, c]) * factors[c])) + zero
            codes[i, c] = np.int64(min(max(y, np.float64(low)), np.float64(high)))


@compiled
def _single(x: Any, m: Any, shift: Any, limits: Any, codes: Any) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            right = MANTISSA - shift[c]
            y = (np.int64(x[i, c]) * m[c] + (np.int64(1) << (right - 1))) >> right
            codes[i, c] = min(max(y + zero, low), high)


@compiled
def _twice(x: Any, m: Any, shift: Any, limits: Any, codes: Any) -> None:
    zero, low, high = limits[0], limits[1], limits[2]
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            left, right = max(shift[c], 0), max(-shift[c], 0)
            product = min(max(np.int64(x[i, c]) << left, LEAST), MOST) * m[c]
            if product >= 0:
                top = (product + (np.int64(1) << 30)) >> MANTISSA
            else:
                nudged = product + 1 - (np.int64(1) << 30)
                top = -(-nudged >> MANTISSA)
            mask = (np.int64(1) << right) - 1
            y = (top >> right) + (1 if (top & mask) > (mask >> 1) + (1 if top < 0 else 0) else 0)
            codes[i, c] = min(max(y + zero, low), high)
