"""Multiplication by adding logarithms that are read off the digits."""

from __future__ import annotations

import functools

import numpy as np

from precision.arguments import flag, integer
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.families.arguments import bits_of, named, of_magnitudes
from precision.arithmetic.multipliers.families.leading import length
from precision.registry import MULTIPLIERS

MOST = 4  # corrections; each needs what is left of both operands, which soon is zero


@MULTIPLIERS.register("mitchell")
def mitchell(bits: int, *, corrections: int = 0, signed: bool = False) -> Multiplier:
    """Mitchell's logarithm: log2 of 2^k (1 + f) is taken for k + f, and so is the way back.

    J. Mitchell, "Computer multiplication and division using binary logarithms", IRE Transactions on
    Electronic Computers EC-11(4), 1962. With a = 2^p (1 + f) and w = 2^q (1 + g), f and g in [0, 1), the
    product is 2^(p+q) (1 + f + g) where f + g < 1, else 2^(p+q+1) (f + g); zero where an operand is zero. It
    is never too large, and at most 1/9 too small. All digits of f and g are kept, so that it is a whole
    number.

    The corrected form of the same paper adds what is missing, 2^(p+q) f g or 2^(p+q) (1 - f)(1 - g), a
    product of two smaller whole numbers, by the same method.

    Args:
        bits: of both operands, 2 to 16.
        corrections: how often what is missing is added, 0 to 4; 1 is the corrected form.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude.
    """
    form = "mitchell(bits)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    corrections = integer(form, "corrections", corrections, 0, MOST)
    options = [f"corrections={corrections}"] if corrections else []
    name = named("mitchell", bits, *options, signed=signed)
    return of_magnitudes(name, bits, signed, functools.partial(_logarithm, corrections))


def _logarithm(corrections: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    p, q = (np.maximum(length(x) - 1, 0) for x in (a, w))
    f, g = a - (1 << p), w - (1 << q)  # the fractions, times 2^p and 2^q
    fractions = (f << q) + (g << p)  # their sum, times 2^(p+q)
    one = 1 << p + q
    carry = fractions >= one
    product = np.where(carry, 2 * fractions, one + fractions)
    nothing = (a == 0) | (w == 0)
    if corrections:
        left_a, left_w = np.where(carry, (1 << p) - f, f), np.where(carry, (1 << q) - g, g)
        left_a, left_w = np.where(nothing, 0, left_a), np.where(nothing, 0, left_w)
        product = product + _logarithm(corrections - 1, left_a, left_w)
    return np.where(nothing, 0, product)
