"""What a format is like in numbers: its limits, its special values, how densely its values lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from precision.errors import PrecisionError
from precision.formats.base import NumberFormat
from precision.formats.kernels.block import Block

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Properties:
    """The properties of a format beyond those that it has itself.

    Of a format with shared scales, the smallest values, ``decades`` and ``count`` are those of an element
    under a scale of 1, and ``element_max`` is its largest value.

    Attributes:
        format: the format.
        element_max: largest value under a scale of 1; ``max`` where there is no scale.
        min_normal, min_subnormal: see :class:`NumberFormat`; NaN where there is no such value.
        decades: log10(element_max / min_subnormal).
        count: number of finite values; None where the format has too many to list.
        negative_zero: whether -0 stays -0.
        beyond: what a number beyond the largest value becomes: ``saturates``, or it is ``infinity`` or
            ``NaN``, or it ``wraps around``.
        scale: what the scale of neighbours is; empty where there is none.
    """

    format: NumberFormat
    element_max: float
    min_normal: float
    min_subnormal: float
    decades: float
    count: int | None
    negative_zero: bool
    beyond: str
    scale: str


def properties(number_format: NumberFormat) -> Properties:
    """Return the properties of a format."""
    f = number_format
    values = listed(f)
    top = f.element.max if isinstance(f, Block) else f.max if values is None else float(values[-1])
    subnormal = f.min_subnormal if top > 0 else math.nan
    return Properties(
        format=f,
        element_max=top,
        min_normal=f.min_normal if top > 0 else math.nan,
        min_subnormal=subnormal,
        decades=math.log10(top / subnormal) if top > 0 else math.nan,
        count=None if values is None else len(values),
        negative_zero=bool(np.signbit(f.quantize(np.array([-0.0, 1.0], np.float32))[0])),
        beyond=_beyond(f),
        scale=_scale(f),
    )


def listed(number_format: NumberFormat) -> np.ndarray | None:
    """Return the values of a format, of an element where scales are shared; None where it has too many."""
    try:
        return number_format.values()
    except PrecisionError:
        return None


def _beyond(f: NumberFormat) -> str:
    if f.block is not None:
        return "scale follows"
    # Far enough out for every format, and a number that no wrapping takes to the end of the range.
    y = float(f.quantize(np.array([min(2.75 * abs(f.max), _LARGEST)], np.float32))[0]) if f.max else 0.0
    if y == f.max == _LARGEST:  # no float32 lies beyond it but infinity
        y = f.infinity
    if y == f.max:
        return "saturates"
    return "NaN" if math.isnan(y) else "infinity" if math.isinf(y) else "wraps around"


def _scale(f: NumberFormat) -> str:
    if f.block is None:
        return ""
    if not isinstance(f, Block):
        return "shared"
    if f.scale is None:
        return f"power of two, rule {f.rule}"
    return f.scale.name + (", float32 for the tensor" if f.tensor_scale else "")


def binades(number_format: NumberFormat) -> list[tuple[int, int]]:
    """Return (e, how many values lie in 2^e <= v < 2^(e+1)) for the positive values, ascending and gapless.

    Of a format that does not list its values, the spacing just above a power of two is taken for that of
    its binade, as float32 carries it; the list is empty where the format does not round up.
    """
    values = listed(number_format)
    if values is not None:
        exponents = np.frexp(values[values > 0].astype(float))[1] - 1
        if not exponents.size:
            return []
        counts = np.bincount(exponents - exponents.min())
        return [(int(exponents.min()) + i, int(n)) for i, n in enumerate(counts)]
    if "ceil" not in number_format.roundings or number_format.block is not None:
        return []
    first = math.frexp(number_format.min_subnormal)[1] - 1
    last = math.frexp(number_format.max)[1] - 1
    powers = np.ldexp(np.float32(1), np.arange(first, last + 1))
    above = number_format.quantize(np.nextafter(powers, np.float32(np.inf)), "ceil").astype(float)
    ends = np.minimum(2 * powers.astype(float), number_format.max + (above - powers))
    counts = np.round((ends - powers) / (above - powers))
    return [(first + i, max(int(n), 1)) for i, n in enumerate(counts)]
