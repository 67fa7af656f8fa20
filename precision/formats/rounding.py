"""Rounding modes: the rule that picks one of the two representable values around x.

======================  ==========================================================  ======================
mode                    rule                                                        HLS (ap_fixed) name
======================  ==========================================================  ======================
nearest                 the nearer one; a tie goes to the even code (RNE)           RND_CONV
nearest_away            the nearer one; a tie goes away from zero                   RND_INF
nearest_up              the nearer one; a tie goes toward +infinity                 RND
toward_zero             the one nearer to zero                                      TRN_ZERO
floor                   the lower one                                               TRN
ceil                    the upper one
odd                     x itself where it is representable, else the odd code
stochastic              the upper one with a probability equal to the fraction
======================  ==========================================================  ======================

``stochastic(random_bits=8)`` draws as many random bits as the hardware has: they are added below the last
place and the sum is cut off, so the probability is the fraction's first eight bits. Fixed and floating point
do so with the magnitude, tables of values upward from the lower neighbour.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from precision.errors import PrecisionError, shown, suggest

ROUNDINGS = (
    "nearest",
    "nearest_away",
    "nearest_up",
    "toward_zero",
    "floor",
    "ceil",
    "odd",
    "stochastic",
)
HLS = {
    "RND_CONV": "nearest",
    "RND_INF": "nearest_away",
    "RND": "nearest_up",
    "TRN_ZERO": "toward_zero",
    "TRN": "floor",
}
TO_NEAREST = ("nearest", "nearest_away", "nearest_up")
MOST_RANDOM_BITS = 24  # as many as a float32 significand has


@dataclass(frozen=True)
class Rounding:
    """A rounding mode; ``random_bits`` counts the random bits of a stochastic draw.

    >>> from precision.formats import Rounding
    >>> Rounding("stochastic", random_bits=8).stochastic
    True
    """

    mode: str = "nearest"
    random_bits: int = MOST_RANDOM_BITS

    @property
    def stochastic(self) -> bool:
        """Whether the rounding draws random bits and so needs a key."""
        return self.mode == "stochastic"

    def __str__(self) -> str:
        if self.random_bits == MOST_RANDOM_BITS:
            return self.mode
        return f"{self.mode}(random_bits={self.random_bits})"


def parse_rounding(text: str | Rounding, modes: Iterable[str] = ROUNDINGS, owner: str = "") -> Rounding:
    """Return the rounding that a text names, for example ``"nearest"``, ``"TRN"``, ``"stochastic(8)"``.

    Args:
        modes: the modes to choose from: those that a format has.
        owner: what the modes belong to, for the error.

    Raises:
        PrecisionError: when the text is malformed, or the mode unknown or not among ``modes``.

    >>> from precision.formats import parse_rounding
    >>> parse_rounding("stochastic(8)")
    Rounding(mode='stochastic', random_bits=8)
    """
    rounding = text if isinstance(text, Rounding) else _read(text)
    modes = tuple(modes)
    if rounding.mode in modes:
        return rounding
    if rounding.mode in ROUNDINGS:
        raise PrecisionError(
            f"{owner} does not round {shown(rounding.mode)}; its roundings are {', '.join(modes)}"
        )
    raise PrecisionError(f"unknown rounding {shown(text)}; {suggest(rounding.mode, modes)}")


def _read(text: object) -> Rounding:
    malformed = PrecisionError(
        f"malformed rounding {shown(text)}; write a mode such as 'nearest' or 'stochastic(random_bits=8)'"
    )
    if not isinstance(text, str):
        raise malformed
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise malformed from None
    if isinstance(node, ast.Name):
        return Rounding(HLS.get(node.id, node.id))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise malformed
    values = [*node.args, *(k.value for k in node.keywords)]
    if len(values) != 1 or any(k.arg != "random_bits" for k in node.keywords):
        raise malformed
    if node.func.id != "stochastic":
        raise PrecisionError(
            f"rounding {shown(text)}: only stochastic takes random_bits; write {shown(node.func.id)}"
        )
    bits = values[0].value if isinstance(values[0], ast.Constant) else None
    if not isinstance(bits, int) or isinstance(bits, bool) or not 1 <= bits <= MOST_RANDOM_BITS:
        raise PrecisionError(
            f"rounding {shown(text)}: random_bits must be an integer with "
            f"1 <= random_bits <= {MOST_RANDOM_BITS}, but got {ast.unparse(values[0])}"
        )
    return Rounding("stochastic", bits)
