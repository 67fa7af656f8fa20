"""How a value of a number format is written: exactly where that is short."""

from __future__ import annotations

import math

from precision.report.text import NONE


def value_text(value: float) -> str:
    """Return a number in at most about nine characters; a power of two far from 1 as such."""
    if math.isnan(value):
        return NONE
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
