"""Gradual underflow: float32 arithmetic of IEEE 754 on threads where TensorFlow has switched it off.

TensorFlow sets its threads to take numbers below 2^-126 for zero. The emulation of an accumulator must give
the same bits on whichever thread it runs, so it switches this off and, when it is done, on again. The setting
is a register of the processor and belongs to the thread.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Callable, Iterator
from typing import Any

# Bits of the control register: flush-to-zero and denormals-are-zero of MXCSR; FZ and FZ16 of FPCR.
_FLUSH = {"x86": 1 << 15 | 1 << 6, "arm": 1 << 24 | 1 << 19}
_FAMILIES = {"x86_64": "x86", "amd64": "x86", "i686": "x86", "aarch64": "arm", "arm64": "arm"}


@contextlib.contextmanager
def gradual_underflow() -> Iterator[None]:
    """Compute with subnormal numbers on this thread within the block."""
    family = _FAMILIES.get(platform.machine().lower())
    if family is None:  # a processor that TensorFlow has no switch for either
        yield
        return
    read, write = _register(family)
    before = read()
    write(before & ~_FLUSH[family])
    try:
        yield
    finally:
        write(before)


@functools.cache
def _register(family: str) -> tuple[Callable[[], int], Callable[[int], None]]:
    """Return compiled functions that read and write the control register of floating-point arithmetic."""
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    void, int8, int32, int64 = ir.VoidType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)

    def call(builder: Any, name: str, kind: Any, arguments: list[Any]) -> Any:
        signature = ir.FunctionType(kind, [a.type for a in arguments])
        function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
        return builder.call(function, arguments)

    @intrinsic
    def get(typing: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if family == "arm":
                return call(builder, "llvm.aarch64.get.fpcr", int64, [])
            place = builder.alloca(int32)
            call(builder, "llvm.x86.sse.stmxcsr", void, [builder.bitcast(place, int8.as_pointer())])
            return builder.zext(builder.load(place), int64)

        return numba.int64(), code

    @intrinsic
    def put(typing: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (bits,) = arguments
            if family == "arm":
                call(builder, "llvm.aarch64.set.fpcr", void, [bits])
            else:
                place = builder.alloca(int32)
                builder.store(builder.trunc(bits, int32), place)
                call(builder, "llvm.x86.sse.ldmxcsr", void, [builder.bitcast(place, int8.as_pointer())])
            return context.get_dummy_value()

        return numba.void(numba.int64), code

    return numba.njit(lambda: get()), numba.njit(lambda value: put(value))  # type: ignore[call-arg]
