"""The pools of an integer network: the largest number and the average of windows, or of all places."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.integer.values import Codes, Real, Value, Wide, of_rank
from precision.arithmetic.window import Window
from precision.errors import PrecisionError


@dataclass(frozen=True)
class MaxPool:
    """The largest number of each window; the padding counts for nothing.

    Attributes:
        window: None for all places of an image.
        keepdims: whether the image keeps its dimensions, of size 1, where the window is None.
    """

    window: Window | None
    keepdims: bool = False

    def __call__(self, *values: Value, rule: str) -> Value:
        """Pool one value."""
        (value,) = values
        if isinstance(value, Real):
            return Real(self._largest(value.numbers))
        if isinstance(value, Codes):
            pooled = self._largest(value.codes)
            return Codes(pooled, value.grid, of_rank(value.scale, pooled.ndim))
        unit = np.asarray(value.unit, np.float64)
        if all(size == 1 for size in unit.shape[1:-1]):  # one for all places
            pooled = self._largest(value.numbers)
            return replace(value, numbers=pooled, unit=_for_rank(unit, pooled.ndim))
        # Averages at an edge are of fewer places: the larger number need not be the larger value.
        numbers, units = (
            self._places(x) for x in (value.numbers, np.broadcast_to(unit, value.numbers.shape))
        )
        best, its_unit = numbers[0], units[0]
        for number, one in zip(numbers[1:], units[1:], strict=True):
            larger = np.where(one > 0, number * one, -np.inf) > np.where(
                its_unit > 0, best * its_unit, -np.inf
            )
            best, its_unit = np.where(larger, number, best), np.where(larger, one, its_unit)
        return replace(value, numbers=best, unit=its_unit)

    def _largest(self, x: np.ndarray) -> np.ndarray:
        if self.window is None:
            return np.asarray(x.max(axis=tuple(range(1, x.ndim - 1)), keepdims=self.keepdims))
        if x.dtype.kind == "f":
            return np.asarray(functools.reduce(np.maximum, _taps(x, self.window, -np.inf)))
        for axis in range(len(self.window.sizes)):
            x = _largest_along(x, self.window, axis)
        return x

    def _places(self, x: np.ndarray) -> list[np.ndarray]:
        """Return what stands in each place of all windows; the padding has the unit 0."""
        if self.window is not None:
            return _taps(x, self.window, 0)
        flat = x.reshape(len(x), -1, x.shape[-1])
        shape = (len(x), *((1,) * (x.ndim - 2) if self.keepdims else ()), x.shape[-1])
        return [flat[:, place].reshape(shape) for place in range(flat.shape[1])]


@dataclass(frozen=True)
class Average:
    """The sum of each window, whose unit is the step over the number of places; padding is no place.

    Under ``litert_reference`` windows are averaged to codes of the grid that they are read from, half away
    from the zero of int8, and the number of all places of an image divides the integer factor, see
    ``requantisation``: so do AVERAGE_POOL_2D and MEAN of LiteRT.

    Attributes:
        window: None for all places of an image.
        keepdims: whether the image keeps its dimensions, of size 1, where the window is None.
    """

    window: Window | None = None
    keepdims: bool = False

    def __call__(self, *values: Value, rule: str) -> Value:
        """Average one value."""
        (value,) = values
        if not isinstance(value, Codes):
            raise PrecisionError("an average is taken of numbers that were rounded")
        x = value.centred()
        litert = rule == "litert_reference" and np.ndim(value.scale) == 0
        if self.window is None:
            axes = tuple(range(1, x.ndim - 1))
            places = math.prod(x.shape[axis] for axis in axes)
            total = x.sum(axis=axes, keepdims=self.keepdims)
            if litert:
                return Wide(total, float(value.scale), places=places)
            return Wide(total, of_rank(value.scale, total.ndim) / places)
        counts = np.asarray(sum(_taps(np.ones((1, *x.shape[1:-1], 1), np.int64), self.window, 0)))
        if litert:
            return replace(value, codes=self._codes(value, counts))
        return Wide(np.asarray(sum(_taps(x, self.window, 0))), value.scale / counts)

    def _codes(self, value: Codes, counts: np.ndarray) -> np.ndarray:
        """Return the averages of codes as codes, of which there are ``counts`` in each window."""
        assert self.window is not None
        offset = value.grid.offset
        total = np.asarray(sum(_taps(value.codes.astype(np.int64) - offset, self.window, 0)))
        nearest = (np.abs(total) + counts // 2) // counts
        return (np.where(total < 0, -nearest, nearest) + offset).astype(value.codes.dtype)


def _largest_along(x: np.ndarray, window: Window, axis: int) -> np.ndarray:
    """Return the largest integer of each window that reaches along one spatial axis alone.

    A window is as many of them as it has dimensions, one after the other.
    """
    spatial = x.shape[1:-1]
    stride, count = window.strides[axis], window.output(spatial)[axis]
    before, _ = window.pads(spatial)[axis]
    shape = *x.shape[: axis + 1], count, *x.shape[axis + 2 :]
    largest = np.full(shape, np.iinfo(x.dtype).min, x.dtype)
    outer, inner = math.prod(shape[: axis + 1]), math.prod(shape[axis + 2 :])
    flat = np.ascontiguousarray(x).reshape(outer, spatial[axis] * inner)
    for tap in range(window.sizes[axis]):
        shift = tap * window.dilations[axis] - before  # window i has the place i * stride + shift there
        first, last = max(0, -(shift // stride)), min(count, -((shift - spatial[axis]) // stride))
        if first < last:
            _enlarge(largest.reshape(outer, count * inner), flat, first, last, stride, shift, inner)
    return largest


@compiled
def _enlarge(largest: Any, x: Any, first: int, last: int, stride: int, shift: int, inner: int) -> None:
    """Let windows first to last have what is larger at place i * stride + shift; rows of runs of numbers."""
    runs = 1 if stride == 1 else last - first  # one long run, whatever the number of channels
    length = (last - first) // runs * inner
    for o in range(len(x)):
        for i in range(runs):
            to, at = (first + i) * inner, ((first + i) * stride + shift) * inner
            found, others = largest[o, to : to + length], x[o, at : at + length]
            for j in range(len(found)):
                if others[j] > found[j]:
                    found[j] = others[j]


def _for_rank(unit: np.ndarray, rank: int) -> Any:
    """Return a unit of one place, of each image and channel, in a shape for numbers of another rank."""
    return unit if unit.ndim < 2 else unit.reshape(len(unit), *(1,) * (rank - 2), unit.shape[-1])


def _taps(x: np.ndarray, window: Window, padding: Any) -> list[np.ndarray]:
    """Return, for each place in a window, what all windows have there: (batch, *output, channels) each."""
    output = window.output(x.shape[1:-1])
    pads = window.pads(x.shape[1:-1])
    if any(map(any, pads)):
        x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=padding)
    return [
        x[
            (
                slice(None),
                *(
                    slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                    for at, dilation, count, stride in zip(
                        place, window.dilations, output, window.strides, strict=True
                    )
                ),
            )
        ]
        for place in np.ndindex(*window.sizes)
    ]
