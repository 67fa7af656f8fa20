"""A number format as its definition gives it, and the staircase of each of its roundings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from oracles.staircase import INFINITY, LEAST, Staircase, first_above, first_at_least, staircase

TO_NEAREST = ("nearest", "nearest_away", "nearest_up")
MODES = (*TO_NEAREST, "toward_zero", "floor", "ceil", "odd")


@dataclass(frozen=True, eq=False)
class Definition:
    """The values of a format and the rules around them.

    Attributes:
        values: float64, exact, ascending, zero once.
        codes: the bit string of each value as an unsigned integer.
        bits: length of the bit strings.
        middles: float64, exact: the boundary between each value and the next. Halfway where not given.
        upper_even: whether of each value and the next the upper one has the even code.
        beyond: the value that would follow the largest one; None where the format saturates.
        special: what lies beyond: infinity or NaN.
        nan, plus, minus: what NaN and the infinities become.
        zero_sign: whether there is a -0.
        never_zero: no number but 0 rounds to 0 (posits).
    """

    values: np.ndarray
    codes: np.ndarray
    bits: int
    middles: np.ndarray = field(default=None)  # type: ignore[assignment]
    upper_even: np.ndarray = field(default=None)  # type: ignore[assignment]
    beyond: float | None = None
    special: float = np.inf
    nan: float = np.nan
    plus: float = np.inf
    minus: float = -np.inf
    zero_sign: bool = True
    never_zero: bool = False

    def __post_init__(self) -> None:
        if self.middles is None:
            object.__setattr__(self, "middles", halfway(self.values[:-1], self.values[1:]))
        if self.upper_even is None:
            object.__setattr__(self, "upper_even", self.codes[1:] % 2 == 0)

    def staircase(self, mode: str = "nearest") -> Staircase:
        """Return the results of a rounding mode."""
        values, results, middles, upper_even = self.values, self.values, self.middles, self.upper_even
        if self.beyond is not None:  # one more step at each end
            values = np.concatenate([[-self.beyond], values, [self.beyond]])
            results = np.concatenate([[-self.special], results, [self.special]])
            end = halfway(self.values[-1:], np.array([self.beyond]))
            middles = np.concatenate([-end, middles, end])
            # The code after the largest one is even where that one is odd.
            last = self.codes[-1] % 2 == 1
            upper_even = np.concatenate([[not last], upper_even, [last]])
        starts, results = self._steps(mode, values, results, middles, upper_even)
        return staircase(
            starts, results, minus=self.minus, plus=self.plus, nan=self.nan, zero_sign=self.zero_sign
        )

    def _steps(
        self, mode: str, values: np.ndarray, results: np.ndarray, middles: np.ndarray, upper_even: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return where steps begin and what they give; the first step begins below everything."""
        at, above = first_at_least(values), first_above(values)
        if self.beyond is not None:
            # A directed rounding reaches the largest finite value from any finite distance.
            at[0], above[0], at[-1] = LEAST, LEAST + 1, INFINITY
        if mode in TO_NEAREST:
            up = {"nearest": upper_even, "nearest_up": middles == middles, "nearest_away": middles >= 0}[mode]
            starts = np.where(up, first_at_least(middles), first_above(middles))
        elif mode == "floor":
            starts = at[1:].copy()
        elif mode == "ceil":
            starts = above[:-1].copy()
        elif mode == "toward_zero":
            starts = np.where(values[1:] <= 0, above[:-1], at[1:])
        elif mode == "odd":
            return self._odd(values, results, at, above, upper_even)
        else:
            raise ValueError(mode)
        if self.never_zero:
            zero = int(np.flatnonzero(values == 0)[0])
            starts[zero - 1], starts[zero] = -1, 1
        return np.append(LEAST, starts), results

    def _odd(
        self,
        values: np.ndarray,
        results: np.ndarray,
        at: np.ndarray,
        above: np.ndarray,
        upper_even: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        between = np.where(upper_even, results[:-1], results[1:])
        if self.beyond is not None:
            between[0], between[-1] = results[1], results[-2]
        starts = np.empty(2 * len(values) - 1, np.int64)
        chosen = np.empty(2 * len(values) - 1)
        starts[::2], starts[1::2] = at, above[:-1]
        chosen[::2], chosen[1::2] = results, between
        return starts, chosen


def halfway(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (a + b) / 2, exact.

    Raises:
        ValueError: where it needs more bits than float64 has.
    """
    total = a + b
    if not (np.array_equal(total - a, b) and np.array_equal(total - b, a)):
        raise ValueError("the middle of two values is no float64")
    return total / 2
