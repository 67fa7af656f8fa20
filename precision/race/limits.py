"""What this machine can do at most: multiplications of the processor and bytes of the memory in a second.

S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", CACM 52 (2009): work with few operations to a byte waits for the memory, work with many for
the processor, and nothing is above the lower of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from precision.race.timing import seconds

SIDE = 1024  # of the square matrices whose product is timed
BYTES = 2**28  # copied at once: more than a cache holds


@dataclass(frozen=True)
class Limits:
    """Of so many cores at once.

    Attributes:
        macs: multiplications and additions of float32 in a second, of a product of two large matrices.
        moved: bytes read and written in a second by a copy.
    """

    cores: int
    macs: float
    moved: float

    def attainable(self, intensity: float) -> float:
        """Return the multiplications a second at so many of them to a byte."""
        return min(self.macs, intensity * self.moved)


def limits(cores: int, rounds: int = 7) -> Limits:
    """Measure this machine with some of its cores at work: NumPy's product of matrices, and its copy."""
    rng = np.random.default_rng(0)
    left, right, out = (rng.random((SIDE, SIDE), np.float32) for _ in range(3))
    source = np.ones(BYTES // 4, np.float32)
    target = np.zeros_like(source)
    parts = [slice(len(source) * i // cores, len(source) * (i + 1) // cores) for i in range(cores)]
    with ThreadPoolExecutor(cores) as pool, threadpoolctl.threadpool_limits(cores, "blas"):

        def copy() -> None:  # NumPy lets go of the interpreter while it copies
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

        works: dict[str, Callable[[], object]] = {
            "product": lambda: np.matmul(left, right, out=out),
            "copy": copy,
        }
        found = seconds(works, rounds)
    return Limits(cores, SIDE**3 / found["product"], 2 * BYTES / found["copy"])
