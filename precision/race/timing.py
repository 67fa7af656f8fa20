"""Times of several pieces of work that take turns, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

LEAST = 0.02  # seconds of one time: shorter work is repeated within it


def seconds(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each piece of work over some rounds, in which each has its turn.

    Each runs once before, which compiles what is to be compiled and fills the caches.
    """
    repeats = {name: _repeats(work) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            for _ in range(repeats[name]):
                work()
            times[name].append((time.perf_counter() - began) / repeats[name])
    return {name: median(found) for name, found in times.items()}


def _repeats(work: Callable[[], object]) -> int:
    work()
    began = time.perf_counter()
    work()
    return max(1, round(LEAST / max(time.perf_counter() - began, 1e-9)))
