"""The options that networks share: their rules, which are checked without Keras, and what they scale."""

from __future__ import annotations

import math
from typing import Annotated

from precision.registry import Rule


def is_integer(value: object) -> bool:
    """Tell whether ``value`` is an integer; True and False, which YAML reads from yes and no, are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_width(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


Width = Annotated[float, Rule("a finite number above 0", _is_width)]


def scaled(units: int, width: float) -> int:
    """Return ``width`` times ``units``, rounded, at least 1."""
    return max(1, round(units * width))
