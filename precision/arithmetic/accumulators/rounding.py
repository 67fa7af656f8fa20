"""Rounding of one number inside a compiled loop: the kernels of ``precision.formats`` written for numba.

A rounder is a compiled function of (x, numbers, uniform): a float32, a tuple with the run-time numbers of a
format, and a draw from (0, 1] that only stochastic rounding reads. It gives the bits that the format's own
``quantize`` gives; tests/quantization/test_sums.py compares them.

Rounding to nearest is the common case and has three shorter forms of its own:

- *by a large number*: adding and subtracting c = 1.5 * 2^23 * (spacing around x) leaves x rounded to that
  spacing, ties to even, because the sum with c has no room for more (T. J. Dekker 1971, "A floating-point
  technique for extending the available precision");
- *clipped*: the same with one spacing, for fixed point that saturates;
- *by bits*: for formats with the exponents of float32, whose codes are float32 patterns cut short.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from precision.formats import Codebook, Lattice, NumberFormat
from precision.formats.kernels.codebook import CodebookProgram
from precision.formats.kernels.lattice import LatticeProgram

Rounder = tuple[Callable[..., Any], tuple[Any, ...]]

_f, _i, _u = np.float32, np.int32, np.uint32
_EXPONENT = 0x7F800000
_MAGNITUDE = 0x7FFFFFFF
_SIGN = -0x80000000
_HEAD, _FIELDS = 3, 512  # of the numbers of a codebook, see CodebookProgram


@functools.lru_cache(32)
def rounder(number_format: NumberFormat, rounding: str) -> Rounder | None:
    """Return the compiled rounding of a format and its numbers; None where the format has no such kernel."""
    program, numbers = number_format.program(rounding)
    if isinstance(program, LatticeProgram) and isinstance(number_format, Lattice):
        if rounding == "nearest" and (short := _short(number_format)):
            return short
        if _is_float32(number_format):
            return identity, ()
        bits = numbers.view(np.int32)
        masks = (bits[2], bits[10])
        return _lattice(program.rounding.mode, program.wrap, program.flush), (*numbers, *masks)
    if isinstance(program, CodebookProgram) and isinstance(number_format, Codebook):
        head, size = _HEAD + _FIELDS, program.buckets
        threshold, *results = (numbers[start : start + size] for start in range(head, len(numbers), size))
        places = numbers[_HEAD:head].astype(np.int32)
        # Side by side what is chosen between: to choose is then to add to an index, without a jump.
        sides = np.stack(results, axis=1).reshape(-1)
        return _codebook(program.rounding.mode), (numbers[2], places, threshold.view(np.int32), sides)
    return None


def _is_float32(f: Lattice) -> bool:
    return f.floating and f.man == 23 and f.exponent == -126 and f.subnormals and f.overflow == "infinity"


def _short(f: Lattice) -> Rounder | None:
    """Return the shorter form of rounding to nearest, where there is one."""
    if _is_float32(f):
        return identity, ()
    step = 2.0**f.exponent
    if not f.floating:
        if f.overflow != "saturate" or max(-f.low, f.high) > step * 2**22:
            return None
        return clipped, (_f(f.low), _f(f.high), _f(1.5 * 2**23 * step))
    if not (f.subnormals and f.has_nan and f.has_zero_sign):
        return None
    if f.exponent == -126:
        cut = 23 - f.man  # bits of float32 that are left out
        masks = (_i(1 << cut), _i((1 << (cut - 1)) - 1), _i(-(1 << cut)))
        return by_bits, (_f(f.high), _f(f.infinity), *masks)
    top = math.frexp(f.high)[1]  # twice the greatest power of two in the range
    if f.man > 21 or top + 24 - f.man > 127:
        return None
    least, greatest = _f(2.0**f.exponent).view(_i), _f(2.0**top).view(_i)
    return by_a_large_number, (_f(f.high), _f(f.infinity), least, greatest, _f(1.5 * 2.0 ** (23 - f.man)))


@numba.njit
def identity(x: Any, numbers: Any, uniform: Any) -> Any:
    """Return x: float32 as it is."""
    return x


@numba.njit
def by_a_large_number(x: Any, numbers: Any, uniform: Any) -> Any:
    """Round to nearest in a floating-point format whose values end well below those of float32."""
    high, over, least, greatest, scale = numbers
    bits = _f(x).view(_i)
    # Past the range the spacing may be any number that is finite: x stays beyond it.
    power = _i(min(max(_i(bits & _i(_EXPONENT)), least), greatest))
    large = power.view(_f) * scale
    y = abs(_f((x + large) - large))
    y = over if y > high else y
    return _i(_f(y).view(_i) | _i(bits & _i(_SIGN))).view(_f)


@numba.njit
def by_bits(x: Any, numbers: Any, uniform: Any) -> Any:
    """Round to nearest in a format with the exponents of float32, subnormals included."""
    high, over, last, almost_half, mask = numbers
    bits = _f(x).view(_i)
    odd = _i(1) if _i(bits & last) != 0 else _i(0)
    y = _i(_i(bits + almost_half + odd) & mask).view(_f)
    y = over if y > high else y
    y = -over if y < -high else y
    return y if x == x else x


@numba.njit
def clipped(x: Any, numbers: Any, uniform: Any) -> Any:
    """Round to nearest in fixed point that saturates; NaN is 0 there."""
    low, high, large = numbers
    x = x if x == x else _f(0)
    x = high if x > high else x
    x = low if x < low else x
    return _f((x + large) - large)


@functools.cache
def _lattice(mode: str, wrap: bool, flush: bool) -> Callable[..., Any]:
    """Return ``LatticeProgram`` in a rounding mode, operation by operation."""
    to_integer = _integers()[mode]
    directed = mode not in ("nearest", "nearest_away", "nearest_up", "stochastic")
    away = mode in ("floor", "ceil", "odd")

    @numba.njit
    def lattice(x: Any, numbers: Any, uniform: Any) -> Any:
        low, high, _, smallest, half_scale, unscale, under, over, minus, plus, _ = numbers[:11]
        span, unspan, half = numbers[11:14]
        mask, keep = numbers[14:]
        power = _i(_f(x).view(_i) & mask).view(_f)
        p = _f(max(min(power, _f(2.0**127)), smallest))
        if flush and abs(x) < smallest:
            half_scale, unscale = _f(0.5), _f(1)
        r = _f(x * _i(_i(_EXPONENT) - p.view(_i)).view(_f) * half_scale)
        if away and x != 0 and abs(r) < _f(2.0**-60):
            r = _f(-(2.0**-60)) if x < 0 else _f(2.0**-60)
        n = to_integer(r, uniform)
        y = _f(n * unscale * p)
        rest = _i(y.view(_i) & keep).view(_f)
        y = y if abs(y) > 0 else rest
        if wrap:
            part = _f(y * unspan)
            part = _f(part - np.floor(part))
            y = _f((part - np.floor(part + half)) * span)
            return y if abs(n) < _f(np.inf) else _f(0)
        y = over if y > high else (under if y < low else y)
        if directed and abs(x) == _f(np.inf):
            y = plus if x > 0 else minus
        return y

    return lattice


@functools.cache
def _integers() -> dict[str, Callable[..., Any]]:
    """Return the rounding of a float32 to an integer in each mode; a zero keeps the sign of the number."""

    def on_magnitude(goes_up: Callable[..., Any]) -> Callable[..., Any]:
        up = numba.njit(goes_up)

        @numba.njit
        def to_integer(r: Any, uniform: Any) -> Any:
            magnitude = abs(r)
            below = np.floor(magnitude)
            n = _f(below + _f(1) if up(magnitude - below, below, r, uniform) else below)
            return _i(n.view(_i) | _i(_f(r).view(_i) & _i(_SIGN))).view(_f)

        return to_integer

    half = _f(0.5)
    return {
        "nearest": numba.njit(lambda r, uniform: np.rint(r)),
        "floor": numba.njit(lambda r, uniform: np.floor(r)),
        "ceil": numba.njit(lambda r, uniform: np.ceil(r)),
        "toward_zero": numba.njit(lambda r, uniform: np.ceil(r) if r < 0 else np.floor(r)),
        "nearest_away": on_magnitude(lambda fraction, below, r, uniform: fraction >= half),
        "nearest_up": on_magnitude(
            lambda fraction, below, r, uniform: fraction > half if r < 0 else fraction >= half
        ),
        "odd": on_magnitude(
            lambda fraction, below, r, uniform: fraction > 0 and np.floor(below * half) == below * half
        ),
        "stochastic": on_magnitude(lambda fraction, below, r, uniform: fraction >= uniform),
    }


@functools.cache
def _codebook(mode: str) -> Callable[..., Any]:
    """Return ``CodebookProgram`` in a rounding mode."""

    @numba.njit
    def side(x: Any, places: Any, threshold: Any) -> Any:
        bits = _f(x).view(_i)
        place = places[_i(bits >> _i(23)) & 511]
        bucket = (place >> 5) + (_i(bits & _i(0x7FFFFF)) >> (place & 31))
        return 2 * bucket + (_i(bits & _i(_MAGNITUDE)) >= threshold[bucket])

    if mode not in ("stochastic", "odd"):

        @numba.njit
        def single(x: Any, numbers: Any, uniform: Any) -> Any:
            nan, places, threshold, results = numbers
            y = results[side(x, places, threshold)]
            return y if x == x else nan

        return single
    stochastic = mode == "stochastic"

    @numba.njit(error_model="numpy")  # at the ends of the table 0 is divided by 0
    def paired(x: Any, numbers: Any, uniform: Any) -> Any:
        nan, places, threshold, results = numbers
        found = 2 * side(x, places, threshold)
        below, partner = results[found], results[found + 1]
        up = _f(_f(x - below) / _f(partner - below)) >= uniform if stochastic else x > below
        y = results[found + up]
        return y if x == x else nan

    return paired


@numba.njit
def draw(index: Any, word0: Any, word1: Any, random_bits: Any, unit: Any) -> Any:
    """Return the draw for an index, as ``engine.program.draws``; ``unit`` is 2^-random_bits."""
    h = _u(_u(index) + _u(word0))
    h = _u(_u(_u(h ^ _u(h >> _u(16))) * _u(0x7FEB352D)) + _u(word1))
    h = _u(_u(h ^ _u(h >> _u(15))) * _u(0x846CA68B))
    h = _u(h ^ _u(h >> _u(16)))
    mixed = _u(h >> _u(32 - random_bits)) & _u((1 << random_bits) - 1)
    return (_f(mixed) + _f(1)) * unit
