"""What a number format is: an immutable value that rounds tensors and knows its own limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

ROUNDINGS = ("nearest", "stochastic")


class NumberFormat(ABC):
    """A set of representable numbers and the rule that rounds a float32 to one of them.

    Attributes:
        name: canonical text, for example ``"fixed(8,4)"``; ``precision.formats.parse(name)`` gives an
            equal format back.
        bits: storage bits per value.
    """

    name: str
    bits: float

    @abstractmethod
    def quantize(self, x: Any, rounding: str = "nearest", key: Any = None) -> Any:
        """Round every element of ``x`` to a representable value.

        Args:
            x: NumPy array or backend tensor of any shape, read as float32.
            rounding: ``"nearest"`` (ties to even) or ``"stochastic"`` (up with a probability equal to
                the fraction, so that the mean of many roundings is ``x``).
            key: for stochastic rounding, an integer or a tuple of integers, for example
                ``(seed, step, site)``. The same key and shape give the same rounding.

        Returns:
            float32 of the same shape and of the same kind (array or tensor) as ``x``. The gradient of a
            tensor passes straight through.
        """

    @abstractmethod
    def values(self) -> np.ndarray:
        """Return every representable finite value once, ascending, as float32 (at most 16 bits)."""

    @property
    @abstractmethod
    def max(self) -> float:
        """Largest finite value."""

    @property
    @abstractmethod
    def min_normal(self) -> float:
        """Smallest positive value that has the full relative precision of the format."""

    @property
    @abstractmethod
    def min_subnormal(self) -> float:
        """Smallest positive value."""

    @property
    @abstractmethod
    def eps(self) -> float:
        """Spacing of the representable values just above 1."""

    def __str__(self) -> str:
        return self.name
