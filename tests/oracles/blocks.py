"""Formats whose neighbours share a scale: one block and one element at a time, in exact arithmetic."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from oracles.catalogue import definition
from oracles.definition import Definition

TWO = Fraction(2)


def rounded(d: Definition, v: float, negative: bool, mode: str = "nearest") -> float:
    """Return ``v`` rounded to a format that saturates; ``negative`` tells -0 from 0.

    Nothing is computed but comparisons of float64, which are exact.
    """
    values, middles = steps(d)
    at = bisect.bisect_right(values, v) - 1  # of the value at or below v
    if at < 0 or at + 1 == len(values) or values[at] == v:
        return signed(d, values[max(at, 0)], negative)
    tie = middles[at] == v
    upper_even = bool(d.upper_even[at])
    if d.never_zero and values[at] == 0:
        up = True
    elif d.never_zero and values[at + 1] == 0:
        up = False
    elif mode in ("nearest", "nearest_up", "nearest_away"):
        up_at_tie = {"nearest": upper_even, "nearest_up": True, "nearest_away": v >= 0}[mode]
        up = up_at_tie if tie else v > middles[at]
    else:
        up = {"floor": False, "ceil": True, "toward_zero": v < 0, "odd": not upper_even}[mode]
    return signed(d, values[at + up], negative)


def signed(d: Definition, y: float, negative: bool) -> float:
    return math.copysign(y, -1.0) if y == 0 and negative and d.zero_sign else y


@functools.cache
def steps(d: Definition) -> tuple[list[float], list[float]]:
    """Return the values and what lies in the middle of two, as Python's numbers."""
    return d.values.tolist(), d.middles.tolist()


def floor_log2(v: Fraction) -> int:
    """Return the greatest k with 2^k <= v."""
    k = v.numerator.bit_length() - v.denominator.bit_length()
    return k if TWO**k <= v else k - 1


def exponent(d: Definition, amax: Fraction, rule: str, mantissa: int) -> int:
    """Return k where 2^k is the scale of a block.

    Args:
        rule: ``floor`` (OCP), ``ceil``, ``even``: the significand of amax is first rounded half up to the
            ``mantissa`` bits of an element, ``rceil``: the least power with which amax does not exceed the
            largest element.
    """
    if amax == 0:
        return -127
    top = Fraction(steps(d)[0][-1])
    emax, k = floor_log2(top), floor_log2(amax)
    if rule == "ceil":
        k += TWO**k < amax
    elif rule == "even":
        k = floor_log2(math.floor(amax / TWO**k * 2**mantissa + Fraction(1, 2)) * TWO ** (k - mantissa))
    elif rule == "rceil":
        k = floor_log2(amax / top)
        k += TWO**k * top < amax
        return min(max(k, -127), 127)
    return min(max(k - emax, -127), 127)


@dataclass(frozen=True)
class PowerOfTwo:
    """Blocks under a power of two.

    Attributes:
        element: definition of an element that saturates.
        size: of a block.
        mantissa: explicit mantissa bits of the largest element, for the rule ``even``.
    """

    element: Definition
    size: int
    rule: str = "floor"
    mantissa: int = 0
    scale_bits = 8

    def rows(self, x: np.ndarray, mode: str = "nearest") -> np.ndarray:
        """Round float32 rows, shape (rows, length), whose blocks run along the second axis."""
        out = np.empty_like(x)
        for row, result in zip(x, out, strict=True):
            for start in range(0, len(row), self.size):
                part = row[start : start + self.size]
                result[start : start + self.size] = self._block(part, mode)
        return out

    def _block(self, x: np.ndarray, mode: str) -> list[float]:
        if not np.isfinite(x).all():
            return [math.nan] * len(x)
        k = exponent(self.element, Fraction(float(np.abs(x).max())), self.rule, self.mantissa)
        results = []
        # By a power of two, and within the range of float64: exact.
        for v, negative in zip(np.ldexp(x.astype(float), -k).tolist(), np.signbit(x).tolist(), strict=True):
            results.append(math.ldexp(rounded(self.element, v, negative, mode), k))
        return results


@dataclass(frozen=True)
class Real:
    """Blocks under a number of a float format, in float32 arithmetic.

    b = scale format((amax of the block) / (largest element s)), value = element(x (1 / (b s))) (b s), and 0
    where b s is 0; 1 / (b s) is at most the largest float32;
    s = (amax of the tensor) / (largest element, largest scale), at least 2^-117; 1 without a tensor's scale.
    Blocks with a NaN or an infinity are NaN and do not count.
    """

    element: Definition
    size: int
    scale: Definition | None = None  # None: float32 itself
    tensor_scale: bool = False
    scale_bits: int = 8

    def rows(self, x: np.ndarray, mode: str = "nearest") -> np.ndarray:
        """Round float32 rows, shape (rows, length), whose blocks run along the second axis."""
        x = x.astype(np.float32)
        starts = range(0, x.shape[1], self.size)
        blocks = [row[i : i + self.size] for row in x for i in starts]
        amax = [np.abs(b).max() if np.isfinite(b).all() else np.float32(np.nan) for b in blocks]
        top, s = np.float32(self.element.values[-1]), np.float32(1)
        if self.tensor_scale:
            most = max((a for a in amax if not np.isnan(a)), default=np.float32(0))
            s = np.float32(most / np.float32(top * np.float32(self.scale.values[-1])))  # type: ignore[union-attr]
            s = np.float32(1) if most == 0 else np.maximum(s, np.float32(2.0**-117))
        results = [self._block(b, a, top, s, mode) for b, a in zip(blocks, amax, strict=True)]
        out: np.ndarray = np.concatenate(results, dtype=np.float32).reshape(x.shape)
        return out

    def _block(
        self, x: np.ndarray, amax: np.float32, top: np.float32, s: np.float32, mode: str
    ) -> np.ndarray:
        if np.isnan(amax):
            return np.full(len(x), np.nan, np.float32)
        b = np.float32(amax / np.float32(top * s))
        if self.scale is not None:
            b = np.float32(rounded(self.scale, float(b), False))
        whole = np.float32(b * s)
        if whole == 0:
            return np.zeros(len(x), np.float32)
        with np.errstate(over="ignore"):
            inverse = min(1 / np.float64(whole), np.finfo(np.float32).max)
        part = 2.0**-50 if whole > 2.0**100 else 1.0  # so that the reciprocal is a normal number
        quotients = (x * np.float32(part)).astype(np.float32) * np.float32(inverse / part)
        elements = [
            rounded(self.element, q, n, mode)
            for q, n in zip(quotients.tolist(), np.signbit(x).tolist(), strict=True)
        ]
        return np.array(elements, np.float32) * whole


def _mx(element: str, mantissa: int, size: int = 32, rule: str = "floor") -> PowerOfTwo:
    return PowerOfTwo(definition(element), size, rule, mantissa)


def _fixed(wl: int, fl: int, size: int, rule: str = "floor", *, symmetric: bool = True) -> PowerOfTwo:
    from oracles.enumerations import fixed

    return PowerOfTwo(fixed(wl, fl, symmetric=symmetric), size, rule, fl)


def _nv(size: int = 16, *, tensor_scale: bool = True) -> Real:
    scale = definition("float8_e4m3fn(overflow=saturate)")
    return Real(definition("float4_e2m1fn"), size, scale, tensor_scale)


BLOCKS: dict[str, Callable[[], PowerOfTwo | Real]] = {
    "mxfp8_e4m3": lambda: _mx("float8_e4m3fn(overflow=saturate)", 3),
    "mxfp8_e4m3(scale=ceil)": lambda: _mx("float8_e4m3fn(overflow=saturate)", 3, rule="ceil"),
    "mxfp8_e4m3(scale=even)": lambda: _mx("float8_e4m3fn(overflow=saturate)", 3, rule="even"),
    "mxfp8_e4m3(scale=rceil)": lambda: _mx("float8_e4m3fn(overflow=saturate)", 3, rule="rceil"),
    "mxfp8_e5m2": lambda: _mx("float8_e5m2(overflow=saturate)", 2),
    "mxfp6_e3m2": lambda: _mx("float6_e3m2fn", 2),
    "mxfp6_e2m3": lambda: _mx("float6_e2m3fn", 3),
    "mxfp6_e2m3(block=16,scale=even)": lambda: _mx("float6_e2m3fn", 3, 16, "even"),
    "mxfp4_e2m1": lambda: _mx("float4_e2m1fn", 1),
    "mxfp4_e2m1(block=5,scale=rceil)": lambda: _mx("float4_e2m1fn", 1, 5, "rceil"),
    "mxfp4_e2m1(scale=even)": lambda: _mx("float4_e2m1fn", 1, rule="even"),
    "mxint8": lambda: _fixed(8, 6, 32),
    "mxint8(scale=ceil)": lambda: _fixed(8, 6, 32, "ceil"),
    "mxint8(scale=even)": lambda: _fixed(8, 6, 32, "even"),
    "mxint8(scale=rceil)": lambda: _fixed(8, 6, 32, "rceil"),
    "mxint8(symmetric=False)": lambda: _fixed(8, 6, 32, symmetric=False),
    "nvfp4": lambda: _nv(),
    "nvfp4(tensor_scale=False)": lambda: _nv(tensor_scale=False),
    "nvfp4(block=32)": lambda: _nv(32),
    "bfp(2)": lambda: _fixed(2, 0, 32),
    "bfp(8)": lambda: _fixed(8, 6, 32),
    "bfp(4,block=7)": lambda: _fixed(4, 2, 7),
    "bfp(12,block=16)": lambda: _fixed(12, 10, 16),
    "nf4(block=64)": lambda: Real(definition("nf4"), 64, scale_bits=32),
    "block(int(4,symmetric=True),32,scale=float32)": lambda: Real(
        definition("int(4,symmetric=True)"), 32, scale_bits=32
    ),
    "block(nf4,16,scale=float16(overflow=saturate))": lambda: Real(
        definition("nf4"), 16, definition("float16(overflow=saturate)"), scale_bits=16
    ),
    "block(posit(8,0),32)": lambda: PowerOfTwo(definition("posit(8,0)"), 32),
    "block(fixed(8,12),8)": lambda: _fixed(8, 12, 8, symmetric=False),
    "block(float8_e5m2(overflow=saturate),8,scale=float8_e4m3fn(overflow=saturate))": lambda: Real(
        definition("float8_e5m2(overflow=saturate)"), 8, definition("float8_e4m3fn(overflow=saturate)")
    ),
}


@functools.cache
def reference(text: str) -> PowerOfTwo | Real:
    """Return the reference of a format with shared scales."""
    return BLOCKS[text]()


def quantize(text: str, x: np.ndarray, mode: str = "nearest", axis: int = -1) -> np.ndarray:
    """Round an array by the reference, blocks along ``axis``."""
    with np.errstate(all="ignore"):
        moved = np.moveaxis(x, axis, -1)
        flat = np.ascontiguousarray(moved).reshape(-1, x.shape[axis])
        return np.moveaxis(reference(text).rows(flat, mode).reshape(moved.shape), -1, axis)
