"""The windows are unrolled into one large matrix, and a single product of matrices does the rest.

K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document
processing", IWFHR 2006. The matrix holds every value as often as windows see it.
"""

from __future__ import annotations

import math

import numpy as np

from precision.arithmetic.convolutions.base import Convolution, seen, taps


class Im2col(Convolution):
    """(images * pixels, window * channels) times (window * channels, filters)."""

    name = "im2col"
    meaning = "windows unrolled, one matrix product"

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y = _unrolled(x, w, strides, output) @ w.reshape(-1, w.shape[3])
        return y.reshape(len(x), *output, w.shape[3])

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        output, rows = dy.shape[1:3], dy.reshape(-1, w.shape[3])
        dw = (_unrolled(x, w, strides, output).T @ rows).reshape(w.shape)
        if not inputs:
            return None, dw
        columns = (rows @ w.reshape(-1, w.shape[3]).T).reshape(*dy.shape[:3], *w.shape[:3])
        dx = np.zeros_like(x)
        for tap in taps(w):
            seen(dx, tap, strides, output)[:] += columns[:, :, :, tap[0], tap[1]]
        return dx, dw


def unrolled_bytes(images: int, w_shape: tuple[int, ...], output: tuple[int, ...], size: int = 4) -> int:
    """Return the bytes of the unrolled matrix, with so many bytes to a value."""
    return images * math.prod(output) * math.prod(w_shape[:3]) * size


def _unrolled(x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]) -> np.ndarray:
    """Return the windows, (N * rows * columns, window * C)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2], axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]][:, : output[0], : output[1]]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, math.prod(w.shape[:3]))
