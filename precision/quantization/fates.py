"""What rounding makes of each value of a tensor: it overflows, it vanishes, or it is moved a little.

The three are told apart by the value and what it became alone, so that they mean the same for every format:

- it *overflows* where it lies so far beyond the ends of the format, under its scale, that the result would be
  another one if the format went on with its last step (IEEE 754-2019, 7.4, which says when an overflow is
  signalled);
- it *vanishes* where it is not zero and becomes zero;
- everything else is *rounding*.

No value has two fates. A format that brings scales of its own and does not say them, as a plugin may, tells
no overflow: its errors are rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats import Block, NumberFormat
from precision.formats.engine import backend
from precision.formats.engine.program import Axis, blocks_along
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.kernel import ScaledProgram

FATES = ("overflow", "underflow", "rounding")
_LARGEST = float(np.finfo(np.float32).max)


def ends(number_format: NumberFormat) -> np.ndarray:
    """Return the least and the largest number that are not beyond a format, under a scale of 1, float32 (2,).

    They lie less than half the last step beyond its least and its largest value.

    >>> from precision.formats import parse
    >>> ends(parse("fixed(4,2)")).tolist()  # -2 to 1.75 in steps of 0.25
    [-2.125, 1.875]
    """
    f = number_format.element if isinstance(number_format, Block) else number_format
    lowest, top = f.lowest, f.max
    after_lowest, before_top = _neighbours(f, lowest, top)
    beyond = [lowest - (after_lowest - lowest) / 2, top + (top - before_top) / 2]
    with np.errstate(over="ignore"):
        low, high = np.clip(np.array(beyond), -_LARGEST, _LARGEST).astype(np.float32)
    # A tie at the end goes to the next code, which there is none of.
    if high > top:
        high = np.nextafter(high, np.float32(-np.inf))
    if low < lowest:
        low = np.nextafter(low, np.float32(np.inf))
    return np.array([low, high], np.float32)


def _neighbours(f: NumberFormat, lowest: float, top: float) -> tuple[float, float]:
    """Return the value after the least one and the value before the largest; these themselves if unknown."""
    if "toward_zero" in f.roundings and top > 0:
        inner = np.nextafter(np.array([lowest, top], np.float32), np.float32(0))
        found = f.quantize(inner, "toward_zero")
        after = f.min_subnormal if lowest == 0 else float(found[0]) if lowest < 0 else lowest
        return after, float(found[1])
    try:
        values = f.values()
    except PrecisionError:  # too many to list
        return lowest, top
    return (float(values[1]), float(values[-2])) if len(values) > 1 else (lowest, top)


def placed(quantizer: Quantizer, x: Any, axis: Axis = -1) -> tuple[Any, Any]:
    """Return a tensor in units of the format, and the zero points, which move the ends of the format.

    The value v of a tensor overflows where it is not within ``ends`` minus the zero point.

    Args:
        quantizer: one that rounds.
        x: float32 tensor.
        axis: as of the call of the quantizer.
    """
    scale = quantizer.scale
    if scale is None:
        raise PrecisionError("a quantizer that rounds nothing has no units")
    zero = np.float32(0)
    if isinstance(scale.program, ScaledProgram):
        numbers = scale.numbers(x, scale.read(), axis, False)
        reciprocal, _, zero = scale.program.placed(x, axis).factors(backend.tensors(), numbers)
        return x * reciprocal, zero
    number_format = scale.setting.number_format
    if isinstance(number_format, Block) and 0 not in x.shape:
        return _in_blocks(scale, x, axis), zero
    return x, zero


def _in_blocks(scale: Any, x: Any, axis: Axis) -> Any:
    """Return a tensor in units of the elements of its blocks."""
    xp, program, parameters = backend.tensors(), scale.program, scale.read()
    blocks, restore = program.blocks(xp, x, blocks_along(axis))
    return restore(backend.compiled(_units(program))(blocks, parameters))


@functools.cache
def _units(program: Any) -> Callable[..., Any]:
    return lambda x, parameters: program.units(backend.tensors(), x, parameters)


def fates(quantizer: Quantizer, x: Any, y: Any, limits: Any, axis: Axis = -1) -> tuple[Any, Any]:
    """Return which values of a tensor overflow and which vanish, boolean in its shape.

    Args:
        x: float32 tensor.
        y: what the quantizer made of it.
        limits: ``ends`` of its format, (2,).
    """
    beyond = _beyond(quantizer, x, limits, axis)
    vanished = keras.ops.logical_and(keras.ops.equal(y, 0), keras.ops.not_equal(x, 0))
    return beyond, keras.ops.logical_and(vanished, keras.ops.logical_not(beyond))


def _beyond(quantizer: Quantizer, x: Any, limits: Any, axis: Axis) -> Any:
    setting = quantizer.scale.setting if quantizer.scale is not None else None
    if setting is None or not tells(setting.number_format):
        return keras.ops.zeros_like(x, dtype="bool")
    units, zero = placed(quantizer, x, axis)
    return keras.ops.logical_or(units < limits[0] - zero, units > limits[1] - zero)


def tells(number_format: NumberFormat) -> bool:
    """Return whether a format tells which values lie beyond it."""
    return number_format.block is None or isinstance(number_format, Block)
