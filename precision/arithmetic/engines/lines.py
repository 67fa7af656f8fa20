"""How the lines of the table engine are made; see :mod:`precision.arithmetic.engines.loops`.

The weights choose columns of the multiplier's table, and the lines hold them as rows: a transposition, done
with whole vectors, ten times as fast as entry by entry.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from precision.arithmetic.compiled import compiled

LANES = 16  # sums in a vector: one of AVX-512, two of AVX2, four of NEON

_I64 = ir.IntType(64)


def pointer(context: Any, builder: Any, kind: Any, array: Any, value: Any, index: Any) -> Any:
    """Return code that finds where in an array of one dimension a vector, or another kind, begins."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def load(builder: Any, place: Any) -> Any:
    """Return code that reads a vector, on no boundary but that of its numbers."""
    return builder.load(place, align=place.type.pointee.element.width // 8)


def store(builder: Any, value: Any, place: Any) -> None:
    """Add code that writes a vector, likewise."""
    builder.store(value, place, align=value.type.element.width // 8)


@intrinsic
def _turn(
    typing: Any, entries: Any, count: Any, columns: Any, column: Any, a: Any,
    lines: Any, place: Any, lanes: Any,
) -> Any:  # fmt: skip
    """Write LANES entries of LANES lines, from as many columns of a multiplier's table.

    A square of LANES x LANES is transposed by interleaving the vectors i and i + LANES / 2, log2(LANES)
    times: each time the highest bit of the number of a vector becomes the lowest of that of a lane.

    Args:
        typing: numba's.
        entries: the table, (weights, activations), as one dimension.
        count: of activations.
        columns: which weights, one dimension.
        column: the first of LANES of them.
        a: the first activation.
        lines: to be written, one dimension.
        place: in it, of the first entry of the first line.
        lanes: from there to the next line.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        entries_, count_, columns_, column_, a_, lines_, place_, lanes_ = arguments
        kind = ir.VectorType(context.get_data_type(entries.dtype), LANES)
        which = context.make_array(columns)(context, builder, columns_).data
        vectors = []
        for j in range(LANES):
            of = builder.sext(builder.load(builder.gep(which, [builder.add(column_, _I64(j))])), _I64)
            at = builder.add(builder.mul(of, count_), a_)
            vectors.append(load(builder, pointer(context, builder, kind, entries, entries_, at)))
        half = LANES // 2
        numbers = ir.VectorType(ir.IntType(32), LANES)
        ends = [[n + i for i in range(half) for n in (first, first + LANES)] for first in (0, half)]
        masks = [ir.Constant(numbers, [ir.IntType(32)(n) for n in end]) for end in ends]
        for _ in range(LANES.bit_length() - 1):
            vectors = [
                builder.shuffle_vector(vectors[i], vectors[i + half], mask)
                for i in range(half) for mask in masks
            ]  # fmt: skip
        for i, vector in enumerate(vectors):
            at = builder.add(place_, builder.mul(_I64(i), lanes_))
            store(builder, vector, pointer(context, builder, kind, lines, lines_, at))
        return context.get_dummy_value()

    number = types.int64
    return types.void(entries, number, columns, number, number, lines, number, number), code


@compiled
def build(entries: Any, count: int, columns: Any, lanes: int, lines: Any, apart: int, steps: int) -> None:
    """Make the lines of some steps of a tile.

    Args:
        entries: the multiplier's table, (weights, activations), as one dimension.
        count: of activations, a multiple of LANES.
        columns: which weights, (steps, lanes) as one dimension.
        lanes: of a line.
        lines: (steps, apart, lanes) as one dimension, to fill.
        apart: lines from a step to the next, not less than ``count``.
        steps: their number.
    """
    for step in range(steps):
        for j in range(0, lanes, LANES):
            for a in range(0, count, LANES):
                place = (step * apart + a) * lanes + j
                _turn(  # type: ignore[call-arg]
                    entries, count, columns, step * lanes + j, a, lines, place, lanes
                )
