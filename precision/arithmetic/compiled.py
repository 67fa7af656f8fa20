"""Compilation by numba that is kept with this machine, wherever a folder for it can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function compiled at its first call; it lets go of the interpreter, for threads.

    What was compiled is kept until the file of the function changes; what it calls must therefore be in the
    same file, or hardly ever change.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no place: neither beside the file nor in the user's cache
        return numba.njit(nogil=True)(function)
