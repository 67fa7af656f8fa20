"""Threads for compiled loops, which let go of the interpreter: a range of rows in pieces.

They are threads of Python and not numba's own, which may not be entered by two threads of a program at once.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
from collections.abc import Callable

_limit: int | None = None


def limit(threads: int | None) -> None:
    """Let the loops of this process have so many threads; None for one per processor."""
    global _limit
    _limit = threads


def processors() -> int:
    """Return how many threads a loop may have: those asked for, or one per processor of this process."""
    if _limit is not None:
        return _limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def divide(part: Callable[[int, int], None], rows: int, pieces: int, threads: int, multiple: int = 1) -> None:
    """Call ``part(first, last)`` for all rows, in pieces that begin at a multiple of so many rows."""
    pieces = min(pieces, -(-rows // multiple))
    if pieces <= 1 or threads <= 1:
        part(0, rows)
        return
    marks = [rows * i // pieces // multiple * multiple for i in range(pieces)] + [rows]
    list(_pool(threads).map(part, marks[:-1], marks[1:]))


@functools.cache
def _pool(threads: int) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="arithmetic")
