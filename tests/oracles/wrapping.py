"""Fixed point that wraps around: not monotone and so no staircase, but plain arithmetic.

x 2^fl has 24 significant bits whatever fl is, so float64 holds it, its integer part, its fraction and the
remainder by 2^wl without error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracles.definition import Definition
from oracles.staircase import bits


@dataclass(frozen=True)
class Wrapping:
    """One rounding of ``fixed(wl, fl, overflow=wrap)``, or unsigned; it has the methods of a staircase."""

    wl: int
    fl: int
    signed: bool
    mode: str

    def lookup(self, patterns: np.ndarray) -> np.ndarray:
        """Return the results of float32 bit patterns."""
        x = np.ascontiguousarray(patterns, np.uint32).view(np.float32)
        x = np.where(np.isfinite(x), x, np.float32(0)).astype(np.float64)
        n = integer(x * 2.0**self.fl, self.mode)
        n = np.fmod(n, 2.0**self.wl)
        least = -(2.0 ** (self.wl - 1)) if self.signed else 0.0
        n = np.where(n < least, n + 2.0**self.wl, n)
        n = np.where(n >= least + 2.0**self.wl, n - 2.0**self.wl, n)
        return bits((n * 2.0**-self.fl + 0.0).astype(np.float32))

    def run(self, first: int, count: int) -> np.ndarray:
        """Return the results of ``count`` patterns from ``first`` on."""
        return self.lookup(np.arange(first, first + count, dtype=np.int64).astype(np.uint32))


def integer(x: np.ndarray, mode: str) -> np.ndarray:
    """Return float64 numbers rounded to integers."""
    below = np.floor(x)
    fraction = x - below
    if mode == "nearest":
        return np.rint(x)
    if mode == "odd":
        return below + ((fraction > 0) & (np.fmod(below, 2) == 0))
    up = {
        "nearest_up": fraction >= 0.5,
        "nearest_away": np.where(x < 0, fraction > 0.5, fraction >= 0.5),
        "toward_zero": (x < 0) & (fraction > 0),
        "floor": np.zeros(x.shape, bool),
        "ceil": fraction > 0,
    }[mode]
    return below + up


class WrappingDefinition(Definition):
    """The values of a wrapping format, and its roundings."""

    def staircase(self, mode: str = "nearest") -> Wrapping:  # type: ignore[override]
        """Return the results of a rounding mode."""
        step = float(self.values[1] - self.values[0])
        return Wrapping(self.bits, -int(np.log2(step)), bool(self.values[0] < 0), mode)
