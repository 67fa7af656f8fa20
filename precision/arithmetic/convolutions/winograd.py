"""Winograd's minimal filtering: fewer multiplications for each tile of outputs, paid for with additions.

A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. F(m, r) gives m outputs
of a kernel of r with m + r - 1 products instead of m * r. The transforms follow from Toom and Cook's
interpolation through m + r - 2 points and infinity, in exact fractions, so that any kernel has one. What is
lost is accuracy: the points make large and small values meet, the more so the larger the tile.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.window import Window

POINTS = [Fraction(p) for p in (0, 1, -1, 2, -2)] + [Fraction(1, 2), Fraction(-1, 2)]
_WIDEST = len(POINTS) + 1  # of a tile of the input


class Winograd(Convolution):
    """F(m x m, r x r) in both directions, for square kernels and strides of 1.

    Args:
        outputs: m, along each side of a tile.
    """

    meaning = "fewer products, more additions"

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs
        self.name = f"winograd{outputs}"  # type: ignore[misc]

    def refusal(self, window: Window) -> str:
        """Refuse what has no tiles."""
        rows, columns = window.sizes
        if rows != columns or set(window.strides) != {1}:
            return (
                f"takes square kernels and strides of 1, but got a kernel of {rows}x{columns} and strides "
                f"{window.strides}; im2col, shifted, direct and fft take any"
            )
        if self.outputs + rows - 1 > _WIDEST:
            return (
                f"takes kernels of at most {_WIDEST + 1 - self.outputs}, but got {rows}; winograd2 takes "
                f"larger ones, and im2col, shifted, direct and fft any"
            )
        return ""

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        back, _, _ = transforms(self.outputs, w.shape[0], x.dtype)
        products = self.product(self._images(x, output), self._kernel(w))
        y = self._both(back, products.reshape(*back.shape[1:] * 2, -1))
        return self._joined(y, len(x), output, w.shape[3])

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return the size of the tiles, transformed and not, of the products and of the kernel."""
        tiles = images * math.prod(self._counts(window.output(spatial)))
        return (self.outputs + w[0] - 1) ** 2 * (tiles * (2 * w[2] + w[3]) + w[2] * w[3])

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return the transposes of what is done forward, in the opposite order."""
        back, of_kernel, of_images = transforms(self.outputs, w.shape[0], x.dtype)
        output, size = dy.shape[1:3], back.shape[1]
        gradient = self._both(back.T, self._parted(dy)).reshape(size * size, -1, w.shape[3])
        by_kernel = self.product(self._images(x, output).transpose(0, 2, 1), gradient)
        dw = self._both(of_kernel.T, by_kernel.reshape(size, size, -1)).reshape(w.shape)
        if not inputs:
            return None, dw
        by_images = self.product(gradient, self._kernel(w).transpose(0, 2, 1))
        tiles = self._both(of_images.T, by_images.reshape(size, size, -1))
        rows, columns = self._counts(output)
        tiles = tiles.reshape(size, size, len(x), rows, columns, x.shape[3])
        m = self.outputs
        wide = np.zeros((len(x), rows * m + size - m, columns * m + size - m, x.shape[3]), x.dtype)
        for i in range(size):
            for j in range(size):
                wide[:, i : i + rows * m : m, j : j + columns * m : m] += tiles[i, j]
        dx = np.zeros_like(x)
        high, broad = min(x.shape[1], wide.shape[1]), min(x.shape[2], wide.shape[2])
        dx[:, :high, :broad] = wide[:, :high, :broad]
        return dx, dw

    def _both(self, matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return matrix @ values @ matrix.T over the first two axes of (n, n, rest)."""
        first = self.product(matrix, values.reshape(len(values), -1))
        return self.product(matrix, first.reshape(len(matrix), *values.shape[1:]))

    def _counts(self, output: tuple[int, ...]) -> tuple[int, int]:
        rows, columns = (-(-count // self.outputs) for count in output)
        return rows, columns

    def _kernel(self, w: np.ndarray) -> np.ndarray:
        """Return the transformed kernel, (products, C, filters)."""
        _, of_kernel, _ = transforms(self.outputs, w.shape[0], w.dtype)
        found = self._both(of_kernel, w.reshape(*w.shape[:2], -1))
        return found.reshape(-1, *w.shape[2:])

    def _images(self, x: np.ndarray, output: tuple[int, ...]) -> np.ndarray:
        """Return the transformed tiles of the images, (products, N * tiles, C)."""
        m, kernel = self.outputs, x.shape[1] - output[0] + 1
        _, _, of_images = transforms(m, kernel, x.dtype)
        size = len(of_images)
        rows, columns = self._counts(output)
        need = rows * m + size - m, columns * m + size - m
        missing = [(0, max(0, n - have)) for n, have in zip(need, x.shape[1:3], strict=True)]
        x = np.pad(x, [(0, 0), *missing, (0, 0)])
        tiles = np.stack(
            [
                x[:, i : i + (rows - 1) * m + 1 : m, j : j + (columns - 1) * m + 1 : m]
                for i in range(size)
                for j in range(size)
            ]
        )
        return self._both(of_images, tiles.reshape(size, size, -1)).reshape(size * size, -1, x.shape[3])

    def _joined(self, y: np.ndarray, images: int, output: tuple[int, ...], filters: int) -> np.ndarray:
        """Return tiles (m, m, N * tiles * filters) as sums (N, rows, columns, filters)."""
        m, (rows, columns) = self.outputs, self._counts(output)
        y = y.reshape(m, m, images, rows, columns, filters).transpose(2, 3, 0, 4, 1, 5)
        return np.ascontiguousarray(
            y.reshape(images, rows * m, columns * m, filters)[:, : output[0], : output[1]]
        )

    def _parted(self, dy: np.ndarray) -> np.ndarray:
        """Return sums as tiles, the transpose of :meth:`_joined`."""
        m, (rows, columns) = self.outputs, self._counts(dy.shape[1:3])
        wide = np.zeros((len(dy), rows * m, columns * m, dy.shape[3]), dy.dtype)
        wide[:, : dy.shape[1], : dy.shape[2]] = dy
        return wide.reshape(len(dy), rows, m, columns, m, -1).transpose(2, 4, 0, 1, 3, 5).reshape(m, m, -1)


@functools.cache
def transforms(outputs: int, kernel: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the transforms of F(m, r) in one dimension: y = A^T [(G w) * (B^T d)].

    Returns:
        A^T (m, n), G (n, r) and B^T (n, n), n = m + r - 1.
    """
    back, of_kernel, of_images = exact_transforms(outputs, kernel)
    a, b, c = (np.array([[float(v) for v in row] for row in m], dtype) for m in (back, of_kernel, of_images))
    return a, b, c


def exact_transforms(outputs: int, kernel: int) -> tuple[list[list[Fraction]], ...]:
    """Return the transforms in fractions.

    A polynomial of degree m - 1 and one of degree r - 1 are evaluated at n - 1 points and infinity; from the
    products their product follows by Lagrange's interpolation. Filtering is the transpose of that product:
    y = A^T [(G w) * (B^T d)], with A the evaluation of the outputs, G that of the kernel, and B^T the
    transpose of the interpolation.
    """
    size = outputs + kernel - 1
    points = POINTS[: size - 1]
    evaluate = [[[p**k for k in range(count)] for p in points] for count in (outputs, kernel)]
    for rows, count in zip(evaluate, (outputs, kernel), strict=True):
        rows.append([Fraction(k == count - 1) for k in range(count)])  # at infinity, the last coefficient
    whole = _product_of_roots(points)
    interpolate = []  # row: the coefficients that a value at one point adds to the product
    for p in points:
        others = _product_of_roots([q for q in points if q != p])
        scale = _value(others, p)
        interpolate.append([*(c / scale for c in others), Fraction(0)])
    interpolate.append(whole)
    back = [list(column) for column in zip(*evaluate[0], strict=True)]
    return back, evaluate[1], interpolate


def _product_of_roots(roots: list[Fraction]) -> list[Fraction]:
    """Return the coefficients of the product of (x - root), the lowest first."""
    found = [Fraction(1)]
    for root in roots:
        raised, lowered = [Fraction(0), *found], [*(-root * c for c in found), Fraction(0)]
        found = [a + b for a, b in zip(raised, lowered, strict=True)]
    return found


def _value(coefficients: list[Fraction], x: Fraction) -> Fraction:
    return sum((c * x**k for k, c in enumerate(coefficients)), Fraction(0))
