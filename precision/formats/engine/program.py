"""Rounding programs: the compiled half of a rounding, run on arrays or on tensors.

A rounding is a *program* and a vector of run-time numbers. The program says which operations are done and is
compiled once for every backend; the numbers say for which format. Formats with equal programs share one
compiled kernel, and inside a network one traced graph.

The first two numbers are always the least and the largest value of the format: between them a gradient
passes, and beyond them, where rounding clips, it stops.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.formats.engine import backend, foreign, noise
from precision.formats.rounding import Rounding, parse_rounding

CHUNK = 1 << 16  # elements that stay in the second-level cache through the dozen passes of a kernel
Axis = int | tuple[int, ...]  # one axis that blocks run along, or all those along which channels lie
LOW, HIGH = 0, 1  # places of the range in every vector of run-time numbers


def blocks_along(axis: Axis) -> int:
    """Return the axis that blocks run along; channels, which have no blocks, may lie along several."""
    return axis if isinstance(axis, int) else -1


class Program(ABC):
    """What is compiled. Two equal programs compute the same; subclasses are frozen dataclasses."""

    rounding: Rounding

    @abstractmethod
    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
        """Round ``x``.

        Args:
            xp: the namespace to compute with: ``backend.ARRAYS`` (NumPy) or ``backend.tensors()``.
            x: float32, any shape.
            parameters: float32, the run-time numbers.
            uniform: float32 draws from (0, 1] in the shape of ``x`` for stochastic rounding: a value goes
                up where its fraction reaches the draw.
        """

    def array(
        self, x: np.ndarray, parameters: np.ndarray, words: np.ndarray | None = None, axis: Axis = -1
    ) -> np.ndarray:
        """Round a float32 array in cache-sized pieces; ``words`` is the key of stochastic rounding."""
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty_like(flat)
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            out[start : start + CHUNK] = self._piece(part, start, parameters, words)
        return out.reshape(x.shape)

    def tensor(self, x: Any, parameters: Any, words: Any = None, axis: Axis = -1) -> Any:
        """Round a float32 tensor with one compiled kernel; ``words`` is the key of stochastic rounding."""
        if words is None:
            return in_graph(self)(x, parameters)
        return in_graph(self)(x, parameters, words)

    def _piece(
        self, part: np.ndarray, start: int, parameters: np.ndarray, words: np.ndarray | None
    ) -> np.ndarray:
        uniform = None
        if words is not None:
            index = np.arange(start, start + part.size, dtype=np.int64).astype(np.int32)
            uniform = draws(backend.ARRAYS, index.reshape(part.shape), words, self.rounding.random_bits)
        with np.errstate(all="ignore"):  # infinities and NaN are values here, not accidents
            rounded: np.ndarray = self(backend.ARRAYS, part, parameters, uniform)
        return rounded


@functools.cache
def in_graph(program: Program) -> Callable[..., Any]:
    """Return a program compiled for tensors: maps (x, parameters) or (x, parameters, words) to a tensor."""

    def deterministic(x: Any, parameters: Any) -> Any:
        return program(backend.tensors(), x, parameters)

    def stochastic(x: Any, parameters: Any, words: Any) -> Any:
        xp = backend.tensors()
        return program(xp, x, parameters, uniforms(xp, x, words, program.rounding.random_bits))

    return backend.compiled(stochastic if program.rounding.stochastic else deterministic)


def draws(xp: Any, index: Any, words: Any, bits: int) -> Any:
    """Return a float32 draw from (0, 1] with ``bits`` random bits for each ``index`` under a key."""
    mixed = xp.right_shift(noise.mix(xp, index, words[0], words[1]), 32 - bits) & ((1 << bits) - 1)
    return (xp.cast(mixed, "float32") + np.float32(1)) * np.float32(2.0**-bits)


def uniforms(xp: Any, x: Any, words: Any, bits: int) -> Any:
    """Return the draws for every element of a tensor, in its shape."""
    index = xp.reshape(xp.arange(xp.size(x), dtype="int32"), xp.shape(x))
    return draws(xp, index, words, bits)


def pass_inside(x: Any, upstream: Any, parameters: Any) -> Any:
    """Return a gradient where ``x`` lies in the range of a format, and zero where rounding clips it.

    A clipped value does not answer to small changes. Passing its gradient on would push it further out for
    ever: a network with few bits then forgets what it had learned.
    """
    return backend.compiled(_inside)(x, upstream, parameters)


def _inside(x: Any, upstream: Any, parameters: Any) -> Any:
    xp = backend.tensors()
    inside = (x >= parameters[LOW]) & (x <= parameters[HIGH])
    return xp.where(inside, upstream, xp.cast(0.0, "float32"))


@dataclass(frozen=True)
class Free(Program):
    """The program of a format that only has a ``quantize`` of its own, for example a plugin's."""

    number_format: foreign.Rounds
    text: str  # of the rounding

    @property
    def rounding(self) -> Rounding:  # type: ignore[override]
        """The rounding mode."""
        return parse_rounding(self.text)

    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
        """Round ``x`` as the format itself does."""
        return foreign.quantize(self.number_format, x, self.text)

    def array(
        self, x: np.ndarray, parameters: np.ndarray, words: np.ndarray | None = None, axis: Axis = -1
    ) -> np.ndarray:
        """Round an array as the format itself does."""
        return self.tensor(x, parameters, words, axis)

    def tensor(self, x: Any, parameters: Any, words: Any = None, axis: Axis = -1) -> Any:
        """Round a tensor as the format itself does; ``words`` is handed on as the key."""
        return foreign.quantize(self.number_format, x, self.text, words, blocks_along(axis))
