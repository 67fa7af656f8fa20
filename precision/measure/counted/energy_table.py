"""Published energies of operations, from which that of a network is modelled; each table is a YAML file.

A table gives points: the energy of a product, and of a sum, at a few widths, of integers and of floating
point; and that of one access to a memory. Between and beyond its points this is assumed:

- A multiplier is an array of as many cells as the product of its operands' widths: words of integers (signs
  included), significands of floating point (hidden bits included). From one point to the next its energy is a
  power of that product; beyond the ends, the power of the nearest two points.
- An adder's energy is linear in its width, the word or the significand, from point to point and beyond. Below
  the first point it falls no faster than in proportion, so that it stays above 0.
- Reading and writing cost the same, by the bit.

So the figures are exact at the points, a fair guess between them, and an extrapolation beyond: no table has a
3-bit multiplier.
"""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, field_validator, model_validator

from precision.errors import LocatedError, PrecisionError, shown, suggest
from precision.measure.counted.operations import Operand, Work
from precision.options import Options

_FOLDER = Path(__file__).parent / "energy_tables"
DEFAULT = "horowitz2014"

Positive = Annotated[float, Field(gt=0)]
Source = Annotated[str, Field(min_length=1)]


class Point(Options):
    """The energy of one operation at one width.

    Attributes:
        width: bits of an integer's word, or of a floating-point number's significand with its hidden bit.
        source: where the number was published.
    """

    width: Annotated[int, Field(ge=1)]
    picojoules: Positive
    source: Source


class Widths(Options):
    """The points of one operation, ascending in width and in energy."""

    integer: Annotated[list[Point], Field(min_length=2)]
    float: Annotated[list[Point], Field(min_length=2)]

    @field_validator("integer", "float")
    @classmethod
    def _ascend(cls, points: list[Point]) -> list[Point]:
        for index, (before, point) in enumerate(itertools.pairwise(points), 1):
            for key in ("width", "picojoules"):
                low, high = getattr(before, key), getattr(point, key)
                if high <= low:
                    raise LocatedError((index, key), f"must be above the {low:g} before it, but got {high:g}")
        return points


class Memory(Options):
    """The energy of one access to a memory, of so many bits."""

    bits: Annotated[int, Field(ge=1)]
    picojoules: Positive
    source: Source


class EnergyTable(Options):
    """The energies of one technology.

    Attributes:
        title: a few words, for reports.
        source: where most of the numbers are from.
        memories: by name, such as ``1 MiB``.
        memory: in which of them variables and activations lie.
    """

    title: Source
    source: Source
    multiply: Widths
    add: Widths
    memories: Annotated[dict[str, Memory], Field(min_length=1)]
    memory: str

    @model_validator(mode="after")
    def _known(self) -> EnergyTable:
        if self.memory not in self.memories:
            raise LocatedError(
                ("memory",), f"unknown memory {shown(self.memory)}; {suggest(self.memory, self.memories)}"
            )
        return self

    def multiply_pj(self, a: Operand, b: Operand) -> float:
        """Return the energy of one product; of an integer and a float, that of their significands."""
        integers = a.kind == b.kind == "integer"
        points = self.multiply.integer if integers else self.multiply.float
        cells = a.width * b.width if integers else a.significand * b.significand
        low, high = _around(points, math.sqrt(cells))
        power = math.log(high.picojoules / low.picojoules) / math.log(high.width**2 / low.width**2)
        return low.picojoules * (cells / low.width**2) ** power

    def add_pj(self, adder: Operand) -> float:
        """Return the energy of one addition."""
        low, high = _around(self.add.integer if adder.kind == "integer" else self.add.float, adder.width)
        slope = (high.picojoules - low.picojoules) / (high.width - low.width)
        if adder.width < low.width:
            slope = min(slope, low.picojoules / low.width)
        return low.picojoules + (adder.width - low.width) * slope

    def bit_pj(self, memory: str | None = None) -> float:
        """Return the energy of reading or writing one bit.

        Args:
            memory: one of ``memories``; None for the one that the table names.
        """
        access = self.memories[self.memory if memory is None else memory]
        return access.picojoules / access.bits

    def work_pj(self, work: Work, memory: str | None = None) -> float:
        """Return the energy of the operations of a network, or of a layer."""
        multiplied = sum(count * self.multiply_pj(a, b) for (a, b), count in work.products.items())
        added = sum(count * self.add_pj(adder) for adder, count in work.sums.items())
        return multiplied + added + work.bits * self.bit_pj(memory)


def _around(points: list[Point], width: float) -> tuple[Point, Point]:
    """Return the two points between which a width lies, or the nearest two."""
    pairs = list(itertools.pairwise(points))
    return next((pair for pair in pairs if width <= pair[1].width), pairs[-1])


def shipped() -> list[str]:
    """Return the names of the tables that ship with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


@functools.cache
def shipped_table(name: str = DEFAULT) -> EnergyTable:
    """Return a table that ships with the package.

    Raises:
        PrecisionError: for an unknown name.

    >>> from precision.measure.counted.energy_table import shipped_table
    >>> from precision.measure.counted.operations import Operand, Work
    >>> byte = Operand("integer", 8)
    >>> [shipped_table(name).multiply_pj(byte, byte) for name in ("horowitz2014", "jouppi2021")]
    [0.2, 0.07]
    """
    if name not in shipped():
        raise PrecisionError(f"unknown energy table {shown(name)}; {suggest(name, shipped())}")
    return EnergyTable.model_validate(yaml.safe_load((_FOLDER / f"{name}.yaml").read_text()))
