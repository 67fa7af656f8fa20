"""Energy of one multiplication, one addition and one bit of memory: a model of 45 nm chips, not measured.

The points are those of M. Horowitz 2014, "Computing's energy problem (and what we can do about it)", ISSCC,
at 45 nm and 0.9 V, in picojoules:

    add      int8 0.03   int32 0.1     float16 0.4   float32 0.9
    multiply int8 0.2    int32 3.1     float16 1.1   float32 3.7
    64 bits from a memory of 8 KiB 10, of 32 KiB 20, of 1 MiB 100, from DRAM 1300 to 2600

Between and beyond them this is assumed:

- A multiplier is an array of as many cells as the product of its operands' widths: words of integers (signs
  included), significands of floating point (hidden bits included). Its energy is a power of that product
  through both points: exponent 0.99 for integers, 0.78 for floating point, exponents and rounding included.
- An adder's energy is linear in its width, the word or the significand, through both points.
- Reading and writing cost the same, by the bit.

So the figures are exact at Horowitz's points, a fair guess for 8 to 32 bits, and an extrapolation below: the
talk has no 3-bit multiplier. An int16 addition comes out as 0.053, where it has 0.05.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from precision.formats import Block, Codebook, Lattice, NumberFormat, parse

FLOAT32 = parse("float32")
FLOAT32_SIGNIFICAND = 24
INTEGER_SUM = 32  # bits, of the running sum of products of integers

_MULTIPLY = {"integer": ((8 * 8, 0.2), (32 * 32, 3.1)), "float": ((11 * 11, 1.1), (24 * 24, 3.7))}
_ADD = {"integer": ((8, 0.03), (32, 0.1)), "float": ((11, 0.4), (24, 0.9))}

WORD = 64  # bits of one access
MEMORIES = {  # picojoules of an access; DRAM: the middle of the range
    "8 KiB": 10.0,
    "32 KiB": 20.0,
    "1 MiB": 100.0,
    "DRAM": 1950.0,
}


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


def multiply_pj(a: Operand, b: Operand) -> float:
    """Return the energy of one product; of an integer and a float, that of their significands."""
    integers = a.kind == b.kind == "integer"
    (x0, y0), (x1, y1) = _MULTIPLY["integer" if integers else "float"]
    cells = a.width * b.width if integers else a.significand * b.significand
    return y0 * (cells / x0) ** (math.log(y1 / y0) / math.log(x1 / x0))


def add_pj(adder: Operand) -> float:
    """Return the energy of one addition."""
    (x0, y0), (x1, y1) = _ADD[adder.kind]
    return y0 + (adder.width - x0) * (y1 - y0) / (x1 - x0)


def running_sum(a: Operand, b: Operand, accumulator: NumberFormat | None = None) -> Operand:
    """Return the adder behind a multiplier: that of the accumulator's format, if a policy names one.

    Otherwise products of integers are summed in 32 bits, or in as many as a product has; others in float32.
    """
    if accumulator is not None:
        return operand(accumulator)
    if a.kind == b.kind == "integer":
        return Operand("integer", max(INTEGER_SUM, a.width + b.width))
    return Operand("float", FLOAT32_SIGNIFICAND)


def bit_pj(memory: str) -> float:
    """Return the energy of reading or writing one bit in one of ``MEMORIES``."""
    return MEMORIES[memory] / WORD
