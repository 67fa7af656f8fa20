"""How disturbed this machine is: a loop of fixed work, timed before and after whatever else is timed.

The loop multiplies matrices that fit in a core's cache and copies memory that does not, each some 10 ms on an
idle core, both on one thread whatever the process has. It takes longer when other processes want the core or
the memory, or the processor is slowed: the times beside it are then those of a disturbed machine.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

SIDE, PRODUCTS = 256, 30  # of square matrices in float32
WORDS, COPIES = 2**21, 40  # of float32: 8 MiB
FRESH = 1.0  # seconds for which a look stands for the next one
APART = 5.0  # seconds between two looks within a long section
DISTURBED = 1.15
"""Time of the loop over the best one, from which on the times beside it are flagged: two runs of a trial on a
quiet machine may differ by as much."""


def work() -> Callable[[], None]:
    """Return the loop, with its memory."""
    import numpy as np
    import threadpoolctl  # type: ignore[import-untyped]

    left, right, out = (np.full((SIDE, SIDE), 0.5, np.float32) for _ in range(3))
    source, target = (np.ones(WORDS, np.float32) for _ in range(2))
    libraries = threadpoolctl.ThreadpoolController()

    def loop() -> None:
        with libraries.limit(limits=1, user_api="blas"):
            for _ in range(PRODUCTS):
                np.matmul(left, right, out=out)
            for _ in range(COPIES):
                np.copyto(target, source)

    return loop


class Calibration:
    """The looks of a process at its machine.

    Args:
        clock: returns seconds.
        make: returns the loop; it is called for each look, so that no memory is held between them.

    Attributes:
        best: the shortest look, in seconds; infinite before the first one.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        make: Callable[[], Callable[[], None]] = work,
    ) -> None:
        self._clock, self._make = clock, make
        self._ended = self._last = float("-inf")
        self.best = float("inf")

    def look(self) -> float:
        """Return the seconds of the loop now, or those of a look that has only just ended."""
        if self._clock() - self._ended > FRESH:
            loop = self._make()
            began = self._clock()
            loop()
            self._ended = self._clock()
            self._last = self._ended - began
            self.best = min(self.best, self._last)
        return self._last

    def due(self) -> bool:
        """Return whether the last look is so long ago that a long section takes another one."""
        return self._clock() - self._ended > APART


@functools.cache
def of_process() -> Calibration:
    """Return the looks of this process."""
    return Calibration()


def milliseconds(looks: Sequence[float]) -> float:
    """Return the mean of looks in ms; NaN without any."""
    return 1e3 * sum(looks) / len(looks) if looks else float("nan")
