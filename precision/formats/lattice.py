"""The lattice kernel: one rounding routine for every fixed-point and floating-point format.

Around x, the values of a floating-point format are equally spaced by p / m, where p = 2^max(e(x), emin) is
the power of two at or below |x| and m = 2^man. Fixed point has the same spacing everywhere: p = 2^-fl and
m = 1. So both are

    y = round(x / p * m) / m * p,  then the format's rule for what lies beyond its range,

and a format is a vector of ten numbers. They are passed at run time: one compiled kernel serves every format,
and a change of format does not retrace. p never lies below 2^-126, so that no step of the computation leaves
the normal numbers of float32, which TensorFlow's kernels flush to zero.

The kernel is written once, over the functions that NumPy and ``keras.ops`` share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import backend, noise
from precision.formats.base import ROUNDINGS, NumberFormat

OVERFLOWS = ("saturate", "infinity", "nan")
PARAMETERS = 10  # length of the vector of run-time numbers


@dataclass(frozen=True)
class Lattice(NumberFormat):
    """A fixed-point or floating-point format.

    Attributes:
        man: explicit mantissa bits; the spacing relative to p is 2^-man.
        exponent: smallest p as a power of two: emin of a float, -fl of fixed point.
        low, high: least and largest finite value.
        floating: whether the spacing grows with |x|.
        overflow: what lies beyond [low, high] after rounding: ``saturate``, ``infinity`` or ``nan``.
        special: whether the format has a NaN and a negative zero; otherwise they become 0.
    """

    name: str
    bits: int
    man: int
    exponent: int
    low: float
    high: float
    floating: bool
    overflow: str = "saturate"
    special: bool = True
    _words: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", self._parameters())

    def _parameters(self) -> np.ndarray:
        over, under = {
            "saturate": (self.high, self.low),
            "infinity": (math.inf, -math.inf),
            "nan": (math.nan, math.nan),
        }[self.overflow]
        return np.array(
            [
                # As bits, the mask of the exponent field: all of it (infinity), or none.
                math.inf if self.floating else 0.0,
                2.0**self.exponent,
                2.0**self.man,
                2.0**-self.man,
                self.low,
                self.high,
                under,
                over,
                math.nan if self.special else 0.0,
                # Added last: +0.0 turns -0 into +0, and -0.0 leaves every float as it is.
                -0.0 if self.special else 0.0,
            ],
            np.float32,
        )

    @property
    def parameters(self) -> np.ndarray:
        """The run-time numbers of the kernel: float32, shape (PARAMETERS,)."""
        return self._words

    def quantize(self, x: Any, rounding: str = "nearest", key: Any = None) -> Any:
        """Round ``x`` to the format; see :meth:`NumberFormat.quantize`.

        Raises:
            PrecisionError: for an unknown rounding, stochastic rounding without a key, or an ``x`` that is
                neither an array of real numbers nor a float tensor.
        """
        if rounding not in ROUNDINGS:
            raise PrecisionError(f"rounding must be one of {', '.join(ROUNDINGS)}, but got {rounding!r}")
        if rounding == "stochastic" and key is None:
            raise PrecisionError("stochastic rounding needs key=..., for example key=(seed, step)")
        words = noise.key(key) if rounding == "stochastic" else None
        if isinstance(x, np.ndarray | np.generic):
            wide = not self.floating and self.bits > 23  # its codes need more bits than float32 has
            x = np.asarray(x)
            if wide and rounding == "nearest" and x.dtype.kind in "fiu" and x.dtype.itemsize == 8:
                step = 2.0**self.exponent
                x = np.rint(x / step) * step
            x = backend.float32_array(x, odd=rounding == "nearest" and self.man <= 21 and not wide)
            return round_array(x, self._words, words)
        return backend.straight_through(round_tensor, backend.float32_tensor(x), self._words, words)

    def values(self) -> np.ndarray:
        """Return every finite value, ascending; -0 is not listed beside 0."""
        if self.bits > 16:
            raise PrecisionError(
                f"{self.name} has 2^{self.bits} values; values() lists formats of at most 16 bits"
            )
        step = 2.0 ** (self.exponent - self.man)
        if not self.floating:
            return (np.arange(round(self.low / step), round(self.high / step) + 1) * step).astype(np.float32)
        fractions = np.arange(2**self.man)
        top = math.frexp(self.high)[1] - 1
        exponents = np.arange(self.exponent, top + 1)
        normal = np.ldexp((fractions + 2**self.man)[None, :].astype(float), exponents[:, None] - self.man)
        positive = np.concatenate([fractions[1:] * step, normal.ravel()])
        positive = positive[positive <= self.high]
        return np.concatenate([-positive[::-1], [0.0], positive]).astype(np.float32)

    @property
    def max(self) -> float:
        """Largest finite value."""
        return self.high

    @property
    def min_normal(self) -> float:
        """Smallest power of two with the full relative precision; the step of fixed point."""
        return 2.0**self.exponent

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return 2.0 ** (self.exponent - self.man)

    @property
    def eps(self) -> float:
        """Spacing of the values just above 1."""
        return 2.0**-self.man if self.floating else 2.0**self.exponent


def kernel(xp: Any, x: Any, parameters: Any, uniform: Any = None) -> Any:
    """Round ``x`` (float32, any shape) on the lattice given by ``parameters``.

    Args:
        xp: the namespace to compute with: ``backend.ARRAYS`` (NumPy) or ``backend.tensors()`` (keras.ops).
        uniform: float32 draws from [0, 1) in the shape of ``x`` for stochastic rounding; None for nearest.
    """
    mask, smallest, scale, unscale, low, high, under, over, nan, zero = (
        parameters[i] for i in range(PARAMETERS)
    )
    # 2^e(x) is the exponent field of x alone. log2 would be wrong just below a power of two. The exponent
    # field of an infinity reads as infinity; 2^127 in its place keeps infinity / p infinite.
    power = xp.view(xp.view(x, "int32") & xp.view(mask, "int32"), "float32")
    p = xp.maximum(xp.minimum(power, np.float32(2.0**127)), smallest)
    r = x / p * scale
    if uniform is None:
        n = xp.round(r)
    else:
        below = xp.floor(r)
        # Comparing keeps every bit of the draw; floor(r + uniform) would lose them where r is large.
        n = xp.where(uniform < r - below, below + np.float32(1), below)
    y = n * unscale * p + zero
    y = xp.where(y > high, over, xp.where(y < low, under, y))
    return xp.where(x == x, y, nan)  # x != x is the NaN test that every backend compiles


def _uniform(xp: Any, index: Any, words: Any) -> Any:
    """Return float32 draws from [0, 1) with 24 random bits, one for each ``index``."""
    bits = xp.right_shift(noise.mix(xp, index, words[0], words[1]), 8) & 0xFFFFFF
    return xp.cast(bits, "float32") * np.float32(2.0**-24)


_CHUNK = 1 << 16  # elements that stay in the second-level cache through the kernel's dozen passes


def round_array(x: np.ndarray, parameters: np.ndarray, words: np.ndarray | None = None) -> np.ndarray:
    """Round a float32 array in cache-sized pieces; ``words`` is a key for stochastic rounding."""
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    with np.errstate(all="ignore"):  # infinities and NaN are values here, not accidents
        for start in range(0, flat.size, _CHUNK):
            part = flat[start : start + _CHUNK]
            uniform = None
            if words is not None:
                index = np.arange(start, start + part.size, dtype=np.int64).astype(np.int32)
                uniform = _uniform(backend.ARRAYS, index, words)
            out[start : start + _CHUNK] = kernel(backend.ARRAYS, part, parameters, uniform)
    return out.reshape(x.shape)


def round_tensor(x: Any, parameters: Any, words: Any = None) -> Any:
    """Round a float32 tensor with one compiled kernel; ``words`` is a key for stochastic rounding."""
    if words is None:
        return backend.compiled(_nearest)(x, parameters)
    return backend.compiled(_stochastic)(x, parameters, words)


def pass_inside(x: Any, upstream: Any, parameters: Any) -> Any:
    """Return a gradient where ``x`` lies in the range of a format, and zero where rounding clips it.

    A clipped value does not answer to small changes. Passing its gradient on would push it further out for
    ever: a network with few bits then forgets what it had learned.
    """
    return backend.compiled(_inside)(x, upstream, parameters)


def _inside(x: Any, upstream: Any, parameters: Any) -> Any:
    xp = backend.tensors()
    return xp.where((x >= parameters[4]) & (x <= parameters[5]), upstream, xp.cast(0.0, "float32"))


def _nearest(x: Any, parameters: Any) -> Any:
    return kernel(backend.tensors(), x, parameters)


def _stochastic(x: Any, parameters: Any, words: Any) -> Any:
    xp = backend.tensors()
    index = xp.reshape(xp.arange(xp.size(x), dtype="int32"), xp.shape(x))
    return kernel(xp, x, parameters, _uniform(xp, index, words))
