"""Multipliers that know a few multiples of the activation, and shift and add them."""

from __future__ import annotations

import functools

import numpy as np

from precision.arguments import flag, integer
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.families.arguments import bits_of, made, named
from precision.errors import PrecisionError, shown
from precision.registry import MULTIPLIERS

_QUARTET = 4


@MULTIPLIERS.register("alphabet")
def alphabet(bits: int, *letters: int, signed: bool = False) -> Multiplier:
    """Alphabet sets: every four bits of the weight are a letter, shifted; the letters are few odd numbers.

    S. Sarwar, S. Venkataramani, A. Ankit, A. Raghunathan, K. Roy, "Energy-efficient neural computing with
    approximate multipliers", ACM JETC 14(2), 2018. The multiples of the activation by the letters are made
    once and shared; a product shifts one of them for each quartet of the weight and adds these. With the
    letter 1 alone nothing is left but shifts. Weights that cannot be said so are replaced by the nearest
    that can, of two equally near the smaller one; training keeps away from them.

    Args:
        bits: of both operands, 2 to 16. The magnitude of a weight is cut into quartets from its lowest bit
            on, so that the uppermost may have fewer bits.
        letters: odd, 1 to 15, ascending. All eight make every product exact.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude; magnitudes
            then have one bit less.
    """
    form = "alphabet(bits,letter,...)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    for letter in letters:
        integer(form, "letter", letter, 1, 15)
    if not letters or any(letter % 2 == 0 for letter in letters) or [*letters] != sorted({*letters}):
        raise PrecisionError(
            f"{form}: letters are odd numbers from 1 to 15 in ascending order, but got "
            f"{shown(letters) if letters else 'none'}; write alphabet({bits},1,3)"
        )
    name = named("alphabet", bits, *letters, signed=signed)
    function = functools.partial(_shifted, _nearest(bits - signed, letters), signed)
    return made(name, bits, signed, function)


def _supported(bits: int, letters: tuple[int, ...]) -> np.ndarray:
    """Return the magnitudes below 2^bits that letters and shifts can say, ascending."""
    found = np.zeros(1, np.int64)
    for low in range(0, bits, _QUARTET):
        width = min(_QUARTET, bits - low)
        said = {0, *(letter << shift for letter in letters for shift in range(width))}
        digits = np.array(sorted(value for value in said if value < 1 << width), np.int64)
        found = np.add.outer(digits << low, found).ravel()
    return np.unique(found)


def _nearest(bits: int, letters: tuple[int, ...]) -> np.ndarray:
    """Return for each magnitude up to 2^bits the supported one that stands for it."""
    known = _supported(bits, letters)
    middles = (known[1:] + known[:-1]) // 2
    return known[np.searchsorted(middles, np.arange((1 << bits) + 1), side="left")]


def _shifted(stands_for: np.ndarray, signed: bool, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    weight = stands_for[np.abs(w)] if signed else stands_for[w]
    return a * (np.sign(w) * weight if signed else weight)
