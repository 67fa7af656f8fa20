"""float32 bit patterns at which a rounding is likely to go wrong, and a million that nobody chose."""

from __future__ import annotations

import functools

import numpy as np

from oracles.definition import Definition
from oracles.staircase import bits

MILLION = 1_000_000


@functools.cache
def random(count: int = MILLION) -> np.ndarray:
    """Return random patterns of all 2^32, ascending as numbers within each sign."""
    return np.sort(np.random.default_rng(20260101).integers(0, 2**32, count, dtype=np.uint32))


@functools.cache
def common() -> np.ndarray:
    """Return zeros, infinities, NaN, the ends of float32 and every power of two with its neighbours."""
    powers = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    ends = [0.0, 1.5 * 2.0**-126, np.finfo(np.float32).max]
    positive = neighbours(np.concatenate([powers, np.array(ends, np.float32)]))
    nans = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF], np.uint32)
    infinite = np.array([0x7F800000, 0xFF800000], np.uint32)
    return np.concatenate([bits(positive), bits(-positive), infinite, nans])


def neighbours(x: np.ndarray) -> np.ndarray:
    """Return float32 numbers and the ones just below and above each."""
    with np.errstate(over="ignore", under="ignore"):
        return np.concatenate(
            [x, np.nextafter(x, np.float32(-np.inf)), np.nextafter(x, np.float32(np.inf))], dtype=np.float32
        )


def edges(definition: Definition) -> np.ndarray:
    """Return every value, every boundary between two values, and the float32 neighbours of both."""
    points = [definition.values, definition.middles]
    if definition.beyond is not None:
        end = (definition.values[-1] + definition.beyond) / 2
        points.append(np.array([end, -end, definition.beyond, -definition.beyond]))
    with np.errstate(over="ignore", under="ignore"):
        return bits(neighbours(np.concatenate(points).astype(np.float32)))


def of(definition: Definition, count: int = MILLION) -> np.ndarray:
    """Return the patterns at which a format is tested, ``count`` of them random."""
    return np.concatenate([edges(definition), common(), random(count)])


def filled(x: np.ndarray) -> np.ndarray:
    """Return a vector repeated up to one of few lengths: XLA compiles a kernel anew for each length.

    The first elements are those of ``x``; a format then finds what was compiled for another one.
    """
    size = 1 << 15
    while size < len(x):
        size += size >> 1 if size & (size - 1) == 0 else size // 3
    return np.resize(x, size)


def differences(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return where two arrays of patterns differ; all patterns of NaN are one."""
    unequal = np.flatnonzero(got != expected)
    magnitudes = np.stack([got[unequal], expected[unequal]]) & np.uint32(0x7FFFFFFF)
    return unequal[~(magnitudes > 0x7F800000).all(axis=0)]
