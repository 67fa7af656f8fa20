"""Counter-based random bits: the noise of stochastic rounding.

A draw is a pure function of a key and an element's index, so the same key gives the same tensor on every
run, in every order of execution, eagerly and in a compiled graph. (A NumPy draw inside a traced function
would be frozen into the graph.)

The mixing is the 32-bit finaliser search of C. Wellons, "Prospecting for hash functions" (2018), constants
0x7feb352d and 0x846ca68b. The second half of the key enters between the two multiplications: were it only
added to the index, two keys would give shifted copies of one stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from precision.errors import PrecisionError, shown

# int32 arithmetic wraps alike on NumPy, TensorFlow, JAX and torch; uint32 is not supported everywhere. As
# integers of Python: a torch tensor times a number of NumPy is computed by way of an array, with a warning.
_FIRST = 0x7FEB352D
_SECOND = 0x846CA68B - (1 << 32)


def key(parts: int | Sequence[int]) -> np.ndarray:
    """Return two int32 words that stand for a tuple of non-negative integers such as (seed, step, site).

    Raises:
        PrecisionError: when a part is not a non-negative integer.
    """
    words = tuple(parts) if isinstance(parts, Sequence) else (parts,)
    if not words or not all(isinstance(w, int | np.integer) and w >= 0 for w in words):
        raise PrecisionError(f"a rounding key is one or more non-negative integers, but got {shown(parts)}")
    # The length comes first, as a seed sequence takes (1, 2) and (1, 2, 0) for the same.
    state = np.random.SeedSequence([len(words), *(int(w) for w in words)]).generate_state(2, np.uint32)
    return state.astype(np.uint32).view(np.int32)


def mix(xp: Any, index: Any, word0: Any, word1: Any) -> Any:
    """Return 32 well-mixed bits (int32) for each ``index`` (int32 array or tensor) under a key."""

    def shift(h: Any, by: int) -> Any:  # logical, though the words are signed
        return xp.right_shift(h, by) & ((1 << (32 - by)) - 1)

    h = index + word0
    h = (h ^ shift(h, 16)) * _FIRST + word1
    h = (h ^ shift(h, 15)) * _SECOND
    return h ^ shift(h, 16)


def fold_in(xp: Any, words: Any, counter: Any) -> Any:
    """Return a new key (int32, shape (2,)) from a key and a running ``counter`` (int32 scalar)."""
    first = mix(xp, counter, words[0], words[1])
    return xp.stack([first, mix(xp, first, words[1], words[0])])
