"""Where the channels of an array lie: along one axis, or along several at once.

A depthwise kernel (height, width, channels, multiplier) has an output channel for each pair of the last two,
a projection of an attention (inputs, heads, size) one for each pair of head and place. The channels of
several axes are counted in the order in which the array has them, the last axis fastest. Axes are counted
from the front, or negative from the end; no axis at all is one channel for everything.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from precision.formats.engine.program import Axis


def axes(axis: Axis, rank: int) -> tuple[int, ...]:
    """Return the axes counted from the front, ascending."""
    every = (axis,) if isinstance(axis, int) else axis
    return tuple(sorted(each % rank for each in every)) if rank else ()


def others(axis: Axis, rank: int) -> list[int]:
    """Return the axes along which no channels lie."""
    chosen = axes(axis, rank)
    return [each for each in range(rank) if each not in chosen]


def count(axis: Axis, shape: tuple[int, ...]) -> int:
    """Return how many channels an array of a shape has; a single number is a channel of its own."""
    return math.prod(shape[each] for each in axes(axis, len(shape)))


def shape_along(axis: Axis, shape: Any) -> tuple[int, ...]:
    """Return the shape in which a vector of one number for each channel meets an array of a shape.

    Sizes before the first of the axes need not be known; nor that of the axis, where it is one.
    """
    rank = len(shape)
    chosen = axes(axis, rank)
    if len(chosen) == 1:
        return (-1,) + (1,) * (rank - 1 - chosen[0])
    first = min(chosen, default=rank)
    return tuple(int(shape[each]) if each in chosen else 1 for each in range(first, rank))


def as_columns(values: Any, axis: Axis | None = None) -> np.ndarray:
    """Return the values of an array as float32 (m, C), with one column per channel.

    Args:
        axis: of the channels; None takes the whole array as one channel.
    """
    array = np.asarray(values, np.float32)
    if axis is None:
        return array.reshape(-1, 1)
    chosen = axes(axis, array.ndim)
    return np.moveaxis(array, chosen, range(-len(chosen), 0)).reshape(-1, count(axis, array.shape))
