"""What moves numbers without computing, in a few simple steps: read off where every number comes from.

Files have operators for these steps, whatever the layer of Keras that moves is called.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reshape:
    """The same numbers in the same order, (images, *shape)."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Transpose:
    """The axes in another order, that of the images first."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """Every ``steps``-th number of each axis from ``first`` to before ``last``, without images."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that is left of one image."""
        spans = zip(self.first, self.last, self.steps, strict=True)
        return tuple(len(range(first, last, step)) for first, last, step in spans)


@dataclass(frozen=True)
class Pad:
    """Zeros before and after each axis, without that of the images."""

    around: tuple[tuple[int, int], ...]


_EXACT = 2**24  # whole numbers that float32 has

Move = Reshape | Transpose | Cut | Pad


def moves(to: Callable[[np.ndarray, int], np.ndarray], shape: tuple[int, ...]) -> list[Move] | None:
    """Return what a move does to an image of a shape, as few simple ones; None where these do not make it.

    Args:
        to: maps (numbers with an axis of images, float32, what stands in new places) to numbers.

    >>> moves(lambda x, fill: x[:, ::2, 1:], (4, 3))
    [Cut(first=(0, 1), last=(3, 3), steps=(2, 1))]
    """
    count = math.prod(shape)
    if count > _EXACT:
        return None
    here = np.arange(1, count + 1, dtype=np.float32).reshape(1, *shape)
    there = to(here, 0)
    if there.ndim < 2 or len(there) != 1:  # it moves numbers from one image to another
        return None
    if not np.isin(there, np.append(here, 0)).all():  # it computes
        return None
    here, there = here.astype(np.int64), there.astype(np.int64)
    if there.size == here.size and np.array_equal(there.ravel(), here.ravel()):
        return [Reshape(there.shape[1:])] if there.shape != here.shape else []
    if there.ndim != here.ndim:
        return None
    for axes in itertools.permutations(range(1, here.ndim)):
        if np.array_equal(here.transpose(0, *axes), there):
            return [Transpose((0, *axes))]
    return _cut_and_padded(here[0], there[0])


def _cut_and_padded(here: np.ndarray, there: np.ndarray) -> list[Move] | None:
    places = np.argwhere(there)
    if not len(places):
        return None
    low, high = places.min(axis=0), places.max(axis=0) + 1
    kept = there[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    first = np.unravel_index(int(kept.flat[0]) - 1, here.shape)
    steps, last = [], []
    for axis, begin in enumerate(first):
        step = 1
        if kept.shape[axis] > 1:
            second = np.take(kept, 1, axis=axis).flat[0]
            step = int(np.unravel_index(max(int(second) - 1, 0), here.shape)[axis]) - int(begin)
        if step < 1:
            return None
        steps.append(step)
        last.append(int(begin) + (kept.shape[axis] - 1) * step + 1)
    cut = Cut(tuple(map(int, first)), tuple(last), tuple(steps))
    chosen = here[tuple(slice(a, b, c) for a, b, c in zip(cut.first, cut.last, cut.steps, strict=True))]
    if not np.array_equal(chosen, kept):
        return None
    after = np.array(there.shape) - high
    found: list[Move] = [] if chosen.shape == here.shape else [cut]
    if low.any() or after.any():
        found.append(Pad(tuple((int(a), int(b)) for a, b in zip(low, after, strict=True))))
    return found
