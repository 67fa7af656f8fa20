"""Vectors moved and compared in the loops of the table engine, written for LLVM."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from precision.arithmetic.engines.lines import LANES, load, pointer, store

_I64 = ir.IntType(64)


@intrinsic
def copy(typing: Any, source: Any, at: Any, target: Any, place: Any, vectors: Any) -> Any:
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
def same(typing: Any, x: Any, at: Any, before: Any, count: Any) -> Any:
    """Return whether two places of an array of one dimension begin with the same numbers, so many of them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x_, at_, before_, count_ = arguments
        byte = ir.IntType(8)
        places = [pointer(context, builder, byte, x, x_, place) for place in (at_, before_)]
        size = builder.mul(count_, _I64(x.dtype.bitwidth // 8))
        differs = cgutils.alloca_once_value(builder, _I64(0))

        def compare(kind: Any, index: Any) -> None:
            one, other = (
                builder.load(builder.bitcast(builder.gep(place, [index]), kind.as_pointer()), align=1)
                for place in places
            )
            bits = builder.xor(one, other)
            bits = bits if kind is _I64 else builder.zext(bits, _I64)
            builder.store(builder.or_(builder.load(differs), bits), differs)

        whole = builder.and_(size, _I64(-8))
        with cgutils.for_range_slice(builder, _I64(0), whole, _I64(8), _I64) as (index, _):
            compare(_I64, index)
        with cgutils.for_range_slice(builder, whole, size, _I64(1), _I64) as (index, _):
            compare(byte, index)
        return builder.icmp_signed("==", builder.load(differs), _I64(0))

    return types.boolean(x, types.int64, types.int64, types.int64), code


@intrinsic
def gather(
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
