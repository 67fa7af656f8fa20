"""A step of an integer network."""

from __future__ import annotations

from dataclasses import dataclass

from precision.arithmetic.integer.operations import Operation


@dataclass(frozen=True)
class Step:
    """One operation, what it ``computes``, and what it reads.

    Attributes:
        name: of the layer that it is part of.
        reads: the steps whose values it takes, by their place; -1 is the images.
    """

    name: str
    computes: Operation
    reads: tuple[int, ...]
