"""The setting of the slot ``multipliers``: what multiplies the codes of a network of integers.

multipliers: "drum(8,6)"
multipliers: "table(mul8u_L40.bin)"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from precision.arithmetic.multipliers import Multiplier, parse_multiplier
from precision.errors import LocatedError, PrecisionError, shown

EXACT = ("exact", "float32")  # the second is what a policy writes for whatever is left as it is


@dataclass(frozen=True)
class Multiplying:
    """A multiplier by its canonical text."""

    text: str

    @property
    def family(self) -> str:
        """Its name in the registry."""
        return self.text.partition("(")[0].strip()

    @property
    def multiplier(self) -> Multiplier:
        """The multiplier itself."""
        return parse_multiplier(self.text)

    def formats(self) -> list[Any]:
        """Return no number format: it multiplies codes."""
        return []

    def to_json(self, rounding: str = "nearest") -> str:
        """Return it as a policy writes it."""
        return self.text

    def __str__(self) -> str:
        return self.text


def parse_multiplying(spec: Any, location: tuple[str, ...]) -> Multiplying | None:
    """Return what a text names; None for the exact multiplier of any width.

    Raises:
        LocatedError: for what is no multiplier.
    """
    if not isinstance(spec, str):
        raise LocatedError(location, f"a multiplier is a text such as 'drum(8,6)', but got {shown(spec)}")
    if spec.strip() in EXACT:
        return None
    try:
        return Multiplying(parse_multiplier(spec).name)
    except PrecisionError as error:
        raise LocatedError(location, str(error)) from None
