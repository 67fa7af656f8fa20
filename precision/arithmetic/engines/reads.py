"""Where in memory the compiled engines find the activation of each step of each output position."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.window import offsets


@dataclass(frozen=True)
class Reads:
    """Position p of image b reads ``x[b * image + pixels[p] + steps[k] + g * depth]`` at step k in group g.

    Attributes:
        x: rows of the multiplier's table, one dimension: the input in its padding.
        image: numbers of an image.
        pixels: int64, (output positions of an image,).
        steps: int64, (steps,).
        depth: input channels of a group.
        padded: spatial shape of the input in its padding.
        shape: of the sums, (batch, *output spatial, filters).
    """

    x: np.ndarray
    image: int
    pixels: np.ndarray
    steps: np.ndarray
    depth: int
    padded: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def positions(self) -> int:
        """Output positions of all images."""
        return self.shape[0] * len(self.pixels)


# The same for every batch; nobody writes to them.
_offsets = functools.lru_cache(256)(offsets)


def reads(layer: Layer, x: np.ndarray) -> Reads:
    """Return what a layer reads of an input.

    Raises:
        PrecisionError: for an input that does not fit the layer or its table.
    """
    window, rows = layer.window, np.ascontiguousarray(layer.rows(x))
    spatial = window.output(x.shape[1:-1])
    image, *inner = (n // rows.itemsize for n in rows.strides[:-1])
    return Reads(
        rows.reshape(-1),
        image,
        _offsets(spatial, tuple(n * s for n, s in zip(inner, window.strides, strict=True))),
        _offsets(layer.w.shape[:-1], (*(n * d for n, d in zip(inner, window.dilations, strict=True)), 1)),
        layer.w.shape[-2],
        rows.shape[1:-1],
        (len(x), *spatial, layer.filters),
    )
