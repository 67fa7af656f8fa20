"""The windows are unrolled into a large matrix, and a single product of matrices does the rest.

K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document
processing", IWFHR 2006. The matrix holds every value as often as windows see it. It is made for as many
images at a time as leave it in a cache: one for all of them would go out to memory and come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from precision.arithmetic.convolutions import memory
from precision.arithmetic.convolutions.base import Convolution, as_convolution, operands
from precision.arithmetic.window import Window

BLOCK = 1 << 18  # numbers of a matrix: 1 MiB in float32


class Im2col(Convolution):
    """(images * pixels, window * channels) times (window * channels, filters)."""

    name = "im2col"
    meaning = "windows unrolled, one matrix product"

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y, kernel = memory.empty((len(x), *output, w.shape[3]), x.dtype), w.reshape(-1, w.shape[3])
        for some, windows in _unrolled(x, w, strides, output):
            y[some] = self.product(windows, kernel).reshape(-1, *output, w.shape[3])
        return y

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return the size of the largest unrolled matrix."""
        one = math.prod(window.output(spatial)) * math.prod(w[:3])
        return one * min(images, _images(one))

    def moved(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return what the unrolled matrices of all images move, which are written and read."""
        matrix = math.prod(window.output(spatial)) * math.prod(w[:3])
        return operands(images, spatial, w, window) + 2 * images * matrix

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        dw = np.zeros((w.shape[3], math.prod(w.shape[:3])), w.dtype)
        for some, windows in _unrolled(x, w, strides, dy.shape[1:3]):
            dw += self.product(dy[some].reshape(-1, w.shape[3]).T, windows)
        dw = np.ascontiguousarray(dw.T).reshape(w.shape)
        if not inputs:
            return None, dw
        return self._forward(*as_convolution(x, w, strides, dy), (1, 1), x.shape[1:3]), dw


def _unrolled(
    x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Return some images and their windows, (images * rows * columns, window * C), until all had their turn.

    The matrix is the same one each time.
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2], axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]][:, : output[0], : output[1]].transpose(
        0, 1, 2, 4, 5, 3
    )
    count = min(len(x), _images(math.prod(output) * math.prod(w.shape[:3])))
    matrix = memory.empty((count, *windows.shape[1:]), x.dtype)
    for first in range(0, len(x), max(1, count)):
        some = slice(first, first + count)
        part = matrix[: len(windows[some])]
        np.copyto(part, windows[some])
        yield some, part.reshape(-1, math.prod(w.shape[:3]))


def _images(one: int) -> int:
    """Return how many images have their windows in one matrix, if those of one are so many numbers."""
    return max(1, BLOCK // max(1, one))
