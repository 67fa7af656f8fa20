"""The integer accumulator: a register of some bits in two's complement that wraps or saturates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.errors import PrecisionError, shown, unknown

NARROWEST, WIDEST = 8, 64
OVERFLOWS = ("wrap", "saturate")


@dataclass(frozen=True)
class Register:
    """What holds a running sum of integers.

    Attributes:
        bits: its width, 8 to 64, sign included.
        overflow: ``wrap`` keeps the lowest bits; ``saturate`` stays at the end of the range.

    >>> Register(8).lowest, Register(8).highest
    (-128, 127)
    >>> Register(8).put(np.array([130, -300])), Register(8, "saturate").put(np.array([130, -300]))
    (array([-126,  -44]), array([ 127, -128]))
    """

    bits: int = 32
    overflow: str = "wrap"

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not NARROWEST <= self.bits <= WIDEST:
            raise PrecisionError(
                f"an integer accumulator has {NARROWEST} to {WIDEST} bits, not {shown(self.bits)}"
            )
        if self.overflow not in OVERFLOWS:
            raise unknown("overflow of an accumulator", self.overflow, OVERFLOWS)

    @property
    def lowest(self) -> int:
        """The least value that it holds."""
        return -(1 << self.bits - 1)

    @property
    def highest(self) -> int:
        """The largest value that it holds."""
        return (1 << self.bits - 1) - 1

    def holds(self, lowest: int, highest: int) -> bool:
        """Return whether it holds every value of a range."""
        return self.lowest <= lowest and highest <= self.highest

    def put(self, values: np.ndarray) -> np.ndarray:
        """Return what it holds after int64 values, of any shape, were put into it."""
        if self.overflow == "saturate":
            return np.clip(values, self.lowest, self.highest)
        unused = WIDEST - self.bits
        return (values << unused) >> unused  # the second shift repeats the sign

    @classmethod
    def parse(cls, text: str) -> Register | None:
        """Return the register that a text names, ``register(16)`` or ``register(16,overflow=saturate)``.

        None for a text that begins with another word.

        Raises:
            PrecisionError: for a malformed text, or what no register is.

        >>> print(Register.parse("register( 16, overflow=saturate )"))
        register(16,overflow=saturate)
        """
        if not re.match(r"\s*register\b", text):
            return None
        found = re.fullmatch(r"\s*register\(\s*(-?\d{1,9})\s*(?:,\s*overflow\s*=\s*(\w+)\s*)?\)\s*", text)
        if not found:
            raise PrecisionError(
                f"malformed register {shown(text)}; write register(16) or register(16,overflow=saturate)"
            )
        return cls(int(found[1]), found[2] or "wrap")

    def formats(self) -> list[Any]:
        """Return no number format: it holds integers."""
        return []

    def to_json(self, rounding: str = "nearest") -> str:
        """Return it as a policy writes it."""
        return str(self)

    def __str__(self) -> str:
        return f"register({self.bits}{'' if self.overflow == 'wrap' else f',overflow={self.overflow}'})"


def bits_of(lowest: int, highest: int) -> int:
    """Return the width in two's complement that a range needs, its sign included.

    >>> bits_of(-128, 127), bits_of(0, 128), bits_of(0, 0)
    (8, 9, 1)
    """
    return max((~lowest).bit_length() if lowest < 0 else 0, max(highest, 0).bit_length()) + 1
