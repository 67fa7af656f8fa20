"""What an accumulator is: the format of a running sum, and how often the sum is rounded to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from precision.formats import NumberFormat


@dataclass(frozen=True)
class Accumulator:
    """How sums of products are rounded on their way; see ``precision.quantization.sums``.

    Attributes:
        every: steps after which the running sum is rounded.
        products: format of each product; None for float32.
    """

    number_format: NumberFormat
    every: int = 1
    products: NumberFormat | None = None
    rounding: str = "nearest"

    def formats(self) -> list[NumberFormat]:
        """Return the formats that it names."""
        return [self.number_format, *([self.products] if self.products else [])]

    def to_json(self, rounding: str = "nearest") -> dict[str, Any]:
        """Return it as a policy writes it."""
        data: dict[str, Any] = {"format": self.number_format.name, "every": self.every}
        if self.products:
            data["products"] = self.products.name
        return data | ({"rounding": self.rounding} if self.rounding != "nearest" else {})

    def __str__(self) -> str:
        products = f" products {self.products}" if self.products else ""
        often = f" every {self.every} steps" if self.every > 1 else ""
        return f"{self.number_format}{often}{products}" + (
            f" {self.rounding}" if self.rounding != "nearest" else ""
        )
