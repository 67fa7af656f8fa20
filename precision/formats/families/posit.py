"""Posits: tapered floating point with a run-length coded regime.

After the Posit Standard (2022) and J. Gustafson and I. Yonemoto 2017, "Beating floating point at its own
game: posit arithmetic", whose exponent size es is free here; the standard has es = 2.
"""

from __future__ import annotations

import math

import numpy as np

from precision.arguments import integer
from precision.errors import PrecisionError
from precision.formats.kernels.codebook import Codebook
from precision.registry import FORMATS


@FORMATS.register("posit")
def posit(n: int, es: int) -> Codebook:
    """Posit of n bits with es exponent bits: no infinity, one NaR; saturates, and never rounds to zero.

    Rounding is of the bit string: between two neighbours the line is drawn at the posit of n + 1 bits that
    lies between them, and a tie goes to the even code. Where the regime leaves no room for fraction bits that
    is not the nearest value. NaN and the infinities become NaR, which is NaN here. Stochastic rounding
    treats zero as any other neighbour, so that it has no bias.

    Raises:
        PrecisionError: when n is not in 3..16, es is not in 0..6, or the largest value, 2^((n-2) 2^es),
            exceeds 2^126.
    """
    integer("posit(n,es)", "n", n, 3, 16)
    integer("posit(n,es)", "es", es, 0, 6)
    if (n - 2) * 2**es > 126:
        raise PrecisionError(
            f"posit(n,es): the largest value 2^((n-2) 2^es) must not exceed 2^126, but that of "
            f"posit({n},{es}) is 2^{(n - 2) * 2**es}"
        )
    positive = np.arange(1, 2 ** (n - 1))
    magnitudes = np.array([_value(int(code), n, es) for code in positive])
    between = np.array([_value(2 * int(code) + 1, n + 1, es) for code in positive[:-1]])
    least = magnitudes[0] / 2  # the sign of the line beside zero is all that counts, see never_zero
    return Codebook(
        f"posit({n},{es})",
        n,
        np.concatenate([-magnitudes[::-1], [0.0], magnitudes]),
        codes=np.concatenate([2**n - positive[::-1], [0], positive]),
        boundaries=np.concatenate([-between[::-1], [-least, least], between]),
        nan=math.nan,
        infinity=math.nan,
        never_zero=True,
        nan_code=2 ** (n - 1),
    )


def _value(code: int, n: int, es: int) -> float:
    """Return the value of a positive posit: (1 + f) 2^(2^es r + e)."""
    bits = f"{code:0{n}b}"[1:]
    run = len(bits) - len(bits.lstrip(bits[0]))
    regime = run - 1 if bits[0] == "1" else -run
    rest = bits[run + 1 :]  # after the bit that ends the regime
    exponent = int(rest[:es].ljust(es, "0") or "0", 2)  # bits that were cut off are zeros
    fraction = rest[es:]
    significand = 1 + (int(fraction, 2) / 2 ** len(fraction) if fraction else 0.0)
    return math.ldexp(significand, regime * 2**es + exponent)
