"""The inner loop of the direct convolution, written for LLVM: a tile of sums that stays in registers.

For each of some places p and all lanes f, it adds the sum over k of x[places[p] + reads[k]] * v[k, f]. One
loop serves a convolution and its gradients: in the sums of a layer places are output pixels, reads the window
and v the kernel; in the gradient of the kernel places are the window, reads the pixels and v the gradient of
the sums. With sixteen places there are enough chains of additions to hide how long one takes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from precision.arithmetic.compiled import compiled
from precision.arithmetic.engines.lines import pointer

LANES = 8  # filters side by side
_I64, _I32 = ir.IntType(64), ir.IntType(32)


@intrinsic
def _tile(
    typing: Any, x: Any, at: Any, places: Any, first: Any, count: Any, reads: Any, v: Any, begin: Any,
    out: Any, to: Any,
) -> Any:  # fmt: skip
    """Add to ``out``, at ``to`` and the lines after it, the sums of as many places as ``count`` is long.

    Args:
        x: numbers, one dimension; what is read begins ``at``.
        places: int64, of which those from ``first`` on count.
        count: a tuple, whose length is known when this is compiled.
        reads: int64.
        v: numbers of the same type, from ``begin`` on LANES for each read.
        out: the same type; LANES for each place.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x_, at_, places_, first_, _, reads_, v_, begin_, out_, to_ = arguments
        kind, size = ir.VectorType(context.get_data_type(x.dtype), LANES), x.dtype.bitwidth // 8
        place_data = context.make_array(places)(context, builder, places_).data
        read_array = context.make_array(reads)(context, builder, reads_)
        numbers = context.make_array(x)(context, builder, x_).data
        starts = [
            builder.add(at_, builder.load(builder.gep(place_data, [builder.add(first_, _I64(p))])))
            for p in range(count.count)
        ]
        ends = [
            pointer(context, builder, kind, out, out_, builder.add(to_, _I64(p * LANES)))
            for p in range(count.count)
        ]
        sums = [cgutils.alloca_once(builder, kind) for _ in range(count.count)]
        for total, end in zip(sums, ends, strict=True):
            builder.store(builder.load(end, align=size), total)
        zeros = ir.Constant(ir.VectorType(_I32, LANES), None)
        with cgutils.for_range(builder, builder.extract_value(read_array.shape, 0)) as loop:
            offset = builder.load(builder.gep(read_array.data, [loop.index]))
            line = pointer(
                context, builder, kind, v, v_, builder.add(begin_, builder.mul(loop.index, _I64(LANES)))
            )
            vector = builder.load(line, align=size)
            for total, start in zip(sums, starts, strict=True):
                one = builder.load(builder.gep(numbers, [builder.add(start, offset)]))
                wide = builder.insert_element(ir.Constant(kind, ir.Undefined), one, _I32(0))
                wide = builder.shuffle_vector(wide, ir.Constant(kind, ir.Undefined), zeros)
                product = builder.fmul(wide, vector, flags=["contract"])
                builder.store(builder.fadd(builder.load(total), product, flags=["contract"]), total)
        for total, end in zip(sums, ends, strict=True):
            builder.store(builder.load(total), end, align=size)
        return context.get_dummy_value()

    number = types.int64
    return types.void(x, number, places, number, count, reads, v, number, out, number), code


@compiled
def accumulate(
    x: Any, at: int, places: Any, reads: Any, v: Any, begin: int, out: Any, to: int, many: Any, few: Any
) -> None:  # fmt: skip
    """Add to ``out`` the sums of all places; see the module.

    Args:
        x, v, out: one dimension, one type; ``v`` has LANES numbers for each read from ``begin`` on, ``out``
            LANES for each place from ``to`` on.
        at: where in ``x`` places and reads count from.
        places, reads: int64.
        many, few: tuples as long as a large and a small tile, of which the places are made up; the rest goes
            one by one.
    """
    done, count = 0, len(places)
    while done + len(many) <= count:
        _tile(x, at, places, done, many, reads, v, begin, out, to + done * LANES)  # type: ignore[call-arg]
        done += len(many)
    while done + len(few) <= count:
        _tile(x, at, places, done, few, reads, v, begin, out, to + done * LANES)  # type: ignore[call-arg]
        done += len(few)
    while done < count:
        _tile(x, at, places, done, (0,), reads, v, begin, out, to + done * LANES)  # type: ignore[call-arg]
        done += 1


@compiled
def over_images(
    x: Any, image: int, places: Any, reads: Any, v: Any, v_image: int, out: Any, out_image: int, many: Any,
    few: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Call :func:`accumulate` for images first to last.

    Args:
        image, v_image, out_image: numbers from one image to the next; 0 where all have the same.
    """
    for n in range(first, last):
        accumulate(x, n * image, places, reads, v, n * v_image, out, n * out_image, many, few)
