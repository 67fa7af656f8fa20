"""Memory that a training step asks for again each time, and so keeps until the next one.

The system gives new memory page by page when it is first written, which for arrays of a few MiB takes as long
as the work that is done in them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_LINE = 64  # bytes of a cache line, at which every array begins


class _Block(threading.local):
    """The memory of a thread: a block, whether a step is under way, and what it has asked for."""

    def __init__(self) -> None:
        self.bytes, self.active, self.asked = np.empty(0, np.uint8), False, 0


_BLOCK = _Block()


@contextmanager
def kept() -> Iterator[None]:
    """Within this context arrays of :func:`empty` come from a block, and are valid until the next one begins.

    The first context asks the system for every array, and so learns how large the block has to be.
    """
    if _BLOCK.active:
        yield
        return
    if _BLOCK.asked > len(_BLOCK.bytes):
        _BLOCK.bytes = np.empty(_BLOCK.asked, np.uint8)
    _BLOCK.active, _BLOCK.asked = True, 0
    try:
        yield
    finally:
        _BLOCK.active = False


def release() -> None:
    """Give back what this thread keeps."""
    _BLOCK.bytes, _BLOCK.asked = np.empty(0, np.uint8), 0


def empty(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """Return an array whose values are not set."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    first = _BLOCK.asked
    if _BLOCK.active:
        _BLOCK.asked += -(-size // _LINE) * _LINE
    if not _BLOCK.active or _BLOCK.asked > len(_BLOCK.bytes):
        return np.empty(shape, dtype)
    return _BLOCK.bytes[first : first + size].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """Return an array of zeros."""
    found = empty(shape, dtype)
    found.fill(0)
    return found
