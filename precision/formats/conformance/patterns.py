"""The numbers on which a format is tried."""

from __future__ import annotations

import numpy as np

RANDOM = 20_000
ROWS, WHOLE_BLOCKS = 12, 3
LARGEST = 256.0  # of a matrix of blocks; the others reach about 16
LEAST_NORMAL = np.float32(2.0**-126)  # the kernels of TensorFlow flush smaller ones to zero
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)


def elements(rng: np.random.Generator, values: np.ndarray | None) -> np.ndarray:
    """Return finite float32 in ascending order, -0 not beside 0.

    They are the powers of two and random bit patterns, both signs, and of a format that lists its values also
    these, the midpoints between them, and the float32 next to each.
    """
    powers = np.ldexp(np.float32(1), np.arange(-149, 128))
    random = rng.integers(0, 2**32, RANDOM, dtype=np.uint32).view(np.float32)
    usual = rng.standard_normal(RANDOM // 2).astype(np.float32) * np.exp2(rng.integers(-12, 12, RANDOM // 2))
    parts = [powers, -powers, random, usual.astype(np.float32)]
    if values is not None and values.size:
        wide = values.astype(float)
        parts += [values, ((wide[1:] + wide[:-1]) / 2).astype(np.float32), 2 * values[[0, -1]]]
    x = np.concatenate(parts)
    x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))])
    return np.unique(x[np.isfinite(x)]) + np.float32(0)


def blocks(rng: np.random.Generator, block: int) -> np.ndarray:
    """Return a matrix whose rows are some blocks and a shorter one, each block of another magnitude.

    The first element of all is the largest by far: the scale of the whole tensor, where there is one, does
    not depend on anything else. No block is so small that its scale would vanish beside that one.
    """
    rest = max(block // 3, 1)
    x = rng.standard_normal((ROWS, WHOLE_BLOCKS * block + rest))
    for row in x:
        for start in range(0, row.size, block):
            row[start] = rng.choice([-1, 1]) * (1 + rng.random())
            row[start : start + block] *= 2.0 ** rng.integers(-2, 2)
    x[0, 0] = LARGEST
    return x.astype(np.float32)


def without_tiny(x: np.ndarray) -> np.ndarray:
    """Return numbers with those too small for tensors replaced by zero."""
    return np.where(np.abs(x) < LEAST_NORMAL, np.float32(0), x)
