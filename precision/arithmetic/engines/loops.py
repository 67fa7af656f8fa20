"""The loops of the table engine, compiled.

A *line* is what a step makes of one activation: the products with the weights of a tile's filters, side by
side. The inner loop, ``add``, takes one position through some steps and adds one line of each to sums that
stay in vector registers: no gather, no multiplication. It is written for LLVM, as numba's own slices reach a
third of its speed. All of them are in this file, as numba keeps what it compiled until the file changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from precision.arithmetic.compiled import compiled
from precision.arithmetic.engines.lines import LANES, load, pointer, store

_I64 = ir.IntType(64)


@intrinsic
def add(
    typing: Any, x: Any, at: Any, steps: Any, first: Any, last: Any, table: Any, lines: Any, vectors: Any,
    exact: Any, held: Any, place: Any, ends: Any, extremes: Any,
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
        exact: the exact sums, int32 or int64, one dimension.
        held: what the registers hold, the same type and shape; read and written if ``ends`` are given.
        place: of the position in both.
        ends: () or the (lowest, highest) value of a register that saturates.
        extremes: () or (lowest, highest): two arrays of ``vectors`` * LANES exact running sums to update.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x_, at_, steps_, first_, last_, table_, lines_, _, exact_, held_, place_, ends_, extremes_ = arguments
        count = vectors.count
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
            made = [cgutils.alloca_once(builder, sums) for _ in range(count)]
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

        with cgutils.for_range(builder, builder.sub(last_, first_)) as loop:
            offset = builder.load(builder.gep(offsets, [builder.add(first_, loop.index)]))
            row = builder.zext(builder.load(builder.gep(xs, [builder.add(at_, offset)])), _I64)
            line = builder.add(builder.mul(loop.index, lines_), row)
            line_at = builder.gep(products, [builder.mul(line, _I64(count * LANES))])
            for v in range(count):
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

        for v in range(count):
            store(builder, builder.load(totals[v]), vector(place_exact, v))
            if clamped:
                store(builder, builder.load(registers[v]), vector(place_held, v))
            if watched:
                store(builder, builder.load(least[v]), vector(places[0], v))
                store(builder, builder.load(most[v]), vector(places[1], v))
        return context.get_dummy_value()

    fixed = (x, types.int64, steps, types.int64, types.int64, table, types.int64, vectors)
    return types.void(*fixed, exact, held, types.int64, ends, extremes), code


@intrinsic
def _copy(typing: Any, source: Any, at: Any, target: Any, place: Any, vectors: Any) -> Any:
    """Copy a line of sums, whole vectors: a loop that may write what it reads would go one by one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_, at_, target_, place_, _ = arguments
        kind = ir.VectorType(context.get_data_type(source.dtype), LANES)
        read = pointer(context, builder, kind, source, source_, at_)
        write = pointer(context, builder, kind, target, target_, place_)
        for v in range(vectors.count):
            store(builder, load(builder, builder.gep(read, [_I64(v)])), builder.gep(write, [_I64(v)]))
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64, vectors), code


@intrinsic
def _same(typing: Any, x: Any, at: Any, before: Any, count: Any) -> Any:
    """Return whether two places of an array of one dimension begin with the same numbers, so many of them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x_, at_, before_, count_ = arguments
        byte = ir.IntType(8)
        kind = ir.FunctionType(ir.IntType(32), [byte.as_pointer(), byte.as_pointer(), _I64])
        compare = cgutils.get_or_insert_function(builder.module, kind, "memcmp")
        places = [pointer(context, builder, byte, x, x_, place) for place in (at_, before_)]
        found = builder.call(compare, [*places, builder.mul(count_, _I64(x.dtype.bitwidth // 8))])
        return builder.icmp_signed("==", found, ir.IntType(32)(0))

    return types.boolean(x, types.int64, types.int64, types.int64), code


@intrinsic
def _gather(
    typing: Any, scratch: Any, at: Any, taps: Any, lanes: Any, filters: Any, exact: Any, place: Any
) -> Any:
    """Add to the sums of one position, in ``exact`` from ``place``, what each tap holds for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scratch_, at_, taps_, lanes_, _, exact_, place_ = arguments
        kind = ir.VectorType(context.get_data_type(exact.dtype), filters.count)
        total = cgutils.alloca_once(builder, kind)
        to = pointer(context, builder, kind, exact, exact_, place_)
        builder.store(load(builder, to), total)
        taps_struct = context.make_array(taps)(context, builder, taps_)
        with cgutils.for_range(builder, builder.extract_value(taps_struct.shape, 0)) as loop:
            position = builder.add(at_, builder.load(builder.gep(taps_struct.data, [loop.index])))
            first = builder.add(builder.mul(position, lanes_), builder.mul(loop.index, _I64(filters.count)))
            part = load(builder, pointer(context, builder, kind, scratch, scratch_, first))
            builder.store(builder.add(builder.load(total), part), total)
        store(builder, builder.load(total), to)
        return context.get_dummy_value()

    number = types.int64
    return types.void(scratch, number, taps, number, filters, exact, number), code


@compiled
def direct(
    x: Any, image: int, pixels: Any, steps: Any, begin: int, end: int, table: Any, lines: int, vectors: Any,
    bias: Any, exact: Any, held: Any, width: int, column: int, ends: Any, extremes: Any, alike: int,
    first: int, last: int,
) -> None:  # fmt: skip
    """Take output positions first to last through steps begin to end, for one tile; see ``add``.

    Args:
        image: numbers between two images of ``x``.
        pixels: int64: where the window of each position of an image begins; one per position.
        bias: what the sums start with where ``begin`` is 0, one per lane of the tile.
        exact: (positions, width) as one dimension; ``held`` likewise, the same array where nothing saturates.
        column: of the tile's first lane.
        alike: where a window reads so many numbers side by side, positions that read the same as the one
            before are not computed again (backgrounds); 0 for other windows.
    """
    count = len(pixels)
    b, p, before = first // count, first % count, 0
    for row in range(first, last):
        at = b * image + pixels[p]
        p += 1
        if p == count:
            b, p = b + 1, 0
        place = row * width + column
        if alike > 0 and row > first and _same(x, at, before, alike):  # type: ignore[call-arg]
            _copy(exact, place - width, exact, place, vectors)
            if len(ends) > 0:
                _copy(held, place - width, held, place, vectors)
            continue
        before = at
        if begin == 0:
            _copy(bias, 0, exact, place, vectors)  # type: ignore[call-arg]
            if len(ends) > 0:
                _copy(bias, 0, held, place, vectors)
        add(  # type: ignore[call-arg]
            x, at, steps, begin, end, table, lines, vectors, exact, held, place, ends, extremes
        )  # fmt: skip


@compiled
def scatter(
    x: Any, image: int, grid: Any, steps: Any, table: Any, lines: int, vectors: Any, pixels: Any, taps: Any,
    filters: Any, exact: Any, column: int, width: int, scratch: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Take images first to last through some channels; the lanes of a line are taps x filters.

    Each position of the input is computed once for all taps; what it makes is then added where it belongs.

    Args:
        grid: int64: where each position of an image begins in ``x``.
        steps: int64: the channels.
        pixels: int64, for each output position the number of the input position at which its window begins.
        taps: int64, how many input positions each tap lies further.
        filters: a tuple as long as there are filters.
        exact: (images, output positions, width) as one dimension, added to.
        column: of the first filter.
        scratch: (input positions, lanes) as one dimension.
    """
    lanes = len(vectors) * LANES
    zeros = np.zeros(lanes, scratch.dtype)
    for b in range(first, last):
        for p in range(len(grid)):
            at, place = b * image + grid[p], p * lanes
            before = b * image + grid[p - 1]
            if p > 0 and _same(x, at, before, len(steps)):  # type: ignore[call-arg]
                _copy(scratch, place - lanes, scratch, place, vectors)
                continue
            _copy(zeros, 0, scratch, place, vectors)  # type: ignore[call-arg]
            add(
                x, at, steps, 0, len(steps), table, lines, vectors, scratch, scratch, place, (), ()
            )  # fmt: skip
        for p in range(len(pixels)):
            place = (b * len(pixels) + p) * width + column
            _gather(scratch, pixels[p], taps, lanes, filters, exact, place)  # type: ignore[call-arg]
