"""Where the leading one of a number is."""

from __future__ import annotations

import numpy as np


def length(x: np.ndarray) -> np.ndarray:
    """Return the bits that numbers from 0 to 2^53 take, int64: 0 for 0, 1 for 1, 3 for 4 to 7."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)  # exact: they are float64
