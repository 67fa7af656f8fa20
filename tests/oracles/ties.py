"""Tensors of ties for formats with shared scales: of the scale of a block, and of its elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oracles.patterns import neighbours
from precision.formats import Block

BLOCKS = 96  # rows of a tensor; each of them is one block


def tensors(f: Block) -> Iterator[np.ndarray]:
    """Yield float32 tensors of shape (BLOCKS, block) whose blocks run along the second axis.

    In a tensor with a scale of its own that scale is a power of two, and then a number that is none.
    """
    rng = np.random.default_rng(4)
    for whole in (1.0, 0.3, 1.7e-5) if f.tensor_scale else (1.0,):
        scales, between = _scales(f, rng)
        size = f.block or 1
        values = f.element.values().astype(float)
        middles = neighbours(((values[1:] + values[:-1]) / 2).astype(np.float32)).astype(float)
        middles = middles[np.abs(middles) <= f.element.max]
        x = rng.choice(middles, (BLOCKS, size)) * np.float32(scales[:, None] * whole)
        # Every second block has the largest magnitude of its scale, the others one between two scales.
        largest = np.where(np.arange(BLOCKS) % 2, between, scales) * f.element.max * whole
        step = rng.integers(-1, 2, BLOCKS)
        largest = largest.astype(np.float32)
        largest = np.nextafter(largest, largest * (1 + step).astype(np.float32))
        x = x.astype(np.float32)
        if size > 1:
            x[:, 0] = largest
        if f.tensor_scale:
            x[0, 0] = f.element.max * f.scale.max * whole
        yield x


def _scales(f: Block, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return scales, and the boundaries between each of them and the next one."""
    if f.scale is None:
        exponents = rng.integers(-20, 20, BLOCKS)
        # From a power of two to the next, past all the magnitudes at which a rule may go up.
        return np.ldexp(1.0, exponents), np.ldexp(1 + rng.integers(0, 17, BLOCKS) / 16, exponents)
    if f.scale.bits > 16:
        scales = rng.lognormal(0, 3, BLOCKS).astype(np.float32)
        return scales.astype(float), np.nextafter(scales, np.float32(np.inf)).astype(float)
    values = f.scale.values().astype(float)
    values = values[(values > 2.0**-8) & (values < 2.0**8)]
    at = rng.integers(0, len(values) - 1, BLOCKS)
    return values[at], (values[at] + values[at + 1]) / 2
