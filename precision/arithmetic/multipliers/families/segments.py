"""Multipliers of a few leading bits: DRUM, static segments, powers of two near the operands."""

from __future__ import annotations

import functools

import numpy as np

from precision.arguments import flag, integer
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.families.arguments import bits_of, named, of_magnitudes
from precision.arithmetic.multipliers.families.leading import length
from precision.registry import MULTIPLIERS


@MULTIPLIERS.register("drum")
def drum(bits: int, k: int, *, signed: bool = False) -> Multiplier:
    """DRUM: the k bits from the leading one, the last of them set, are multiplied exactly.

    S. Hashemi, R. Bahar, S. Reda, "DRUM: A dynamic range unbiased multiplier for approximate applications",
    ICCAD 2015. An operand below 2^k is taken as it is. Of a larger one the k bits from its leading one on
    are kept, the lowest of them is set to one, and the bits below are zero: that is about the mean of what
    the kept bits leave open, so that errors of both signs come out even.

    Args:
        bits: of both operands, 2 to 16.
        k: bits that are kept, 2 to bits; the paper has 3 to 8.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude.
    """
    form = "drum(bits,k)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    k = integer(form, "k", k, 2, bits)
    return of_magnitudes(named("drum", bits, k, signed=signed), bits, signed, functools.partial(_drum, k))


@MULTIPLIERS.register("ssm")
def ssm(bits: int, segment: int, *, signed: bool = False) -> Multiplier:
    """Static segments: the upper or the lower bits of each operand are multiplied exactly.

    S. Narayanamoorthy, H. Moghaddam, Z. Liu, T. Park, N. Kim, "Energy-efficient approximate multiplication
    for digital signal processing and classification applications", IEEE TVLSI 23(6), 2015. An operand below
    2^segment is taken as it is; of a larger one the upper ``segment`` of its ``bits`` bits are kept, and the
    bits below are zero.

    Args:
        bits: of both operands, 2 to 16.
        segment: bits that are kept, at least half of all.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude.
    """
    form = "ssm(bits,segment)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    segment = integer(form, "segment", segment, (bits + 1) // 2, bits)
    name = named("ssm", bits, segment, signed=signed)
    return of_magnitudes(name, bits, signed, functools.partial(_static, bits, segment))


@MULTIPLIERS.register("roba")
def roba(bits: int, *, signed: bool = False) -> Multiplier:
    """RoBA: products with powers of two, to which the operands are rounded.

    R. Zendegani, M. Kamal, M. Bahadori, A. Afzali-Kusha, M. Pedram, "RoBA multiplier: a rounding-based
    approximate multiplier for high-speed yet energy-efficient digital signal processing", IEEE TVLSI 25(2),
    2017. With A and W the powers of two nearest to a and w the product is A w + W a - A W, which leaves out
    (A - a)(W - w). A tie, 3 2^p, is rounded up, but for 3 itself, which becomes 2. Zero stays zero.

    Args:
        bits: of both operands, 2 to 16.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude (the paper's
            S-RoBA; without it, U-RoBA).
    """
    form = "roba(bits)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    return of_magnitudes(named("roba", bits, signed=signed), bits, signed, _rounded)


def _drum(k: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    def kept(x: np.ndarray) -> np.ndarray:
        dropped = np.maximum(length(x) - k, 0)
        return np.where(dropped > 0, (x >> dropped | 1) << dropped, x)

    return kept(a) * kept(w)


def _static(bits: int, segment: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    def kept(x: np.ndarray) -> np.ndarray:
        dropped = bits - segment
        return np.where(x >> segment > 0, x >> dropped << dropped, x)

    return kept(a) * kept(w)


def _rounded(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    def nearest(x: np.ndarray) -> np.ndarray:
        power = (1 << length(x)) >> 1
        return np.where((2 * x >= 3 * power) & (x > 3), 2 * power, power)

    near_a, near_w = nearest(a), nearest(w)
    return near_a * w + near_w * a - near_a * near_w
