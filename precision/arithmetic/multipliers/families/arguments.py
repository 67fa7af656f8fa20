"""What the texts of the families share: widths, and the two ways to signed operands."""

from __future__ import annotations

import functools

from precision import arguments
from precision.arithmetic.multipliers.base import LEAST, MOST, Function, Multiplier, by_magnitude
from precision.errors import PrecisionError


def bits_of(form: str, value: object) -> int:
    """Return the bits of both operands."""
    return arguments.integer(form, "bits", value, LEAST, MOST)


def even_bits_of(form: str, value: object, why: str) -> int:
    """Return the bits of both operands, of which there must be an even number."""
    bits = bits_of(form, value)
    if bits % 2:
        raise PrecisionError(f"{form}: bits must be even, {why}, but got {bits}")
    return bits


def made(name: str, bits: int, signed: bool, function: Function) -> Multiplier:
    """Return a multiplier of two operands of equal width, whose function knows of their signs."""
    return Multiplier(name, (bits, bits), signed, function)


def of_magnitudes(name: str, bits: int, signed: bool, function: Function) -> Multiplier:
    """Return one whose function knows magnitudes alone, which are at most 2^bits - 1.

    Two's-complement operands are taken apart into sign and magnitude, and the product gets its sign back.
    """
    return made(name, bits, signed, functools.partial(by_magnitude, function) if signed else function)


def named(family: str, bits: int, *others: object, signed: bool) -> str:
    """Return the canonical text of a member."""
    return arguments.written(family, (bits, *others), {"signed": (signed, False)})
