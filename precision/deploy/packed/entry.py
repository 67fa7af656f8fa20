"""One variable of a packed file: the tensors that it is stored in, and how they are read.

With a scale s beside the format, a value x is stored as the code of x / s in the format, and with a zero
point z (a code too) as the code of rint(x / s) + z, clipped to the format:

    name              the codes, bit-packed (U8); without a format the values in their own type
    name:scales       float32, one for each channel or one in all; of powers of two 2^e the byte e + 127, as
                      the scale format E8M0 of the OCP Microscaling specification 1.0 has it
    name:zero_points  codes, bit-packed in the same way (U8)

and is read as (code - z) * s, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.deploy.packed.loss import Loss, loss_of
from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.formats.comparison import beyond
from precision.formats.engine.program import Axis, blocks_along
from precision.quantization.layers.channels import count, shape_along
from precision.quantization.policy.settings import NO_SCALING, Scaling, Setting, is_integer, parse_setting
from precision.quantization.scales.kernel import numbers_for, program_of, scale_and_zero
from precision.quantization.scales.ranges import weight_range
from precision.quantization.stored import Stored

SCALES, ZERO_POINTS = ":scales", ":zero_points"
_BIAS = 127  # of the exponent of a power of two
_DIVISION = 1e-6  # relative
_EXACT_BITS = 24  # of an integer in float32

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Entry:
    """How one variable is to be read; see the metadata ``tensors``.

    Attributes:
        number_format: None where the values are stored as they are.
        axis: along which values share scales in blocks, or along which the channels lie that have one each.
        dtype: of the network's variable.
        scaling: its kind, what shares a scale, and whether there is a zero point; the rest is not stored.
    """

    number_format: NumberFormat | None
    shape: tuple[int, ...]
    axis: Axis
    dtype: str
    scaling: Scaling = NO_SCALING

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def scales(self) -> int:
        """Number of scales beside the format: none, one, or one for each channel."""
        if self.scaling.kind == "none":
            return 0
        return count(self.axis, self.shape) if self.scaling.per == "channel" else 1

    def names(self, name: str) -> list[str]:
        """Return the names of the tensors of the variable ``name``."""
        scales = [name + SCALES] if self.scales else []
        return [name, *scales, *([name + ZERO_POINTS] if self.scaling.zero_point else [])]

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain data."""
        data: dict[str, Any] = {
            "format": self.number_format.name if self.number_format else None,
            "shape": self.shape,
            "axis": self.axis,
            "dtype": self.dtype,
        }
        if self.scales:
            data |= {
                "scaling": self.scaling.kind,
                "per": self.scaling.per,
                "zero_point": self.scaling.zero_point,
            }
        return data

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Entry:
        """Return the entry that :meth:`to_json` described; one without ``scaling`` has no scales.

        Raises:
            LookupError, TypeError, ValueError: when it is damaged.
        """
        shape, axis, text = described["shape"], described["axis"], described["format"]
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ValueError(f"shape {shape}")
        if isinstance(axis, list):  # of channels along several
            axis = tuple(axis)
        every, rank = axis if isinstance(axis, tuple) else (axis,), max(len(shape), 1)
        if not all(isinstance(each, int) and -rank <= each < rank for each in every):
            raise ValueError(f"axis {axis} of shape {shape}")
        if len({each % rank for each in every}) < len(every):
            raise ValueError(f"axis {axis} of shape {shape}")
        if isinstance(axis, tuple) and described.get("per") != "channel":
            raise ValueError(f"axis {axis} without channels")
        scaling = NO_SCALING
        if "scaling" in described:
            scaling = _scaling(text, described)
        number_format = None if text is None else parse(text)
        return cls(number_format, tuple(shape), axis, str(described["dtype"]), scaling)


def _scaling(text: Any, described: Mapping[str, Any]) -> Scaling:
    options = {key: described[key] for key in ("scaling", "per", "zero_point")}
    if options["per"] not in ("tensor", "channel"):
        raise ValueError(f"per {options['per']!r}")
    setting = parse_setting({"format": text, **options}, ())
    return setting.scaling if setting is not None else NO_SCALING


def encode(
    item: Stored, numbers: np.ndarray | None = None
) -> tuple[Entry, dict[str, np.ndarray], Loss | None]:
    """Return the entry of a variable, its tensors by name, and what rounding does to it, if it is rounded.

    Args:
        numbers: those of its scaled program, where training chose them; None to choose them by its range.

    Raises:
        PrecisionError: when it is not rounded to nearest, a scaled value is not finite, or the codes do not
            give the rounded values back: the format may be a plugin's.
    """
    setting, values = item.setting, item.values
    entry = Entry(item.number_format, values.shape, item.axis, str(item.variable.dtype))
    if setting is None:
        return entry, {item.name: np.ascontiguousarray(values)}, None
    if setting.rounding != "nearest":
        raise PrecisionError(f"weights are packed rounded to nearest, but the policy says {setting.rounding}")
    if setting.scaled:
        scaling = setting.scaling
        entry = replace(entry, scaling=Scaling(scaling.kind, scaling.per, scaling.zero_point))
        tensors, wanted, clipped = _scaled(item, setting, values.astype(np.float32), numbers)
    else:
        f, axis = setting.number_format, blocks_along(item.axis)
        tensors = {item.name: _bytes(f.pack(values, axis=axis))}
        wanted = f.quantize(values, axis=axis)
        mask = beyond(f, values.astype(np.float32), axis)
        clipped = np.nan if mask is None else float(mask.sum())
    if not np.array_equal(decode(item.name, entry, tensors), wanted, equal_nan=True):
        raise PrecisionError(
            f"{item.name}: the packed codes of {setting} give other values than it rounds to; check it with: "
            f"precision formats check '{setting.number_format}'"
        )
    return entry, tensors, loss_of(values, wanted, clipped)


def _scaled(
    item: Stored, setting: Setting, values: np.ndarray, numbers: np.ndarray | None
) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """Return the tensors of a scaled variable, the values that a quantised network computes with, and how
    many were clipped.
    """
    f, name = setting.number_format, item.name
    if numbers is None:
        numbers = numbers_for(setting, *weight_range(setting, values, item.axis, name))
    scale, zero = scale_and_zero(setting, numbers)
    if setting.scaling.zero_point and f.bits > _EXACT_BITS:
        raise PrecisionError(
            f"{name}: formats with a zero point are packed up to {_EXACT_BITS} bits, which float32 holds, "
            f"but got {f}"
        )
    # The same two steps as in ScaledProgram: a product with the reciprocal, then the element's rounding.
    elements = values * _along(np.float32(1) / scale, values.shape, item.axis)
    zeros = _along(zero, values.shape, item.axis) if setting.scaling.zero_point else np.float32(0)
    clipped = float(_outside(f, elements + zeros).sum())
    if setting.scaling.zero_point:
        elements = np.clip(np.rint(elements) + zeros, f.lowest, f.max)
    tensors = {name: _bytes(f.pack(elements)), name + SCALES: scale}
    if setting.scaling.kind == "pow2":
        tensors[name + SCALES] = (np.frexp(scale)[1] - 1 + _BIAS).astype(np.uint8)
    if setting.scaling.zero_point:
        tensors[name + ZERO_POINTS] = _bytes(f.pack(zero))
    return tensors, program_of(setting)[0].array(values, numbers, axis=item.axis), clipped


def _outside(f: NumberFormat, elements: np.ndarray) -> np.ndarray:
    """Return which elements, values over their scale, lie so far beyond the ends that more than rounding
    brings them back: half a step of integers, the error of the division of others.
    """
    above, below = (0.5, 0.5) if is_integer(f) else (_DIVISION * f.max, _DIVISION * abs(f.lowest))
    return (elements > f.max + above) | (elements < f.lowest - below)


def decode(name: str, entry: Entry, tensors: Tensors, source: str = "") -> np.ndarray:
    """Return the values of a variable, float32, or in their own type where they are stored as they are.

    Args:
        tensors: of the file, by name.
        source: what the message of an error begins with.

    Raises:
        PrecisionError: when a tensor has another length or type than the entry says, or damaged content.
    """
    location, tensor, f = source + name, tensors[name], entry.number_format
    if f is None:
        if tensor.shape != entry.shape:
            raise PrecisionError(
                f"{location}: the tensor has shape {tensor.shape}, but should have {entry.shape}"
            )
        return tensor
    values = _unpacked(location, f, tensor, entry.shape, blocks_along(entry.axis))
    if not entry.scales:
        return values
    if entry.scaling.zero_point:
        zero = _unpacked(location + ZERO_POINTS, f, tensors[name + ZERO_POINTS], (entry.scales,), -1)
        values = values - _along(zero, values.shape, entry.axis)
    scale = _scales(location + SCALES, entry, tensors[name + SCALES])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(values * _along(scale, values.shape, entry.axis), np.float32)


def _scales(location: str, entry: Entry, tensor: np.ndarray) -> np.ndarray:
    real = entry.scaling.kind == "real"
    kind = np.dtype(np.float32 if real else np.uint8)
    if tensor.dtype != kind or tensor.shape != (entry.scales,):
        raise PrecisionError(
            f"{location}: the scales are {kind} of shape {(entry.scales,)}, but got {tensor.dtype} of shape "
            f"{tensor.shape}"
        )
    if not real:
        if (tensor == 2 * _BIAS + 1).any():
            raise PrecisionError(f"{location}: the exponents of scales are bytes up to 254, but got 255")
        return np.ldexp(np.float32(1), tensor.astype(np.int32) - _BIAS).astype(np.float32)
    broken = ~(np.isfinite(tensor) & (tensor > 0))
    if broken.any():
        raise PrecisionError(f"{location}: scales are finite and above 0, but got {tensor[broken][0]}")
    return tensor


def _unpacked(
    location: str, f: NumberFormat, tensor: np.ndarray, shape: tuple[int, ...], axis: int
) -> np.ndarray:
    if tensor.dtype != np.uint8 or tensor.ndim != 1:
        raise PrecisionError(
            f"{location}: codes are a row of bytes, but got {tensor.dtype} of shape {tensor.shape}"
        )
    try:
        return f.unpack(tensor.tobytes(), shape, axis=axis)
    except PrecisionError as error:
        raise PrecisionError(f"{location}: {error}") from None


def _along(numbers: np.ndarray, shape: tuple[int, ...], axis: Axis) -> np.ndarray:
    """Return one number for each channel in a shape that meets a tensor's; one in all meets any."""
    return numbers.reshape(() if numbers.size == 1 else shape_along(axis, shape))


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
