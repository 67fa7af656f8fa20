"""One product of matrices for each output pixel: the windows of all images there, times the kernel."""

from __future__ import annotations

import itertools
import math

import numpy as np

from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.window import Window


class PixelMatrix(Convolution):
    """(images, window * channels) times (window * channels, filters), pixel by pixel."""

    name = "pixel_matrix"
    meaning = "a matrix product per output pixel"
    processes = True  # products this small spend most of their time in the interpreter

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y = np.empty((len(x), *output, w.shape[3]), x.dtype)
        kernel = w.reshape(-1, w.shape[3])
        for i, j in itertools.product(*map(range, output)):
            y[:, i, j] = self.product(_patch(x, w, strides, i, j).reshape(len(x), -1), kernel)
        return y

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return the size of the windows at one pixel."""
        return images * math.prod(w[:3])

    def moved(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return what every pixel moves: its windows are read, copied and read again."""
        pixels = math.prod(window.output(spatial))
        return pixels * (3 * self.held(images, spatial, w, window) + math.prod(w) + images * w[3])

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        dx, dw = np.zeros_like(x) if inputs else None, np.zeros_like(w)
        kernel, gradient = w.reshape(-1, w.shape[3]), dw.reshape(-1, w.shape[3])
        for i, j in itertools.product(*map(range, dy.shape[1:3])):
            patch = _patch(x, w, strides, i, j)
            gradient += self.product(patch.reshape(len(x), -1).T, dy[:, i, j])
            if dx is not None:
                _patch(dx, w, strides, i, j)[:] += self.product(dy[:, i, j], kernel.T).reshape(patch.shape)
        return dx, dw


def _patch(x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], i: int, j: int) -> np.ndarray:
    """Return what the window at one output pixel sees of all images, a view (N, *sizes, C)."""
    top, left = i * strides[0], j * strides[1]
    return x[:, top : top + w.shape[0], left : left + w.shape[1]]
