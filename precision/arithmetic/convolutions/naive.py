"""Nested loops of Python, one multiplication at a time: what the definition says, and nothing else."""

from __future__ import annotations

import itertools

import numpy as np

from precision.arithmetic.convolutions.base import Convolution, taps


class Naive(Convolution):
    """A loop over images, places, filters, and the window."""

    name = "naive"
    meaning = "loops over every multiplication"
    processes = True

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        y = np.zeros((len(x), *output, w.shape[3]), x.dtype)
        for n, i, j, f in itertools.product(*map(range, y.shape)):
            total = x.dtype.type(0)
            for row, column in taps(w):
                for c in range(w.shape[2]):
                    total += x[n, i * strides[0] + row, j * strides[1] + column, c] * w[row, column, c, f]
            y[n, i, j, f] = total
        return y

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        dx, dw = np.zeros_like(x) if inputs else None, np.zeros_like(w)
        for n, i, j, f in itertools.product(*map(range, dy.shape)):
            by = dy[n, i, j, f]
            for row, column in taps(w):
                for c in range(w.shape[2]):
                    place = (n, i * strides[0] + row, j * strides[1] + column, c)
                    dw[row, column, c, f] += by * x[place]
                    if dx is not None:
                        dx[place] += by * w[row, column, c, f]
        return dx, dw
