"""One stretch of the 2^32 float32 bit patterns: rounded by precision, compared with the oracles."""

from __future__ import annotations

import functools
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from oracles import patterns
from oracles.catalogue import ML_DTYPES, definition
from oracles.staircase import SIGN, bits

CHUNK_BITS = 24  # patterns in a stretch, as a power of two
CHUNKS = 1 << (32 - CHUNK_BITS)
_PIECE = 1 << 20  # patterns rounded at a time
_LEAST_NORMAL = 0x00800000
_WITHOUT_NAN = ("float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn")
EXAMPLES = 5

# Every named format of at most 16 bits, tf32, and those with parameters that are in common use.
TEXTS = (
    *ML_DTYPES,
    *("float16(overflow=saturate)", "float8_e4m3fn(overflow=saturate)", "float8_e5m2(overflow=saturate)"),
    *("float(8,3)", "float(4,3,subnormals=False)", "tf32"),
    *("fixed(8,4)", "fixed(16,8)", "fixed(8,4,symmetric=True)", "fixed(8,4,overflow=wrap)", "ufixed(8,4)"),
    *("int(8)", "uint(8)"),
    *("posit(8,0)", "posit(8,1)", "posit(8,2)", "posit(8,3)", "posit(16,1)", "posit(16,2)"),
    *("lns(8,3)", "lns(8,3,domain=log)", "pow2(4)", "binary", "ternary", "nf4"),
)


@dataclass
class Count:
    """What was compared with one oracle: how many patterns, and how many gave another result."""

    patterns: int = 0
    mismatches: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, p: np.ndarray, got: np.ndarray, expected: np.ndarray, left_out: np.ndarray) -> None:
        """Compare results; ``left_out`` says which patterns do not count."""
        self.patterns += len(p) - int(np.count_nonzero(left_out))
        wrong = patterns.differences(got, expected)
        wrong = wrong[~left_out[wrong]]
        self.mismatches += len(wrong)
        for i in wrong[: EXAMPLES - len(self.examples)]:
            self.examples.append(f"{p[i]:08x}: {got[i]:08x}, not {expected[i]:08x}")


def check(text: str, chunk: int) -> dict[str, Any]:
    """Return the counts of one stretch, by what was compared, and the seconds that it took.

    ``definition``: arrays against the staircase of the definition; ``ml_dtypes``: arrays against a cast,
    where ml_dtypes has the format; ``tensors``: TensorFlow tensors against the staircase. TensorFlow's
    kernels flush the float32 subnormals, which are left out there; ml_dtypes makes -0 of the NaN of a format
    without NaN, which is left out there.
    """
    import tensorflow as tf

    start = time.perf_counter()
    number_format, stairs = _subject(text)
    dtype = ML_DTYPES.get(text)
    counts = {"definition": Count(), "tensors": Count()} | ({"ml_dtypes": Count()} if dtype else {})
    for first in range(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS, _PIECE):
        p = np.arange(first, first + _PIECE, dtype=np.int64).astype(np.uint32)
        x, expected = p.view(np.float32), stairs.run(first, _PIECE)
        nothing, magnitude = np.zeros(_PIECE, bool), p & np.uint32(SIGN - 1)
        got = bits(number_format.quantize(x))
        counts["definition"].add(p, got, expected, nothing)
        subnormal = (magnitude > 0) & (magnitude < _LEAST_NORMAL)
        tensor = bits(number_format.quantize(tf.constant(x)).numpy())
        counts["tensors"].add(p, tensor, expected, subnormal)
        if dtype:
            with np.errstate(all="ignore"):
                cast = bits(x.astype(dtype).astype(np.float32))
            counts["ml_dtypes"].add(p, got, cast, np.isnan(x) if text in _WITHOUT_NAN else nothing)
    return {"seconds": time.perf_counter() - start} | {k: asdict(c) for k, c in counts.items()}


@functools.cache
def _subject(text: str) -> tuple[Any, Any]:
    from precision.formats import parse

    return parse(text), definition(text).staircase()


def quiet_worker() -> None:
    """Prepare a process: one thread for TensorFlow, so that processes do not wait for each other."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
