"""The format under test: every call of it is guarded, so that each fault becomes a finding in words."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats.base import NumberFormat
from precision.formats.conformance import patterns
from precision.formats.conformance.verdict import broken, not_applicable, number, said
from precision.formats.rounding import TO_NEAREST

KEY = (7, 1)  # of stochastic rounding, wherever any key will do
LISTED_BITS = 16  # formats of more bits do not list their values


class Subject:
    """A format, the numbers it is tried on, and what became of them.

    Attributes:
        format: the format under test.
        rng: NumPy generator with a fixed seed: a second run finds the same.
    """

    def __init__(self, number_format: NumberFormat) -> None:
        self.format = number_format
        self.rng = np.random.default_rng(2026)
        self._rounded: dict[str, np.ndarray] = {}

    @property
    def lists(self) -> bool:
        """Whether the format has to list its values, or those of its elements, and does."""
        if self.format.block is None:
            return self.format.bits <= LISTED_BITS
        try:
            return bool(self.format.values().size)
        except PrecisionError:
            return False

    @property
    def modes(self) -> tuple[str, ...]:
        """The roundings of the format that are not random."""
        return tuple(mode for mode in self.format.roundings if mode != "stochastic")

    @property
    def nearest_modes(self) -> tuple[str, ...]:
        """Those that go to the nearer value."""
        return tuple(mode for mode in self.modes if mode in TO_NEAREST)

    @property
    def wraps(self) -> bool:
        """Whether what lies beyond the range comes back in at the other end."""
        plus = self.format.infinity
        return math.isfinite(plus) and plus != self.format.max

    @functools.cached_property
    def values(self) -> np.ndarray:
        """The values that the format lists, as float32; not applicable where there are too many."""
        if not self.lists:
            not_applicable(f"a format of {self.format.bits:g} bits does not list its values")
        return np.asarray(self.call("values"), np.float32)

    @functools.cached_property
    def x(self) -> np.ndarray:
        """Finite float32, ascending: values, midpoints, their neighbours, powers of two, random patterns.

        A format with shared scales is tried on a matrix instead, see :func:`patterns.blocks`.
        """
        if self.format.block is not None:
            return patterns.blocks(self.rng, self.format.block)
        return patterns.elements(self.rng, self.values if self.lists else None)

    def rounded(self, mode: str = "nearest") -> np.ndarray:
        """Return ``x`` in the format."""
        if mode not in self._rounded:
            self._rounded[mode] = self.quantize(self.x, mode)
        return self._rounded[mode]

    def within(self, x: np.ndarray) -> np.ndarray:
        """Return which numbers lie between the least and the largest value."""
        return (x >= self.format.lowest) & (x <= self.format.max)

    def neighbours(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return numbers of ``x`` within the range, and the values at or below and at or above each."""
        x = self.x[self.within(self.x)]
        if self.lists:
            values = self.values
            above = np.searchsorted(values, x)  # the first value that is not below
            below = np.where(values[above] == x, above, above - 1)
            return x, values[below], values[above]
        if not {"floor", "ceil"} <= set(self.modes):
            not_applicable("the format neither lists its values nor rounds down and up")
        return x, self.quantize(x, "floor"), self.quantize(x, "ceil")

    def quantize(self, x: Any, mode: str = "nearest", key: Any = None, axis: int = -1) -> np.ndarray:
        """Return an array in the format; an exception or another kind of result is a finding."""
        y = self.unchecked(x if x.base is not None else x.copy(), mode, key, axis)
        shape = np.shape(x)
        if not isinstance(y, np.ndarray | np.generic):
            broken(f"quantize{_in(mode)} turns a NumPy array into {type(y).__name__}")
        if y.dtype != np.float32:
            broken(f"quantize{_in(mode)} returns {y.dtype} for {_example(x)}; it must return float32")
        if y.shape != shape:
            broken(f"quantize{_in(mode)} returns shape {y.shape} for an array of shape {shape}")
        return np.asarray(y)

    def unchecked(self, x: Any, mode: str = "nearest", key: Any = None, axis: int = -1) -> Any:
        """Return what the format makes of an array; an exception is a finding."""
        key = KEY if mode == "stochastic" and key is None else key
        return self.guarded(
            x, lambda part: self.format.quantize(part, mode, key, axis=axis), f"quantize{_in(mode)}"
        )

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the format; an exception is a finding."""
        function = getattr(self.format, method)
        if arguments and isinstance(arguments[0], np.ndarray):
            rest = arguments[1:]
            return self.guarded(arguments[0], lambda part: function(part, *rest, **options), method)
        try:
            return function(*arguments, **options)
        except Exception as error:
            broken(f"{method}() raised {said(error)}")

    def read(self, attribute: str) -> Any:
        """Return an attribute of the format; an exception is a finding."""
        try:
            return getattr(self.format, attribute)
        except Exception as error:
            broken(f"{attribute} raised {said(error)}")

    def guarded(self, x: Any, function: Callable[[Any], Any], what: str) -> Any:
        """Return ``function(x)``; an exception is a finding that names the number on which it happens."""
        try:
            return function(x)
        except Exception as error:
            culprit, last = _culprit(x, function, error)
            broken(f"{what} raised {said(last)}, on {_example(culprit)}")


def _culprit(x: Any, function: Callable[[Any], Any], error: Exception) -> tuple[Any, Exception]:
    """Return the smallest part of an array found on which a function fails, by halving, and its error."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return x, error
    for part in _halves(x.reshape(-1)):
        try:
            function(part)
        except Exception as again:
            return _culprit(part, function, again)
    return x, error


def _halves(x: np.ndarray) -> Iterator[np.ndarray]:
    if x.size > 1:
        yield x[: x.size // 2]
        yield x[x.size // 2 :]


def _example(x: Any) -> str:
    array = np.asarray(x)
    if array.size == 1:
        return number(array.reshape(-1)[0])
    return f"an array of shape {array.shape}"


def _in(mode: str) -> str:
    return "" if mode == "nearest" else f" (rounding {mode})"
