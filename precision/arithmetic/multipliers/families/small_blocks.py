"""Large multipliers built from small inexact ones."""

from __future__ import annotations

import numpy as np

from precision.arguments import flag
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.families.arguments import even_bits_of, named, of_magnitudes
from precision.registry import MULTIPLIERS

_LOW = 0x5555  # the lower bit of each two


@MULTIPLIERS.register("udm")
def udm(bits: int, *, signed: bool = False) -> Multiplier:
    """UDM: built from 2x2 blocks that make 3 times 3 seven, and are exact otherwise.

    P. Kulkarni, P. Gupta, M. Ercegovac, "Trading accuracy for power with an underdesigned multiplier
    architecture", VLSI Design 2011. Each operand is split into digits of two bits, each pair of digits is
    multiplied by a block, and their products are added exactly. So the product is a w - 2 t(a) t(w), where
    t keeps a 1 for every digit that is 3.

    Args:
        bits: of both operands, 2 to 16, even.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude.
    """
    form = "udm(bits)"
    bits, signed = even_bits_of(form, bits, "as blocks are 2x2"), flag(form, "signed", signed)
    return of_magnitudes(named("udm", bits, signed=signed), bits, signed, _blocks)


def _blocks(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    def threes(x: np.ndarray) -> np.ndarray:
        return x & x >> 1 & _LOW

    return a * w - 2 * threes(a) * threes(w)
