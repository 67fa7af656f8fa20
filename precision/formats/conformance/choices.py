"""Checks of which of its two neighbours a number goes to, for formats whose every value stands alone."""

from __future__ import annotations

import numpy as np

from precision.formats.conformance.check import BASICS, PLACED, STORES, Check
from precision.formats.conformance.subject import Subject
from precision.formats.conformance.verdict import NotApplicable, broken, first, not_applicable, number

DRAWS = 20_000
DEVIATIONS = 5.5  # chance alone passes these bounds in one of about 25 million draws


def nearest(subject: Subject) -> None:
    """No value is nearer than the one that was taken."""
    if not subject.format.nearest:
        not_applicable("the format draws the line between two values elsewhere, as it declares")
    x, below, above = subject.neighbours()
    wide, low, high = x.astype(float), below.astype(float), above.astype(float)
    for mode in subject.nearest_modes:
        y = subject.quantize(x, mode).astype(float)
        # The difference of two float32 is exact in float64 unless one of them does not matter.
        if (at := first(~(np.abs(y - wide) <= np.minimum(wide - low, high - wide)))) is not None:
            closer = low[at] if wide[at] - low[at] <= high[at] - wide[at] else high[at]
            broken(f"{number(x[at])} rounds ({mode}) to {number(y[at])}, but {number(closer)} is nearer")


def ties(subject: Subject) -> None:
    """Halfway between two values the rounding's rule decides."""
    if not subject.format.nearest:
        not_applicable("the format draws the line between two values elsewhere, as it declares")
    x, below, above = subject.neighbours()
    tie = (below != above) & _halfway(x.astype(float), below.astype(float), above.astype(float))
    if not tie.any():
        not_applicable("no float32 lies halfway between two of its values")
    x, below, above = x[tie], below[tie], above[tie]
    wants = {"nearest_up": above, "nearest_away": np.where(x > 0, above, below)}
    wants["nearest_away"] = np.where(x == 0, np.nan, wants["nearest_away"])  # both lie as far from zero
    wants["nearest"] = _by_code(subject, below, above, odd=0)
    rule = {"nearest": "with the even code", "nearest_up": "above", "nearest_away": "further from zero"}
    for mode in subject.nearest_modes:
        y, want = subject.quantize(x, mode), wants[mode]
        if (at := first((y != want) & ~np.isnan(want))) is not None:
            broken(
                f"{number(x[at])} lies halfway between {number(below[at])} and {number(above[at])} and "
                f"rounds ({mode}) to {number(y[at])}, not to the one {rule[mode]}, {number(want[at])}"
            )


def _halfway(x: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return where x is half of below + above, exactly: without the error of the sum (Knuth's TwoSum)."""
    total = below + above
    part = total - below
    error = (below - (total - part)) + (above - part)
    return (total == 2 * x) & (error == 0)


def _by_code(subject: Subject, below: np.ndarray, above: np.ndarray, odd: int) -> np.ndarray:
    """Return the one of two neighbours whose code is odd or even; NaN where both are or none is."""
    low, high = (np.asarray(subject.call("encode", v)).astype(np.int64) & 1 for v in (below, above))
    return np.where(low == high, np.nan, np.where(low == odd, below, above))


def directed(subject: Subject) -> None:
    """Floor, ceil, toward_zero and odd take the neighbour that they say."""
    modes = [mode for mode in ("floor", "ceil", "toward_zero", "odd") if mode in subject.modes]
    if not modes:
        not_applicable("the format has no such rounding")
    if not subject.lists:
        modes = [mode for mode in modes if mode != "odd"]
    x, below, above = subject.neighbours()
    if not subject.format.nearest:  # where nothing rounds to zero, numbers close to it have one way to go
        regular = (np.abs(x) >= subject.format.min_subnormal) | (x == 0)
        x, below, above = x[regular], below[regular], above[regular]
    wants = {"floor": below, "ceil": above, "toward_zero": np.where(x > 0, below, above)}
    if "odd" in modes:
        wants["odd"] = np.where(below == above, x, _by_code(subject, below, above, odd=1))
    wrong = {"floor": "below", "ceil": "above", "toward_zero": "nearer to zero", "odd": "with the odd code"}
    for mode in modes:
        y, want = subject.quantize(x, mode), wants[mode]
        if (at := first((y != want) & ~np.isnan(want))) is not None:
            broken(
                f"{number(x[at])} lies between {number(below[at])} and {number(above[at])} and rounds "
                f"({mode}) to {number(y[at])}, not to the one {wrong[mode]}, {number(want[at])}"
            )


def stays_between(subject: Subject) -> None:
    """Stochastic rounding takes one of the two neighbours."""
    _draws_lots(subject)
    x, below, above = subject.neighbours()
    y = subject.quantize(x, "stochastic")
    if (at := first((y != below) & (y != above))) is not None:
        broken(
            f"{number(x[at])} lies between {number(below[at])} and {number(above[at])}, but is drawn to "
            f"{number(y[at])}"
        )


def repeats(subject: Subject) -> None:
    """The same key gives the same draw, and another key another."""
    _draws_lots(subject)
    x = subject.x
    one = subject.quantize(x, "stochastic", (3, 1))
    again = subject.quantize(x, "stochastic", (3, 1))
    if (at := first((one != again) & ~(np.isnan(one) & np.isnan(again)))) is not None:
        broken(
            f"the same key gives another draw: {number(x[at])} goes to {number(one[at])} and then to "
            f"{number(again[at])}"
        )
    other = subject.quantize(x, "stochastic", (3, 2))
    free = subject.rounded() != x  # what is exact has no choice
    if free.any() and np.array_equal(one[free], other[free], equal_nan=True):
        broken("another key, (3, 2) after (3, 1), gives the same draw on every number")


def unbiased(subject: Subject) -> None:
    """Over many draws the mean is the number itself."""
    _draws_lots(subject)
    x, below, above = subject.neighbours()
    if not subject.format.nearest:
        not_applicable(
            "the format does not measure the way between two values by their distance, as it declares"
        )
    between = np.flatnonzero((below < above) & (above - below < np.float32(np.inf)))
    if not between.size:
        not_applicable("the format lies as dense as float32")
    # Sixteen places all over the range, those closest to zero among them.
    some = between[np.linspace(0, between.size - 1, 12).astype(int)]
    some = np.unique([*some, *between[np.argsort(np.abs(x[between]), kind="stable")[[0, -1]]]])
    some = np.append(some, between[_subnormal(subject, x[between])])
    x, low, high = x[some], below[some].astype(float), above[some].astype(float)
    y = subject.quantize(np.repeat(x, DRAWS), "stochastic").astype(float).reshape(len(x), DRAWS)
    share = (x - low) / (high - low)
    drawn = ((y - low[:, None]) / (high - low)[:, None]).mean(axis=1)
    bound = DEVIATIONS * np.sqrt(share * (1 - share) / DRAWS) + 3 / DRAWS
    if (at := first(~(np.abs(drawn - share) <= bound))) is not None:
        broken(
            f"{number(x[at])} lies {share[at]:.2%} of the way from {number(low[at])} to {number(high[at])}, "
            f"but goes up in {drawn[at]:.2%} of {DRAWS} draws"
        )


def _subnormal(subject: Subject, x: np.ndarray) -> list[int]:
    """Return a number between zero and the smallest value, if there is one."""
    tiny = (x > subject.format.min_subnormal / 4) & (x < subject.format.min_subnormal)
    return [int(np.flatnonzero(tiny)[0])] if tiny.any() else []


def _draws_lots(subject: Subject) -> None:
    if "stochastic" not in subject.format.roundings:
        raise NotApplicable("the format has no stochastic rounding")


CHECKS = [
    Check("nearest", nearest, PLACED, blocks=False),
    Check("ties as the rounding says", ties, (*PLACED, "nearest", STORES), blocks=False),
    Check("directed roundings", directed, (*PLACED, STORES), blocks=False),
    Check("stochastic stays between neighbours", stays_between, PLACED, blocks=False),
    Check("stochastic repeats by its key", repeats, BASICS),
    Check("stochastic is unbiased", unbiased, (*PLACED, "stochastic stays between neighbours"), blocks=False),
]
