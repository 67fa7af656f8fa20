"""The lattice kernel: one rounding routine for every fixed-point and floating-point format.

Around x, the values of a floating-point format are equally spaced by p / m, where p = 2^max(e(x), emin) is
the power of two at or below |x| and m = 2^man. Fixed point has the same spacing everywhere: p = 2^-fl and
m = 1. So both are

    y = round(x / p * m) / m * p,  then the format's rule for what lies beyond its range,

and a format is a vector of numbers. They are passed at run time: one compiled kernel serves every format,
and a change of format does not retrace. p never lies below 2^-126, so that no step of the computation leaves
the normal numbers of float32, which TensorFlow's kernels flush to zero.

The kernel is written once, over the functions that NumPy and ``keras.ops`` share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import codes
from precision.formats.base import Programmed
from precision.formats.engine.program import Program
from precision.formats.rounding import ROUNDINGS, TO_NEAREST, Rounding, parse_rounding

OVERFLOWS = ("saturate", "infinity", "nan")
PARAMETERS = 14  # length of the vector of run-time numbers
SHARED = 11  # those of every format; the others are of formats that wrap around
_SIGN = np.int32(-(2**31))
_INFINITY_BITS = np.int32(0x7F800000)


@dataclass(frozen=True)
class LatticeProgram(Program):
    """The kernel in one rounding mode.

    Attributes:
        wrap: what lies out of range comes back in at the other end (two's complement).
        flush: there are no subnormals: between 0 and the smallest normal number lies nothing.
    """

    rounding: Rounding
    wrap: bool = False
    flush: bool = False

    def __call__(self, xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
        """Round ``x``; see :meth:`Program.__call__`."""
        low, high, mask, smallest, half_scale, unscale, under, over, minus, plus, keep = (
            parameters[i] for i in range(SHARED)
        )
        # 2^e(x) is the exponent field of x alone. log2 would be wrong just below a power of two. The exponent
        # field of an infinity reads as infinity; 2^127 in its place keeps infinity / p infinite.
        power = xp.view(xp.view(x, "int32") & xp.view(mask, "int32"), "float32")
        p = xp.maximum(xp.minimum(power, np.float32(2.0**127)), smallest)
        if self.flush:
            tiny = xp.abs(x) < smallest
            half_scale = xp.where(tiny, np.float32(0.5), half_scale)
            unscale = xp.where(tiny, np.float32(1), unscale)
        # x / p without a division: 2 / p has the exponent field 255 - that of p.
        r = x * xp.view(_INFINITY_BITS - xp.view(p, "int32"), "float32") * half_scale
        if self.rounding.mode in _AWAY_FROM_ZERO:
            # Under a large step, r underflows to a zero that would not be rounded up from.
            least = np.float32(2.0**-60)
            r = xp.where((xp.abs(r) < least) & (x != 0), xp.where(x < 0, -least, least), r)
        n = to_integer(xp, r, self.rounding.mode, uniform)
        y = n * unscale * p
        # Zero and NaN keep the bits that the format has; a sum with 0 would be left out by a compiler.
        rest = xp.view(xp.view(y, "int32") & xp.view(keep, "int32"), "float32")
        y = xp.where(xp.abs(y) > 0, y, rest)
        if self.wrap:
            span, unspan, half = (parameters[i] for i in range(SHARED, PARAMETERS))
            turns = y * unspan
            part = turns - xp.floor(turns)  # in [0, 1), a multiple of 2^-24 and exact
            y = (part - xp.floor(part + half)) * span
            # Where n overflows it has made many whole turns and ends at 0, as do the infinities.
            return xp.where(xp.abs(n) < np.float32(np.inf), y, np.float32(0))
        y = xp.where(y > high, over, xp.where(y < low, under, y))
        if self.rounding.mode not in _UNDIRECTED:
            # Directed roundings end at the largest finite value, but an infinity is no finite number.
            y = xp.where(xp.abs(x) == np.float32(np.inf), xp.where(x > 0, plus, minus), y)
        return y


_UNDIRECTED = (*TO_NEAREST, "stochastic")
_AWAY_FROM_ZERO = ("floor", "ceil", "odd")  # however near to zero a number is, they may leave it


def to_integer(xp: Any, r: Any, mode: str, uniform: Any = None) -> Any:
    """Return ``r`` (float32) rounded to an integer; a result of zero keeps the sign of ``r``."""
    if mode == "nearest":
        return xp.round(r)
    if mode == "floor":
        return xp.floor(r)
    if mode == "ceil":
        return xp.ceil(r)
    if mode == "toward_zero":
        return xp.where(r < 0, xp.ceil(r), xp.floor(r))
    # On magnitudes, where every difference from the integer below is exact.
    magnitude = xp.abs(r)
    below = xp.floor(magnitude)
    fraction = magnitude - below
    if mode == "stochastic":
        # Comparing keeps every bit of the draw; floor(r + uniform) would lose them where r is large. A value
        # below zero goes up, toward zero, with the probability of its own fraction.
        up = fraction >= uniform
    elif mode == "nearest_away":
        up = fraction >= np.float32(0.5)
    elif mode == "nearest_up":
        up = xp.where(r < 0, fraction > np.float32(0.5), fraction >= np.float32(0.5))
    elif mode == "odd":
        half = below * np.float32(0.5)
        up = (fraction > 0) & (xp.floor(half) == half)
    else:
        raise AssertionError(mode)
    n = xp.where(up, below + np.float32(1), below)
    return xp.view(xp.view(n, "int32") | (xp.view(r, "int32") & _SIGN), "float32")


@dataclass(frozen=True, eq=False)
class Lattice(Programmed):
    """A fixed-point or floating-point format.

    Attributes:
        man: explicit mantissa bits; the spacing relative to p is 2^-man.
        exponent: smallest p as a power of two: emin of a float, -fl of fixed point.
        low, high: least and largest finite value.
        floating: whether the spacing grows with |x|.
        overflow: what lies beyond [low, high] after rounding: ``saturate``, ``infinity``, ``nan``, or in
            fixed point ``wrap``.
        has_nan, has_zero_sign: whether the format has a NaN and a negative zero; without, they become 0.
        subnormals: whether there are values between 0 and 2^emin.
        nan_code, infinity_code: the codes of NaN and of +infinity where they are not those of IEEE 754; that
            of -infinity has the sign bit too. With a ``nan_code`` there is no infinity unless it says where.

    >>> import numpy as np
    >>> from precision.formats import Lattice
    >>> halves = Lattice("halves", bits=4, man=0, exponent=-1, low=-4.0, high=3.5, floating=False)
    >>> halves.quantize(np.array([0.7, 10.0]))
    array([0.5, 3.5], dtype=float32)
    """

    name: str
    bits: int
    man: int
    exponent: int
    low: float
    high: float
    floating: bool
    overflow: str = "saturate"
    has_nan: bool = True
    has_zero_sign: bool = True
    subnormals: bool = True
    nan_code: int | None = None
    infinity_code: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {})

    @property
    def roundings(self) -> tuple[str, ...]:  # type: ignore[override]
        """Every mode."""
        return ROUNDINGS

    @property
    def nan(self) -> float:  # type: ignore[override]
        """What NaN becomes."""
        return math.nan if self.has_nan else 0.0

    @property
    def infinity(self) -> float:  # type: ignore[override]
        """What +infinity becomes."""
        return {"saturate": self.high, "infinity": math.inf, "nan": math.nan, "wrap": 0.0}[self.overflow]

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        """Whether the range is."""
        return self.low == -self.high

    @property
    def carries(self) -> bool:  # type: ignore[override]
        """Whether float32 has two bits more than the format."""
        return self.man <= 21 and (self.floating or self.bits <= 23)

    def program(self, rounding: str | Rounding = "nearest") -> tuple[LatticeProgram, np.ndarray]:
        """Return the kernel of a rounding mode and the numbers of this format."""
        rounding = parse_rounding(rounding, self.roundings, self.name)
        numbers: dict[str, np.ndarray] = self._numbers  # type: ignore[attr-defined]
        if rounding.mode not in numbers:
            numbers[rounding.mode] = self._parameters(rounding.mode)
        program = LatticeProgram(rounding, self.overflow == "wrap", not self.subnormals)
        return program, numbers[rounding.mode]

    def _parameters(self, mode: str) -> np.ndarray:
        plus = self.infinity
        minus = self.low if self.overflow == "saturate" else 0.0 - plus
        # IEEE 754: a rounding toward the other side ends at the last finite value.
        over = self.high if mode in ("toward_zero", "floor", "odd") else plus
        under = self.low if mode in ("toward_zero", "ceil", "odd") else minus
        span = 0 if self.floating else self.bits + self.exponent
        return np.array(
            [
                self.low,
                self.high,
                # As bits, the mask of the exponent field: all of it (infinity), or none.
                math.inf if self.floating else 0.0,
                2.0**self.exponent,
                2.0 ** (self.man - 1),
                2.0**-self.man,
                under,
                over,
                minus,
                plus,
                # As bits, what is kept of a NaN and of the sign of a NaN or a zero: -NaN has all of them.
                math.copysign(self.nan, -1.0 if self.has_zero_sign else 1.0),
                # Of what wraps around: the whole span, its reciprocal, and where in it zero lies.
                2.0**span,
                2.0**-span,
                0.5 if self.low < 0 else 0.0,
            ],
            np.float32,
        )

    def _carried(self, x: np.ndarray, rounding: Rounding) -> np.ndarray:
        # Codes of more bits than float32 has: rounded as float64, so that the conversion finds a value.
        wide = not self.floating and self.bits > 23
        if wide and rounding.mode == "nearest" and x.dtype.kind in "fiu" and x.dtype.itemsize == 8:
            step = 2.0**self.exponent
            x = np.rint(x / step) * step
        return super()._carried(x, rounding)

    def values(self) -> np.ndarray:
        """Return every finite value, ascending; -0 is not listed beside 0."""
        if self.bits > 16:
            raise PrecisionError(
                f"{self.name} has 2^{self.bits} values; values() lists formats of at most 16 bits"
            )
        table = self.table()
        return np.unique(table[np.isfinite(table)]) + np.float32(0)

    def table(self) -> np.ndarray:
        """Return the value of every code (at most 16 bits)."""
        return self.decode(np.arange(2**self.bits, dtype=codes.smallest_type(self.bits)))

    def encode(self, x: Any, *, axis: int = -1) -> np.ndarray:
        """Return two's complement codes of fixed point, and sign, exponent, mantissa of floating point."""
        y = self.quantize(np.asarray(x))
        with np.errstate(all="ignore"):
            found = self._float_codes(y) if self.floating else np.rint(y.astype(float) / self.min_subnormal)
        return (found.astype(np.int64) & (2**self.bits - 1)).astype(codes.smallest_type(self.bits))

    def _float_codes(self, y: np.ndarray) -> np.ndarray:
        magnitude = np.abs(y).astype(float)
        normal = magnitude >= 2.0**self.exponent
        exponent = np.where(normal, np.frexp(magnitude)[1] - 1, self.exponent)
        # A subnormal number has the exponent of the smallest normal ones and no leading one, which the next
        # field's lowest bit adds by itself.
        found = np.ldexp(magnitude, self.man - exponent) + np.ldexp(exponent - float(self.exponent), self.man)
        top = 2.0 ** (self.bits - 1)
        found = np.where(np.isinf(y), self._infinity_code, found)
        negative = np.signbit(y) & ((y != 0) | self.has_zero_sign)
        found = np.where(negative, found + top, found)
        return np.where(np.isnan(y), self._nan_code, found)

    @property
    def _nan_code(self) -> int:
        if self.nan_code is not None:
            return self.nan_code
        return int(2 ** (self.bits - 1) - 2**self.man + 2 ** (self.man - 1))  # the quiet one

    @property
    def _infinity_code(self) -> int:
        return 2 ** (self.bits - 1) - 2**self.man if self.infinity_code is None else self.infinity_code

    def decode(self, encoded: Any, *, axis: int = -1) -> np.ndarray:
        """Return the values of codes as float32; a code that no value has is read as the format's NaN."""
        n = codes.checked(encoded, 2**self.bits, self.name).astype(np.int64)
        if not self.floating:
            if self.low < 0:
                n = n - ((n >> (self.bits - 1)) << self.bits)
            y = n * 2.0**self.exponent
        else:
            y = self._float_values(n)
        with np.errstate(over="ignore"):
            return np.where(np.isfinite(y), np.clip(y, self.low, self.high), y).astype(np.float32)

    def _float_values(self, n: np.ndarray) -> np.ndarray:
        magnitude = n & (2 ** (self.bits - 1) - 1)
        field, fraction = magnitude >> self.man, magnitude & (2**self.man - 1)
        significand = fraction + np.where(field > 0, 2**self.man, 0)
        y = np.ldexp(significand.astype(float), np.maximum(field, 1) - 1 + self.exponent - self.man)
        if not self.subnormals:
            y = np.where(field > 0, y, 0.0)
        if self.has_nan:
            y = np.where(y > self.high, math.nan, y)
            if self.nan_code is None or self.infinity_code is not None:
                y = np.where(magnitude == self._infinity_code, math.inf, y)
        y = np.copysign(y, np.where(n >> (self.bits - 1), -1.0, 1.0))
        if not self.has_zero_sign:
            y = y + 0.0
        return np.where(n == self.nan_code, math.nan, y) if self.nan_code is not None else y

    @property
    def max(self) -> float:
        """Largest finite value."""
        return self.high

    @property
    def lowest(self) -> float:
        """Least finite value."""
        return self.low

    @property
    def min_normal(self) -> float:
        """Smallest power of two with the full relative precision; the step of fixed point."""
        return 2.0**self.exponent

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return 2.0 ** (self.exponent - (self.man if self.subnormals else 0))

    @property
    def eps(self) -> float:
        """Spacing of the values just above 1; NaN where none lies above 1."""
        if self.high <= 1:
            return math.nan
        return 2.0**-self.man if self.floating else 2.0**self.exponent
