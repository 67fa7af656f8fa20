"""The scaled kernel: y = s * Q(x / s), around the program of any format without shared scales.

x / s is computed as x times the float32 reciprocal of s, and a zero point z moves the limits of Q instead of
adding to x: y = s * clip(rint(x / s), low - z, high - z). This is the fake quantisation of PyTorch to the
last bit, and x = 0 stays 0. ONNX QuantizeLinear has the same order (round, then add the zero point), but
divides: where x / s is a tie to within a rounding error, its code may differ by one.

Its numbers are [low, high, element numbers, reciprocals, scales, zero points], each of the last three with
one entry for each channel (one in all for a whole tensor); low and high are the widest range.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.formats import Lattice
from precision.formats.engine import backend
from precision.formats.engine.program import Axis, Free, Program, draws, in_graph, pass_inside
from precision.formats.rounding import Rounding
from precision.quantization.layers.channels import shape_along
from precision.quantization.policy.settings import Setting

HEAD = 2  # low, high
_LIMITS = (0, 1, 6, 7, 8, 9)  # of the numbers of a lattice: what a zero point moves
_LEAST = np.float32(2.0**-100)  # scale, so that whatever it is computed from is a normal number
_MOST = np.float32(2.0**126)  # so that its reciprocal is one
_MANTISSA = np.int32(0x007FFFFF)
_EXPONENT = np.int32(0x7F800000)


@dataclass(frozen=True)
class ScaledProgram(Program):
    """The kernel around an element program.

    Attributes:
        size: how many numbers the element has.
        shape: that of one number for each channel to meet the tensor.
        zero_point: whether the limits of the element, a lattice that saturates, are moved.
    """

    element: Program
    size: int
    channels: bool
    zero_point: bool
    shape: tuple[int, ...] = (-1,)

    @property
    def rounding(self) -> Rounding:  # type: ignore[override]
        """The rounding mode of the element."""
        return self.element.rounding

    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
        """Round ``x``; see :meth:`Program.__call__`."""
        reciprocal, scale, zero = self.factors(xp, parameters)
        return self.element(xp, x * reciprocal, self.limits(parameters, zero), uniform) * scale

    def factors(self, xp: Any, parameters: Any) -> list[Any]:
        """Return 1 / s, s and z in a shape that meets the tensor's."""
        table = xp.reshape(parameters[HEAD + self.size :], (3, -1))
        shape = self.shape if self.channels else ()
        return [xp.reshape(table[i], shape) for i in range(3)]

    def limits(self, parameters: Any, zero: Any) -> Any:
        """Return the numbers of the element, with the limits where the zero point puts them."""
        numbers = parameters[HEAD : HEAD + self.size]
        if not self.zero_point:
            return numbers
        return [numbers[i] - zero if i in _LIMITS else numbers[i] for i in range(self.size)]

    def array(
        self, x: np.ndarray, parameters: np.ndarray, words: np.ndarray | None = None, axis: Axis = -1
    ) -> np.ndarray:
        """Round a float32 array whose channels lie along ``axis``."""
        if isinstance(self.element, Free):
            reciprocal, scale, _ = self.placed(x, axis).factors(backend.ARRAYS, parameters)
            return np.asarray(self.element.array(x * reciprocal, parameters, words, axis) * scale)
        if not self.channels:
            return super().array(x, parameters, words, axis)
        uniform = None
        if words is not None:
            index = np.arange(x.size, dtype=np.int64).astype(np.int32)
            uniform = draws(backend.ARRAYS, index.reshape(x.shape), words, self.rounding.random_bits)
        with np.errstate(all="ignore"):
            return np.asarray(self.placed(x, axis)(backend.ARRAYS, x, parameters, uniform))

    def tensor(self, x: Any, parameters: Any, words: Any = None, axis: Axis = -1) -> Any:
        """Round a float32 tensor whose channels lie along ``axis``."""
        placed = self.placed(x, axis)
        if isinstance(self.element, Free):  # cannot be compiled with the rest
            reciprocal, scale, _ = placed.factors(backend.tensors(), parameters)
            return self.element.tensor(x * reciprocal, parameters, words, axis) * scale
        return in_graph(placed)(x, parameters, *(() if words is None else (words,)))

    def placed(self, x: Any, axis: Axis) -> ScaledProgram:
        """Return the program for a tensor with its channels along ``axis``."""
        if not self.channels or len(x.shape) == 0:  # a single number is a channel of its own
            return replace(self, channels=False)
        return replace(self, shape=shape_along(axis, x.shape))


def inside(program: Program, x: Any, upstream: Any, parameters: Any, axis: Axis) -> Any:
    """Return a gradient where ``x`` lies in the range of a rounding, and zero where it was clipped."""
    if not isinstance(program, ScaledProgram):
        return pass_inside(x, upstream, parameters)
    return backend.compiled(_gradient(program.placed(x, axis)))(x, upstream, parameters)


@functools.cache
def _gradient(program: ScaledProgram) -> Callable[..., Any]:
    def kernel(x: Any, upstream: Any, parameters: Any) -> Any:
        xp = backend.tensors()
        reciprocal, _, zero = program.factors(xp, parameters)
        low, high = (parameters[HEAD + i] - zero for i in range(2))
        v = x * reciprocal
        return xp.where((v >= low) & (v <= high), upstream, xp.cast(0.0, "float32"))

    return kernel


@dataclass(frozen=True)
class Range:
    """How the numbers of a scaled program follow from the range of a tensor; computed on both backends alike.

    Attributes:
        kind: ``pow2`` or ``real``.
        size: how many numbers the element has.
    """

    kind: str
    zero_point: bool
    size: int

    def __call__(self, xp: Any, low: Any, high: Any, constants: Any) -> Any:
        """Return the numbers of the program.

        Args:
            low, high: float32 of shape (channels,).
            constants: see :func:`constants`.
        """
        unit, least, most = (constants[i] for i in range(3))
        low, high = xp.minimum(low, np.float32(0)), xp.maximum(high, np.float32(0))
        width = high - low if self.zero_point else xp.maximum(-low, high)
        scale = width * unit
        if self.kind == "pow2":  # the next power of two: a mantissa above 0 carries into the exponent
            scale = xp.view((xp.view(scale, "int32") + _MANTISSA) & _EXPONENT, "float32")
        # Compilers flush a product below the normal numbers to zero: the width says whether there is a range.
        scale = xp.where(width == 0, np.float32(1), xp.minimum(xp.maximum(scale, _LEAST), _MOST))
        # What is not finite shows in the whole tensor, instead of vanishing from a format without NaN.
        finite = (low > np.float32(-np.inf)) & (high < np.float32(np.inf))
        scale = xp.where(finite, scale, np.float32(np.nan))
        reciprocal = np.float32(1) / scale
        zero = scale * np.float32(0)
        if self.zero_point:
            zero = xp.minimum(xp.maximum(least - xp.round(low * reciprocal), least), most)
        return joined(xp, constants[3:], reciprocal, scale, zero, least, most)


def joined(xp: Any, element: Any, reciprocal: Any, scale: Any, zero: Any, least: Any, most: Any) -> Any:
    """Return the numbers of a scaled program for given scales and zero points.

    Args:
        element: numbers of the element, whose values lie between ``least`` and ``most``.
    """
    join = np.concatenate if xp is backend.ARRAYS else _concatenate()
    ends = [
        xp.reshape(xp.max(-scale * (zero - least)), (1,)),
        xp.reshape(xp.max(scale * (most - zero)), (1,)),
    ]
    return join([*ends, element, reciprocal, scale, zero], axis=0)


@functools.cache
def compiled_range(rule: Range) -> Callable[..., Any]:
    """Return a rule compiled for tensors: maps (low, high, constants) to the numbers of the program."""

    def kernel(low: Any, high: Any, parameters: Any) -> Any:
        return rule(backend.tensors(), low, high, parameters)

    return backend.compiled(kernel, same_shape=False)


def _concatenate() -> Callable[..., Any]:
    import keras

    function: Callable[..., Any] = keras.ops.concatenate
    return function


def program_of(setting: Setting) -> tuple[Program, np.ndarray]:
    """Return the program of a setting and the numbers of its format, without those of a scale."""
    program, numbers = setting.number_format.program(setting.rounding)
    if not setting.scaled:
        return program, numbers
    scaling = setting.scaling
    return ScaledProgram(program, len(numbers), setting.per_channel, scaling.zero_point), numbers


def range_of(setting: Setting) -> Range:
    """Return the rule from a range to numbers for a scaled setting."""
    numbers = setting.number_format.program(setting.rounding)[1]
    return Range(setting.scaling.kind, setting.scaling.zero_point, len(numbers))


def constants(setting: Setting) -> np.ndarray:
    """Return [unit, least, most, element numbers]: the unit times the width of a range is the scale.

    Under a power of two, a width of 2^k is mapped onto 2^(wl-1) of fixed point, one step beyond its largest
    value, as Ristretto has it; of other formats onto the largest value.
    """
    f = setting.number_format
    numbers = f.program(setting.rounding)[1]
    target = f.max
    if setting.scaling.zero_point:
        target = f.max - f.lowest
    elif setting.scaling.kind == "pow2" and isinstance(f, Lattice) and not f.floating:
        target = f.max + f.min_subnormal
    return np.concatenate([np.array([1 / target, f.lowest, f.max], np.float32), numbers]).astype(np.float32)


def numbers_for(setting: Setting, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the numbers of a scaled setting for the range of each channel, float32 of shape (channels,)."""
    with np.errstate(all="ignore"):
        found = range_of(setting)(backend.ARRAYS, np.float32(low), np.float32(high), constants(setting))
    return np.asarray(found, np.float32)


def rounded(setting: Setting, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return ``values``, float32 (channels, n), rounded to nearest under the range of each channel."""
    nearest = replace(setting, rounding="nearest", scaling=replace(setting.scaling, per="channel"))
    program, _ = program_of(nearest)
    return program.array(np.asarray(values, np.float32), numbers_for(nearest, low, high), axis=0)


def scale_and_zero(setting: Setting, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales and zero points, shape (channels,), in the numbers of a scaled program."""
    size = range_of(setting).size
    _, scale, zero = numbers[HEAD + size :].reshape(3, -1)
    return scale, zero
