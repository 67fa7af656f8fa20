"""Threads for compiled loops, which let go of the interpreter: several parts of a piece of work at once.

They are threads of Python and not numba's own, which may not be entered by two threads of a program at once.
Work is divided once: what a part divides in its turn runs in the thread of that part, piece after piece.
"""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_limit: int | None = None
_here = threading.local()


def limit(threads: int | None) -> None:
    """Let the loops of this process have so many threads; None for one per processor."""
    global _limit
    _limit = threads


def processors() -> int:
    """Return how many threads a loop may have: those asked for, or one per processor of this process."""
    if getattr(_here, "divided", False):
        return 1
    if _limit is not None:
        return _limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """Return what a function makes of each item, with so many of them at work at once."""
    items = list(items)
    if len(items) <= 1 or threads <= 1 or getattr(_here, "divided", False):
        return [function(item) for item in items]
    return list(_pool(threads).map(function, items))


def divide(part: Callable[[int, int], None], rows: int, pieces: int, threads: int, multiple: int = 1) -> None:
    """Call ``part(first, last)`` for all rows, in pieces that begin at a multiple of so many rows."""
    pieces = min(pieces, -(-rows // multiple))
    if pieces <= 1 or threads <= 1:
        part(0, rows)
        return
    marks = [rows * i // pieces // multiple * multiple for i in range(pieces)] + [rows]
    mapped(lambda ends: part(*ends), itertools.pairwise(marks), threads)


@functools.cache
def _pool(threads: int) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(
        threads, thread_name_prefix="arithmetic", initializer=lambda: setattr(_here, "divided", True)
    )


_narrow = threading.Lock()
_inside = 0
_limited: list[AbstractContextManager[object]] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep NumPy's matrix products to the thread that asks: several of them collapse on narrow shapes.

    The number is one of the whole process: the first that enters sets it, the last that leaves sets it back.
    """
    global _inside
    with _narrow:
        if not _inside:
            _limited.append(_libraries()(limits=1, user_api="blas"))
            _limited[-1].__enter__()
        _inside += 1
    try:
        yield
    finally:
        with _narrow:
            _inside -= 1
            if not _inside:
                _limited.pop().__exit__(None, None, None)


@functools.cache
def _libraries() -> Callable[..., AbstractContextManager[object]]:
    import threadpoolctl  # type: ignore[import-untyped]

    return threadpoolctl.ThreadpoolController().limit
