"""How a number, a cell or a user's text is written."""

from __future__ import annotations

import math
import re

import pandas as pd

NONE = "—"
"""What stands in a cell that has no value."""


def escape(text: object) -> str:
    """Return a user's text as one line of Markdown that means only itself, in a table cell too.

    HTML, links, images, emphasis and cell borders lose their meaning; a line break becomes a space.
    """
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    # An underscore within a word is literal in Markdown; elsewhere it would start emphasis.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)


def document(text: str) -> str:
    """Return a user's Markdown document with HTML made harmless and an open code fence closed."""
    lines = text.strip().replace("&", "&amp;").replace("<", "&lt;").splitlines()
    fences = [line.strip()[:3] for line in lines if line.strip().startswith(("```", "~~~"))]
    if len(fences) % 2:
        lines.append(fences[-1])
    return "\n".join(lines)


def printable(text: object) -> str:
    """Return a text without control characters, so that it cannot steer a terminal."""
    line = str(text)
    return line if line.isprintable() else "".join(c if c.isprintable() else " " for c in line)


def missing(value: object) -> bool:
    """Tell whether a cell of a data frame has no value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def percent(fraction: float) -> str:
    """Return a fraction in percent, two decimals, without the sign."""
    return NONE if missing(fraction) else f"{100 * fraction:.2f}"


def signed(fraction: float) -> str:
    """Return a difference of fractions in percentage points with its sign; zero has none."""
    if missing(fraction):
        return NONE
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def with_interval(text: str, half_width: float) -> str:
    """Return a value with half the width of its interval, a fraction, in percentage points."""
    return text if missing(half_width) else f"{text} ± {100 * half_width:.2f}"


def bits(value: float) -> str:
    """Return a number of bits with at most two decimals."""
    return NONE if missing(value) else f"{value:.2f}".rstrip("0").rstrip(".")


def size(value: float) -> str:
    """Return a number of bytes in B, KiB, MiB or GiB."""
    if missing(value):
        return NONE
    if value < 1024:
        return f"{int(value)} B"
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024 or unit == "GiB":
            break
    return f"{value:.1f} {unit}"


def ratio(value: float) -> str:
    """Return a compression ratio."""
    return NONE if missing(value) else f"{value:.2f}"


def seconds(value: float) -> str:
    """Return a time in seconds with about three digits."""
    if missing(value):
        return NONE
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def count(value: float) -> str:
    """Return a whole number with separated thousands."""
    return NONE if missing(value) else f"{value:,.0f}"


def number(value: float) -> str:
    """Return a number with four digits."""
    return NONE if missing(value) else f"{value:.4g}"
