"""Checks of formats whose every value stands alone: which values there are, and which of them is taken."""

from __future__ import annotations

import math

import numpy as np

from precision.formats.conformance.check import BASICS, EXACT, LIMITS, LISTED, LISTS, OWN, Check
from precision.formats.conformance.subject import Subject
from precision.formats.conformance.verdict import broken, differs, first, not_applicable, number


def lists_values(subject: Subject) -> None:
    """values() is ascending, finite, float32 and no longer than the bits allow."""
    if not subject.lists:
        not_applicable(f"a format of {subject.format.bits:g} bits does not list its values")
    values = subject.call("values")
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 1:
        broken(f"values() must be a float32 array of one dimension, but is {_kind(values)}")
    if not values.size:
        broken("values() is empty")
    if not np.isfinite(values).all():
        broken(f"values() lists {number(values[~np.isfinite(values)][0])}; it must list finite values only")
    if (at := first(np.diff(values) <= 0)) is not None:
        a, b = values[at[0]], values[at[0] + 1]
        broken(f"values() must ascend and list nothing twice, but lists {number(b)} after {number(a)}")
    most = 2.0 ** math.ceil(subject.format.bits)
    if subject.format.block is None and values.size > most:
        broken(f"values() lists {values.size} values, but {subject.format.bits:g} bits tell apart {most:g}")


def _kind(values: object) -> str:
    if isinstance(values, np.ndarray):
        return f"{values.dtype} with {values.ndim} dimensions"
    return type(values).__name__


def limits_agree(subject: Subject) -> None:
    """Max, lowest, min_subnormal, min_normal and eps are those of the values."""
    names = ("max", "lowest", "min_subnormal", "min_normal", "eps")
    limits = {name: subject.read(name) for name in names}
    if subject.lists:
        _limits_of_values(limits, subject.values.astype(float), subject.format.block is not None)
    elif subject.format.block is not None:
        not_applicable("its elements do not list their values")
    else:
        _limits_by_rounding(limits, subject)
    if limits["max"] > 0 and not limits["min_subnormal"] <= limits["min_normal"] <= limits["max"]:
        normal = number(limits["min_normal"])
        broken(f"min_normal is {normal}, which does not lie between min_subnormal and max")


def _limits_of_values(limits: dict[str, float], values: np.ndarray, scaled: bool) -> None:
    positive = values[values > 0]
    want = {"max": values[-1], "lowest": values[0]}
    if scaled:  # the scale may take them further
        want = {"max": max(values[-1], limits["max"]), "lowest": min(values[0], limits["lowest"])}
    if positive.size:
        want["min_subnormal"] = positive[0]
    above = values[values > 1]
    below = values[values <= 1]
    want["eps"] = above[0] - below[-1] if above.size and below.size else math.nan
    for name, value in want.items():
        if limits[name] != value and not (math.isnan(limits[name]) and math.isnan(value)):
            broken(f"{name} is {number(limits[name])}, but by values() it is {number(value)}")
    if positive.size and limits["min_normal"] not in values:
        broken(f"min_normal is {number(limits['min_normal'])}, which is none of its values")


def _limits_by_rounding(limits: dict[str, float], subject: Subject) -> None:
    eps = limits["eps"]
    ends = {name: value for name, value in limits.items() if name != "eps"}
    carried = float(np.float32(1 + eps)) == 1 + eps  # by float32
    ends |= {"1 + eps": 1 + eps} if carried and 1 + eps <= limits["max"] else {}
    for name, value in ends.items():
        y = float(subject.quantize(np.float32(value)))
        if y != value:
            broken(f"{name} is {number(value)}, which rounds to {number(y)}")
    if 1 + eps <= limits["max"]:
        between = np.float32(1 + eps / 2)
        if 1 < float(between) < 1 + eps and subject.quantize(between) == between:
            broken(f"eps is {number(eps)}, but {number(between)} is a value too")
    half = np.float32(limits["min_subnormal"] / 2)
    if half > 0 and subject.quantize(half) == half:
        broken(f"min_subnormal is {number(limits['min_subnormal'])}, but {number(half)} is a value too")


def only_own(subject: Subject) -> None:
    """What comes out is one of the values, whatever goes in."""
    values = subject.values
    for mode in subject.format.roundings:
        y = subject.rounded(mode)
        if (at := first(np.isfinite(y) & ~np.isin(y, values))) is not None:
            x = number(subject.x[at])
            broken(f"{x} rounds ({mode}) to {number(y[at])}, which is none of its values")


def exact(subject: Subject) -> None:
    """A value rounds to itself in every rounding."""
    values = subject.values
    for mode in subject.format.roundings:
        y = subject.quantize(values, mode)
        if (at := first(y != values)) is not None:
            broken(f"its own value {number(values[at])} rounds ({mode}) to {number(y[at])}")


def idempotent(subject: Subject) -> None:
    """To round twice is to round once."""
    if not subject.format.idempotent:
        not_applicable("the format does not claim it")
    for mode in subject.format.roundings:
        y = subject.rounded(mode)
        again = subject.quantize(y, mode)
        if (at := first(differs(y, again, sign_of_zero=False))) is not None:
            x = number(subject.x[at])
            how = "" if mode == "nearest" else f" (rounding {mode})"
            place = "" if subject.format.block is None else f" at {at}"
            broken(
                f"not idempotent{how}: {x}{place} rounds to {number(y[at])}, and {number(y[at])} rounds to "
                f"{number(again[at])}"
            )


def monotone(subject: Subject) -> None:
    """A larger number never rounds to a smaller value."""
    # Beyond its range a format may wrap around, or have no number to give.
    kept = subject.within(subject.x) if subject.wraps else np.ones(subject.x.shape, bool)
    for mode in subject.modes:
        y = subject.rounded(mode)
        known = kept & ~np.isnan(y)
        x, y = subject.x[known], y[known]
        if (at := first(y[1:] < y[:-1])) is not None:
            i = at[0]
            broken(
                f"not monotone (rounding {mode}): {number(x[i])} rounds to {number(y[i])}, but the larger "
                f"{number(x[i + 1])} to {number(y[i + 1])}"
            )


def beyond(subject: Subject) -> None:
    """Past its range a format ends at its last value, or gives what it makes of infinity."""
    if subject.wraps:
        not_applicable("the format wraps around")
    outside = ~subject.within(subject.x)
    x = subject.x[outside]
    last = np.where(x > 0, subject.format.max, subject.format.lowest).astype(np.float32)
    end = of_infinity(subject, x > 0)
    for mode in subject.modes:
        y = subject.rounded(mode)[outside]
        if (at := first(differs(y, last, False) & differs(y, end, False))) is not None:
            broken(
                f"{number(x[at])} lies beyond the range and rounds ({mode}) to {number(y[at])}, which is "
                f"neither its last value {number(last[at])} nor what it makes of infinity"
            )
        order = np.argsort(np.abs(x), kind="stable")
        for sign in (1, -1):
            one = order[x[order] * sign > 0]
            still = ~differs(y[one], last[one], False) & differs(last[one], end[one], False)
            came_back = still[1:] & ~still[:-1]
            if (at := first(came_back)) is not None:
                a, b = one[at[0]], one[at[0] + 1]
                broken(
                    f"{number(x[a])} rounds ({mode}) to {number(y[a])}, but {number(x[b])}, further out, to "
                    f"{number(y[b])}"
                )


def of_infinity(subject: Subject, positive: np.ndarray) -> np.ndarray:
    """Return what infinities of some signs become, as the format declares it."""
    plus = subject.format.infinity
    minus = subject.format.lowest if plus == subject.format.max else -plus
    return np.where(positive, plus, minus).astype(np.float32)


def symmetric(subject: Subject) -> None:
    """The negative of a number rounds to the negative of what the number rounds to."""
    if not subject.format.symmetric:
        not_applicable("the format does not claim it")
    mirror = {"floor": "ceil", "ceil": "floor"}
    for mode in subject.modes:
        if mode == "nearest_up" or mirror.get(mode, mode) not in subject.modes:
            continue
        y = subject.rounded(mode)
        z = subject.quantize(-subject.x, mirror.get(mode, mode))
        if (at := first(differs(z, -y, sign_of_zero=False))) is not None:
            x = subject.x[at]
            broken(
                f"not symmetric (rounding {mode}): {number(x)} rounds to {number(y[at])}, but {number(-x)} "
                f"to {number(z[at])}"
            )


def special(subject: Subject) -> None:
    """NaN and the infinities become what the format declares."""
    plus, minus = (float(of_infinity(subject, np.array(sign))) for sign in (True, False))
    promised = {
        math.nan: ("nan", subject.format.nan),
        math.inf: ("infinity", plus),
        -math.inf: ("infinity", minus),
    }
    for mode in subject.format.roundings:
        for x, (attribute, want) in promised.items():
            y = subject.quantize(np.array([x], np.float32), mode)[0]
            if y != want and not (math.isnan(y) and math.isnan(want)):
                declared = number(subject.read(attribute))
                broken(
                    f"{number(x)} becomes {number(y)} (rounding {mode}), but the format declares {attribute} "
                    f"= {declared}" + (f", so {number(want)} here" if number(want) != declared else "")
                )
        zeros = [subject.quantize(np.array([zero], np.float32), mode) for zero in (-0.0, 0.0)]
        if differs(zeros[0], zeros[1], sign_of_zero=False).any():
            broken(f"-0 and 0 do not round ({mode}) to the same value")


CHECKS = [
    Check(LISTS, lists_values, BASICS),
    Check(LIMITS, limits_agree, LISTED),
    Check(OWN, only_own, LISTED, blocks=False),
    Check(EXACT, exact, LISTED, blocks=False),
    Check("idempotent", idempotent, (*BASICS, EXACT)),
    Check("monotone", monotone, (*LISTED, LIMITS), blocks=False),
    Check("beyond its range", beyond, (*LISTED, LIMITS), blocks=False),
    Check("symmetric", symmetric, BASICS),
    Check("NaN and infinity as declared", special, (*LISTED, LIMITS), blocks=False),
]
