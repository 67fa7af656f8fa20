"""A sum of as many products of matrices as the kernel has places, of the images shifted to each of them.

Nothing is unrolled; the sums are read and written once for every place of the kernel, and so are computed for
as many images at a time as leave them in a cache. Within, channels come first: the rows of the products are
long, which is what a processor adds up fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from precision.arithmetic.convolutions import memory
from precision.arithmetic.convolutions.base import Convolution, taps
from precision.arithmetic.window import Window

BLOCK = 1 << 16  # numbers of an image shifted, of its product or of the sums: 256 KiB each in float32


class Shifted(Convolution):
    """For each place of the kernel (filters, channels) times (channels, images * pixels)."""

    name = "shifted"
    meaning = "a matrix product per place of the kernel, added"

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y = memory.empty((len(x), *output, w.shape[3]), x.dtype)
        for some in _blocks(y, w):
            images, count = _channels_first(x[some]), len(x[some])
            shifted = memory.empty((w.shape[2], count, *output), x.dtype)
            product = memory.empty((w.shape[3], shifted[0].size), x.dtype)
            sums = memory.zeros(product.shape, x.dtype)
            for tap in taps(w):
                np.copyto(shifted, images[_seen(tap, strides, output)])
                sums += self._times(w[tap].T, shifted.reshape(w.shape[2], -1), product)
            y[some] = sums.reshape(w.shape[3], count, *output).transpose(1, 2, 3, 0)
        return y

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return the size of some images, of these shifted, of their product and of its sum."""
        output = window.output(spatial)
        count = min(images, _images(math.prod(output), w))
        return count * (math.prod(spatial) * w[2] + math.prod(output) * (w[2] + 2 * w[3]))

    def moved(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return what every place of the kernel moves: it copies images, and makes a product and adds it."""
        pixels = images * math.prod(window.output(spatial))
        return w[0] * w[1] * pixels * (3 * w[2] + 4 * w[3]) + math.prod(w)

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        dx, dw = memory.empty(x.shape, x.dtype) if inputs else None, np.zeros_like(w)
        for some in _blocks(dy, w):
            images, rows = _channels_first(x[some]), _channels_first(dy[some]).reshape(w.shape[3], -1)
            shifted = memory.empty((w.shape[2], *dy[some].shape[:3]), x.dtype)
            flat, by_images = shifted.reshape(w.shape[2], -1), memory.zeros(images.shape, x.dtype)
            for tap in taps(w):
                at = _seen(tap, strides, dy.shape[1:3])
                np.copyto(shifted, images[at])
                dw[tap] += self.product(flat, rows.T)
                if dx is not None:
                    self._times(w[tap], rows, flat)
                    by_images[at] += shifted
            if dx is not None:
                dx[some] = by_images.transpose(1, 2, 3, 0)
        return dx, dw

    def _times(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return the product in ``out``; one of a single term needs no sum, which is faster."""
        return np.multiply(a, b, out=out) if a.shape[1] == 1 else self.product(a, b, out)


def _channels_first(x: np.ndarray) -> np.ndarray:
    """Return a copy (C, N, rows, columns)."""
    found = memory.empty((x.shape[3], *x.shape[:3]), x.dtype)
    np.copyto(found, x.transpose(3, 0, 1, 2))
    return found


def _seen(tap: tuple[int, int], strides: tuple[int, ...], output: tuple[int, ...]) -> tuple[slice, ...]:
    """Return where one place of all windows looks, in images with channels first."""
    rows, columns = (
        slice(at, at + (count - 1) * stride + 1, stride)
        for at, stride, count in zip(tap, strides, output, strict=True)
    )
    return slice(None), slice(None), rows, columns


def _blocks(y: np.ndarray, w: np.ndarray) -> Iterator[slice]:
    """Return the images that are computed together."""
    count = _images(math.prod(y.shape[1:3]), w.shape)
    return (slice(first, first + count) for first in range(0, len(y), count))


def _images(pixels: int, w: tuple[int, ...]) -> int:
    return max(1, BLOCK // max(1, pixels * max(w[2:])))
