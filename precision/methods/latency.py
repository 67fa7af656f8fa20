"""How long a network takes for one image, and how many it does per second in batches of each size."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from precision.deploy.predictor import Predictor

WARM = 2  # calls before the first that counts: one builds, one shows how long a call takes
LEAST, MOST = 5, 200  # calls that count
BUDGET = 1.0  # seconds that the calls of one batch size may take, beyond the least number
LONGEST = (
    10.0  # seconds that the least number may take; larger batches than one for which they do are left out
)


def latencies(
    predictor: Predictor,
    images: np.ndarray,
    batches: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, float]]:
    """Return a row for each batch size, with the median and the 95th percentile over its calls.

    The names are ``batch``, ``calls``, ``median_ms``, ``p95_ms`` and ``images_per_second``. A call takes
    images as they are stored and gives logits, with all that Python does between them. The throughput is that
    of the median call.

    Args:
        images: (N, ...), which are taken in turn, again from the first where they do not suffice.
        batches: in rising order; after one of which even the least number of calls takes too long, none.
        clock: returns seconds.
    """
    rows = []
    for size in batches:
        turn = _Turn(images, size)
        for _ in range(WARM):
            began = clock()
            predictor.logits(turn.next())
            last = clock() - began
        if last * LEAST > LONGEST:
            break
        times: list[float] = []
        while len(times) < LEAST or (len(times) < MOST and sum(times) < BUDGET):
            batch = turn.next()
            began = clock()
            predictor.logits(batch)
            times.append(clock() - began)
        median = statistics.median(times)
        rows.append(
            {
                "batch": size,
                "calls": len(times),
                "median_ms": 1e3 * median,
                "p95_ms": 1e3 * percentile(times, 0.95),
                "images_per_second": size / median if median else math.nan,
            }
        )
    return rows


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that at least this share of all values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class _Turn:
    """Batches of images, one after the other."""

    def __init__(self, images: np.ndarray, size: int) -> None:
        self._images, self._size, self._first = images, size, 0

    def next(self) -> np.ndarray:
        """Return the next batch."""
        chosen = np.arange(self._first, self._first + self._size) % len(self._images)
        self._first = int(chosen[-1] + 1) % len(self._images)
        return self._images[chosen]
