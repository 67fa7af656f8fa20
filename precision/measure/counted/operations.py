"""The operations of a network: what a format is to a multiplier and an adder, and how many of each there are.

The energy of an operation is that of an ``energy_table``.
"""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from precision.formats import Block, Codebook, Lattice, NumberFormat, parse

FLOAT32 = parse("float32")
FLOAT32_SIGNIFICAND = 24
OPERATIONS = "operations"  # the fact of a result from which any table tells its energy
WIDEST = 32  # bits of an adder whose energy is known
INTEGER_SUM = 32  # bits, of the running sum of products of integers


@dataclass(frozen=True)
class Operand:
    """What a format is to a multiplier: ``integer`` and a word's bits, or ``float`` and a significand's."""

    kind: str
    width: int

    @property
    def significand(self) -> int:
        """Bits without the sign, for a multiplier of floating point."""
        return self.width if self.kind == "float" else max(1, self.width - 1)


@functools.cache
def operand(number_format: NumberFormat | None) -> Operand:
    """Return what a format is to a multiplier; None is float32.

    Fixed point is an integer, and so are binary and ternary. Every other format is floating point with the
    longest significand among its values: 11 bits for float16, 5 for posit(8,1), 1 for powers of two, 24 for a
    table such as NF4 or a logarithmic format, which is looked up and multiplied in float32. Of a format with
    shared scales it is the element; multiplying by the scales is not counted.
    """
    number_format = number_format or FLOAT32
    if isinstance(number_format, Block):
        return operand(number_format.element)
    grid = getattr(number_format, "grid", None)  # what an adapted library computes, as a format of ours
    if isinstance(grid, Lattice):
        return operand(grid)
    if isinstance(number_format, Lattice):
        if number_format.floating:
            return Operand("float", number_format.man + 1)
        return Operand("integer", number_format.bits)
    bits = math.ceil(number_format.bits)
    if bits > 16:  # without a table
        return Operand("float", FLOAT32_SIGNIFICAND)
    values = np.abs(number_format.values().astype(np.float64))
    values = values[values > 0]
    multiples = values / values.min()
    if isinstance(number_format, Codebook) and bits <= 2 and np.array_equal(multiples, np.rint(multiples)):
        return Operand("integer", bits)
    return Operand("float", max(map(_digits, values)))


def _digits(value: float) -> int:
    """Return the number of binary digits from the first to the last 1 of a positive value."""
    significand = int(math.frexp(value)[0] * 2**53)
    return significand.bit_length() - ((significand & -significand).bit_length() - 1)


def running_sum(a: Operand, b: Operand, accumulator: NumberFormat | None = None) -> Operand:
    """Return the adder behind a multiplier: that of the accumulator's format, if a policy names one.

    Otherwise products of integers are summed in 32 bits, or in as many as a product has; others in float32.
    """
    if accumulator is not None:
        return operand(accumulator)
    if a.kind == b.kind == "integer":
        return Operand("integer", max(INTEGER_SUM, a.width + b.width))
    return Operand("float", FLOAT32_SIGNIFICAND)


@dataclass(frozen=True)
class Work:
    """The operations of a network, or of a layer, for one image.

    Attributes:
        products: how many of two operands.
        sums: how many on an adder.
        bits: read from memory and written to it.
    """

    products: Mapping[tuple[Operand, Operand], float] = field(default_factory=dict)
    sums: Mapping[Operand, float] = field(default_factory=dict)
    bits: float = 0.0

    def __add__(self, other: Work) -> Work:
        products, sums = Counter[Any](self.products), Counter[Any](self.sums)
        products.update(other.products)
        sums.update(other.sums)
        return Work(products, sums, self.bits + other.bits)

    @property
    def text(self) -> str:
        """All of it as JSON, which :meth:`parse` reads."""
        return json.dumps(
            {
                "products": [[a.kind, a.width, b.kind, b.width, n] for (a, b), n in self.products.items()],
                "sums": [[adder.kind, adder.width, n] for adder, n in self.sums.items()],
                "bits": self.bits,
            }
        )

    @classmethod
    def parse(cls, text: str) -> Work:
        """Return what :attr:`text` says.

        Raises:
            ValueError, LookupError, TypeError: when it is damaged.
        """
        data = json.loads(text)
        return cls(
            {
                (Operand(a, int(m)), Operand(b, int(n))): float(count)
                for a, m, b, n, count in data["products"]
            },
            {Operand(kind, int(width)): float(count) for kind, width, count in data["sums"]},
            float(data["bits"]),
        )
