"""How a number is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from precision.report.document import Unit

NONE = "—"
"""What stands in a cell that has no value."""


def missing(value: object) -> bool:
    """Tell whether a cell of a data frame has no value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def signed(fraction: float) -> str:
    """Return a difference of fractions in percentage points with its sign; zero has none."""
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def bits(value: float) -> str:
    """Return a number of bits with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def size(value: float) -> str:
    """Return a number of bytes in B, KiB, MiB or GiB."""
    if value < 1024:
        return f"{int(value)} B"
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024 or unit == "GiB":
            break
    return f"{value:.1f} {unit}"


def seconds(value: float) -> str:
    """Return a time in seconds with about three digits."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def picojoules(value: float) -> str:
    """Return an energy in nJ or µJ."""
    return f"{value / 1e6:.3g} µJ" if value >= 1e6 else f"{value / 1e3:.3g} nJ"


def points(value: float) -> str:
    """Return percent or percentage points as they are, two decimals; zero has no sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def share(fraction: float) -> str:
    """Return a fraction in percent with its sign; a small one with two digits."""
    return f"{100 * fraction:{'.1f' if fraction >= 0.1 else '.2g'}} %" if fraction else "0"


def decibels(value: float) -> str:
    """Return a ratio in decibels with one decimal; it is infinite where nothing changed."""
    return f"{value:.1f}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def value_text(value: float) -> str:
    """Return a value of a number format, exactly where that is short; a power of two far from 1 as such."""
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    significand, exponent = math.frexp(abs(value))
    if significand == 0.5 and not -4 <= exponent - 1 <= 16:
        return f"{'-' if value < 0 else ''}2^{exponent - 1}"
    short = f"{value:.10g}"
    if len(short) <= 9 and "e" not in short:
        return short
    text = f"{value:.4g}"
    if "e" in text:
        digits, _, power = text.partition("e")
        return f"{digits}e{int(power)}"
    return text


def number(value: Any, unit: Unit, decimals: int | None = None) -> str:
    """Return a raw number as its unit asks, with so many decimals where given; a dash without a value."""
    if missing(value):
        return NONE
    return _WRITTEN[unit](value) if decimals is None else f"{value:.{decimals}f}"


_WRITTEN: Mapping[Unit, Callable[[Any], str]] = {
    Unit.ACCURACY: lambda fraction: f"{100 * fraction:.2f}",
    Unit.DIFFERENCE: signed,
    Unit.PERCENT: points,
    Unit.SHARE: share,
    Unit.BITS: bits,
    Unit.BYTES: size,
    Unit.RATIO: "{:.2f}".format,
    Unit.SECONDS: seconds,
    Unit.COUNT: "{:,.0f}".format,
    Unit.NATS: "{:.4g}".format,
    Unit.DECIBELS: decibels,
    Unit.PICOJOULES: picojoules,
    Unit.DECADES: "{:.1f}".format,
    Unit.ERROR: "{:.3g}".format,
    Unit.VALUE: value_text,
    Unit.FLAG: lambda value: "yes" if value else "no",
    Unit.NUMBER: "{:.4g}".format,
}
