"""Multipliers of an array of partial products: all of them, or some left out, ORed or XORed.

Row j of the array holds the partial products of the weight's bit j, a_i and w_j in column i + j. For signed
operands it is the array of Baugh and Wooley (1973) in its usual form: the partial products with exactly one
sign bit among their factors are inverted, 2^bits and 2^(2 bits - 1) are added, and the result is taken
modulo 2^(2 bits) as a two's-complement number. What is said of columns holds for inverted ones too.
"""

from __future__ import annotations

import functools

import numpy as np

from precision.arguments import flag, integer
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.families.arguments import (
    bits_of,
    even_bits_of,
    made,
    named,
    of_magnitudes,
)
from precision.registry import MULTIPLIERS


@MULTIPLIERS.register("exact")
def exact(bits: int, *, signed: bool = False) -> Multiplier:
    """The exact product of two operands of 2 to 16 bits."""
    form = "exact(bits)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    return made(named("exact", bits, signed=signed), bits, signed, np.multiply)


@MULTIPLIERS.register("operand_truncated")
def operand_truncated(bits: int, activation: int, weight: int, *, signed: bool = False) -> Multiplier:
    """The lowest bits of each operand are taken for zero, and what is left is multiplied exactly.

    The product is (a - a mod 2^activation) (w - w mod 2^weight), with remainders that are never negative:
    of signed operands bits of the two's-complement code are cleared, which rounds down.

    Args:
        bits: of both operands, 2 to 16.
        activation: how many bits of the activation are cleared, fewer than it has.
        weight: how many of the weight.
        signed: whether operands are two's-complement numbers.
    """
    form = "operand_truncated(bits,activation,weight)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    activation = integer(form, "activation", activation, 0, bits - 1)
    weight = integer(form, "weight", weight, 0, bits - 1)
    name = named("operand_truncated", bits, activation, weight, signed=signed)
    return made(name, bits, signed, functools.partial(_cleared, activation, weight))


@MULTIPLIERS.register("truncated")
def truncated(bits: int, columns: int, *, signed: bool = False) -> Multiplier:
    """The lowest columns of partial products are left out of the sum, and nothing makes up for them.

    Args:
        bits: of both operands, 2 to 16.
        columns: how many of the 2 bits columns are left out, from the least significant.
        signed: whether operands are two's-complement numbers, multiplied by the array of Baugh and Wooley.
    """
    form = "truncated(bits,columns)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    columns = integer(form, "columns", columns, 0, 2 * bits)
    name = named("truncated", bits, columns, signed=signed)
    return made(name, bits, signed, functools.partial(_broken, bits, 0, columns, signed))


@MULTIPLIERS.register("broken_array")
def broken_array(bits: int, horizontal: int, vertical: int, *, signed: bool = False) -> Multiplier:
    """Broken array: rows above a horizontal and columns right of a vertical line are left out.

    H. Mahdiani, A. Ahmadi, S. Fakhraie, C. Lucas, "Bio-inspired imprecise computational blocks for efficient
    VLSI implementation of soft-computing applications", IEEE TCAS I 57(4), 2010. What an omitted cell would
    have given is zero. The rows are those of the weight's bits.

    Args:
        bits: of both operands, 2 to 16.
        horizontal: break level: so many rows, those of the lowest bits of the weight, are left out.
        vertical: break level: so many of the lowest columns are left out.
        signed: whether operands are two's-complement numbers, multiplied by the array of Baugh and Wooley.
    """
    form = "broken_array(bits,horizontal,vertical)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    horizontal = integer(form, "horizontal", horizontal, 0, bits)
    vertical = integer(form, "vertical", vertical, 0, 2 * bits)
    name = named("broken_array", bits, horizontal, vertical, signed=signed)
    return made(name, bits, signed, functools.partial(_broken, bits, horizontal, vertical, signed))


@MULTIPLIERS.register("loa")
def loa(bits: int, columns: int, *, signed: bool = False) -> Multiplier:
    """Rows are added by lower-part-OR adders: OR in the lowest columns, one carry from there.

    The adder is that of Mahdiani et al. 2010 (see ``broken_array``). Row after row is added to the sum so
    far: the lowest ``columns`` bits of the new sum are the OR of those of both, and the bits above are added
    exactly, with a carry where both have a one in the highest of the lowest ``columns`` bits.

    Args:
        bits: of both operands, 2 to 16.
        columns: how many of the lowest columns are ORed.
        signed: whether operands are two's-complement numbers, multiplied by sign and magnitude.
    """
    form = "loa(bits,columns)"
    bits, signed = bits_of(form, bits), flag(form, "signed", signed)
    columns = integer(form, "columns", columns, 0, 2 * bits)
    name = named("loa", bits, columns, signed=signed)
    return of_magnitudes(name, bits, signed, functools.partial(_lower_or, bits, columns))


@MULTIPLIERS.register("xor_blocks")
def xor_blocks(bits: int, columns: int, *, upper: int | None = None) -> Multiplier:
    """Signed array in two blocks of rows, in each of which the lowest columns are XORed, not added.

    The array is that of Baugh and Wooley. The rows of the lower half of the weight's bits are one block,
    the others the second. In a block the partial products of a column below ``columns`` give their XOR and
    no carry; those from there on are added exactly. The two results and the constants of the array are then
    added exactly.

    Args:
        bits: of both operands, 2 to 16, even.
        columns: how many of the 2 bits columns are XORed in each block, counted from the least significant
            one of the whole array.
        upper: another number for the second block, whose lowest bits / 2 columns are empty.
    """
    form = "xor_blocks(bits,columns)"
    bits = even_bits_of(form, bits, "as both blocks have half of the rows")
    columns = integer(form, "columns", columns, 0, 2 * bits)
    second = columns if upper is None else integer(form, "upper", upper, 0, 2 * bits)
    name = named("xor_blocks", bits, columns, signed=False)
    if second != columns:
        name = f"{name[:-1]},upper={second})"
    return made(name, bits, True, functools.partial(_blocks, bits, columns, second))


def _cleared(activation: int, weight: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    return (a >> activation << activation) * (w >> weight << weight)


def _rows(bits: int, signed: bool, a: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
    """Return what each row of the array adds to the sum, all its columns in their places."""
    code = (1 << bits) - 1
    a, w = a & code, w & code
    sign = 1 << bits - 1
    rows = []
    for j in range(bits):
        inverted = (sign if j < bits - 1 else sign - 1) if signed else 0
        rows.append((a * (w >> j & 1) ^ inverted) << j)
    return rows


def _closed(bits: int, signed: bool, total: np.ndarray) -> np.ndarray:
    """Return the product that a sum of rows stands for: with the constants of a signed array."""
    if not signed:
        return total
    span = 1 << 2 * bits
    total = (total + (1 << bits) + span // 2) % span
    return np.where(total >= span // 2, total - span, total)


def _broken(
    bits: int, horizontal: int, vertical: int, signed: bool, a: np.ndarray, w: np.ndarray
) -> np.ndarray:
    rows = _rows(bits, signed, a, w)[horizontal:]
    kept = -1 << vertical
    total = np.zeros(np.broadcast_shapes(a.shape, w.shape), np.int64)
    for row in rows:
        total += row & kept
    return _closed(bits, signed, total)


def _lower_or(bits: int, columns: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    total = np.zeros(np.broadcast_shapes(a.shape, w.shape), np.int64)
    low = (1 << columns) - 1
    for row in _rows(bits, False, a, w):
        carry = (total & row) >> columns - 1 & 1 if columns else 0
        total = ((total >> columns) + (row >> columns) + carry << columns) | ((total | row) & low)
    return total


def _blocks(bits: int, columns: int, upper: int, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    rows = _rows(bits, True, a, w)
    half = bits // 2
    total = np.zeros(np.broadcast_shapes(a.shape, w.shape), np.int64)
    for block, kept in ((rows[:half], columns), (rows[half:], upper)):
        low = (1 << kept) - 1
        parity = np.zeros_like(total)
        for row in block:
            parity ^= row & low
            total += row & ~low
        total += parity
    return _closed(bits, True, total)
