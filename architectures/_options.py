"""The options that networks share, and what they scale."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from precision.options import Rule

Width = Annotated[float, Field(gt=0), Rule("a finite number above 0")]


def scaled(units: int, width: float) -> int:
    """Return ``width`` times ``units``, rounded, at least 1."""
    return max(1, round(units * width))
