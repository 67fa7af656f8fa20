"""The inner loop of the table engine, written for LLVM, as numba's own slices reach a third of its speed.

It takes one position through some steps and adds one line of each to sums that stay in vector registers: no
gather, no multiplication; see :mod:`precision.arithmetic.engines.loops`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from precision.arithmetic.engines.lines import LANES, load, store

_I64 = ir.IntType(64)


@intrinsic
def add(
    typing: Any, x: Any, at: Any, steps: Any, first: Any, last: Any, table: Any, lines: Any, vectors: Any,
    chosen: Any, count: Any, exact: Any, held: Any, place: Any, ends: Any, extremes: Any,
) -> Any:  # fmt: skip
    """Add the products of steps first to last of one position to its sums.

    Args:
        x: rows of the multiplier's table, unsigned integers, one dimension.
        at: where in ``x`` the window of the position begins.
        steps: int64, (steps,): how far from there the activation of each step lies.
        first: of the steps; the table begins with it.
        last: the step after the last one.
        table: products, (last - first, lines, LANES * vectors), as one dimension; a line for each activation.
        vectors: a tuple as long as a line has vectors: its length is known when this is compiled.
        chosen: () or int32, the numbers of the lines to add, so many of them; ``x`` is not read then.
        count: how many.
        exact: the exact sums, int32 or int64, one dimension.
        held: what the registers hold, the same type and shape; read and written if ``ends`` are given.
        place: of the position in both.
        ends: () or the (lowest, highest) value of a register that saturates.
        extremes: () or (lowest, highest): two arrays of ``vectors`` * LANES exact running sums to update.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x_, at_, steps_, first_, last_, table_, lines_, _, chosen_, count_, exact_, held_, place_, ends_,
         extremes_) = arguments  # fmt: skip
        long = vectors.count
        sums = ir.VectorType(context.get_data_type(exact.dtype), LANES)
        entries = ir.VectorType(context.get_data_type(table.dtype), LANES)

        def data(kind: Any, value: Any) -> Any:
            return context.make_array(kind)(context, builder, value).data

        def vector(place: Any, number: int, kind: Any = sums) -> Any:
            return builder.gep(builder.bitcast(place, kind.as_pointer()), [_I64(number)])

        def choose(condition: str, left: Any, right: Any) -> Any:
            return builder.select(builder.icmp_signed(condition, left, right), left, right)

        def constant(value: Any) -> Any:
            """A vector whose lanes are one number."""
            value = value if sums.element.width == 64 else builder.trunc(value, sums.element)
            one = builder.insert_element(ir.Constant(sums, ir.Undefined), value, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            return builder.shuffle_vector(one, ir.Constant(sums, ir.Undefined), zeros)

        def variables(place: Any) -> list[Any]:
            """Local variables, which LLVM keeps in registers, with what lies at a place."""
            made = [cgutils.alloca_once(builder, sums) for _ in range(long)]
            for number, variable in enumerate(made):
                builder.store(load(builder, vector(place, number)), variable)
            return made

        clamped, watched = len(ends) > 0, len(extremes) > 0
        place_exact = builder.gep(data(exact, exact_), [place_])
        totals = variables(place_exact)
        if clamped:
            place_held = builder.gep(data(held, held_), [place_])
            registers = variables(place_held)
            lowest, highest = (constant(builder.extract_value(ends_, i)) for i in range(2))
        if watched:
            places = [data(extremes[i], builder.extract_value(extremes_, i)) for i in range(2)]
            least, most = (variables(p) for p in places)
        xs, offsets, products = data(x, x_), data(steps, steps_), data(table, table_)

        listed = isinstance(chosen, types.Array)
        if listed:
            which, times = data(chosen, chosen_), count_
        else:
            times = builder.sub(last_, first_)
        with cgutils.for_range(builder, times) as loop:
            if listed:
                line = builder.sext(builder.load(builder.gep(which, [loop.index])), _I64)
            else:
                offset = builder.load(builder.gep(offsets, [builder.add(first_, loop.index)]))
                row = builder.zext(builder.load(builder.gep(xs, [builder.add(at_, offset)])), _I64)
                line = builder.add(builder.mul(loop.index, lines_), row)
            line_at = builder.gep(products, [builder.mul(line, _I64(long * LANES))])
            for v in range(long):
                entry = load(builder, vector(line_at, v, entries))
                if entries.element.width < sums.element.width:
                    entry = (builder.sext if table.dtype.signed else builder.zext)(entry, sums)
                total = builder.add(builder.load(totals[v]), entry)
                builder.store(total, totals[v])
                if watched:
                    builder.store(choose("<", total, builder.load(least[v])), least[v])
                    builder.store(choose(">", total, builder.load(most[v])), most[v])
                if clamped:
                    value = builder.add(builder.load(registers[v]), entry)
                    value = choose("<", choose(">", value, lowest), highest)
                    builder.store(value, registers[v])

        for v in range(long):
            store(builder, builder.load(totals[v]), vector(place_exact, v))
            if clamped:
                store(builder, builder.load(registers[v]), vector(place_held, v))
            if watched:
                store(builder, builder.load(least[v]), vector(places[0], v))
                store(builder, builder.load(most[v]), vector(places[1], v))
        return context.get_dummy_value()

    number = types.int64
    fixed = (x, number, steps, number, number, table, number, vectors, chosen, number)
    return types.void(*fixed, exact, held, number, ends, extremes), code
