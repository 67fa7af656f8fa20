"""A sum of as many products of matrices as the kernel has places, of the images shifted to each of them.

Nothing is unrolled; the sums go through memory once for every place of the kernel.
"""

from __future__ import annotations

import numpy as np

from precision.arithmetic.convolutions.base import Convolution, seen, taps


class Shifted(Convolution):
    """For each place of the kernel (images * pixels, channels) times (channels, filters)."""

    name = "shifted"
    meaning = "a matrix product per place of the kernel, added"

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y = np.zeros((len(x), *output, w.shape[3]), x.dtype)
        for tap in taps(w):
            y += seen(x, tap, strides, output) @ w[tap]
        return y

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        dx, dw = np.zeros_like(x) if inputs else None, np.empty_like(w)
        rows = dy.reshape(-1, w.shape[3])
        for tap in taps(w):
            dw[tap] = seen(x, tap, strides, dy.shape[1:3]).reshape(-1, w.shape[2]).T @ rows
            if dx is not None:
                seen(dx, tap, strides, dy.shape[1:3])[:] += dy @ w[tap].T
        return dx, dw
