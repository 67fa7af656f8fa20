"""What every algorithm of convolution offers: the sums of a layer, and the gradients of its two operands."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np

from precision.arithmetic.convolutions import memory
from precision.arithmetic.window import Window
from precision.errors import PrecisionError


class Convolution(ABC):
    """One way to compute a convolution of images, channels last: y[n, i, j, f] = sum of x * w over a window.

    All of them compute the same sums in another order, in the type of their operands.

    Attributes:
        name: by which one asks for it.
        meaning: one line.
        processes: whether workers have to be processes: the loops of Python hold the interpreter, and so
            would stop each other as threads. Products of matrices and compiled loops let go of it.
        any_type: whether all sums are made by :attr:`product` or in Python, and so in any type of numbers.
        product: of two matrices, into a third one where that is given, as ``numpy.matmul`` has it.
        types: of the operands.

    >>> import numpy as np
    >>> from precision.arithmetic.convolutions import Convolution, convolution
    >>> from precision.arithmetic.window import Window
    >>> x, w = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 2), np.float32)
    >>> fast: Convolution = convolution("direct")
    >>> window, dy = Window((3, 3), (1, 1), (1, 1)), np.ones((1, 2, 2, 2), np.float32)
    >>> dx, dw = fast.backward(x, w, window, dy)
    >>> dx[0, :, :, 0].tolist()[0], float(dw.sum())
    ([2.0, 4.0, 4.0, 2.0], 72.0)
    """

    name: ClassVar[str]
    meaning: ClassVar[str]
    processes: ClassVar[bool] = False
    any_type: ClassVar[bool] = True
    product: Callable[..., np.ndarray] = staticmethod(np.matmul)
    types: tuple[np.dtype, ...] = (np.dtype(np.float32), np.dtype(np.float64))

    def with_product(self, product: Callable[..., np.ndarray], dtype: np.dtype) -> Self:
        """Return this algorithm for operands of one type, with another product of matrices.

        Raises:
            PrecisionError: where its sums are made elsewhere.
        """
        if not self.any_type:
            raise PrecisionError(f"the convolution {self.name!r} has its sums in compiled code for float32")
        other = copy.copy(self)
        other.product, other.types = product, (dtype,)
        return other

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return how many numbers are held beside images, kernel and sums while the sums are computed.

        Args:
            images: of a batch.
            spatial: rows and columns of an image.
            w: shape of the kernel.
        """
        return 0

    def moved(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return how many numbers are read or written, if nothing stays in a cache from one step to the next.

        That is every operand and sum once, and what is made on the way twice; arguments as of :meth:`held`.
        """
        return operands(images, spatial, w, window) + 2 * self.held(images, spatial, w, window)

    def refusal(self, window: Window) -> str:
        """Return why a window cannot be computed, in words; empty where it can."""
        return ""

    def forward(self, x: np.ndarray, w: np.ndarray, window: Window) -> np.ndarray:
        """Return the sums (N, rows, columns, filters).

        Args:
            x: images (N, H, W, C), float32 or float64.
            w: kernel (*sizes, C, filters), the same type.
            window: of two dimensions, without dilations and groups.

        Raises:
            PrecisionError: for a window that this algorithm cannot compute, and shapes that do not fit.
        """
        self._check(x, w, window)
        return self._forward(window.padded(x), w, window.strides, window.output(x.shape[1:3]))

    def backward(
        self, x: np.ndarray, w: np.ndarray, window: Window, dy: np.ndarray, inputs: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return the gradients by the images (N, H, W, C) and by the kernel.

        Args:
            x, w, window: as of :meth:`forward`.
            dy: the gradient by the sums.
            inputs: whether that by the images is wanted, which that of the first layer is not; else None.

        Raises:
            PrecisionError: as :meth:`forward`.
        """
        self._check(x, w, window)
        dx, dw = self._backward(window.padded(x), w, window.strides, dy, inputs)
        if dx is not None:
            (top, _), (left, _) = window.pads(x.shape[1:3])
            dx = dx[:, top : top + x.shape[1], left : left + x.shape[2]]
        return dx, dw

    @abstractmethod
    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        """Return the sums for images with their padding around them."""

    @abstractmethod
    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return the gradients, that by the images with their padding."""

    def _check(self, x: np.ndarray, w: np.ndarray, window: Window) -> None:
        if len(window.sizes) != 2 or window.groups != 1 or set(window.dilations) - {1}:
            raise PrecisionError(
                f"the convolution {self.name!r} takes windows of two dimensions without groups and "
                f"dilations, but got {window}"
            )
        if x.ndim != 4 or w.shape[:3] != (*window.sizes, x.shape[3]):
            raise PrecisionError(
                f"a convolution of images (N, H, W, C) with a window of {window.sizes} takes a kernel "
                f"(*sizes, C, filters), but got the shapes {x.shape} and {w.shape}"
            )
        if x.dtype != w.dtype or x.dtype not in self.types:
            types = " or both of ".join(map(str, self.types))
            raise PrecisionError(
                f"a convolution takes images and a kernel of {types}, but got {x.dtype} and {w.dtype}"
            )
        why = self.refusal(window)
        if why:
            raise PrecisionError(f"the convolution {self.name!r} {why}")


def operands(images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
    """Return how many numbers images, kernel and sums have; arguments as of :meth:`Convolution.held`."""
    x, y = math.prod(spatial) * w[2], math.prod(window.output(spatial)) * w[3]
    return images * (x + y) + math.prod(w)


def as_convolution(
    x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and a kernel whose convolution with strides of 1 is the gradient by the images.

    They are the gradient by the sums, spread by the strides with zeros around it, and the kernel turned
    round.
    """
    rows, columns = w.shape[0] - 1, w.shape[1] - 1
    spread = memory.zeros((len(x), x.shape[1] + rows, x.shape[2] + columns, w.shape[3]), x.dtype)
    high, wide = ((n - 1) * s + 1 for n, s in zip(dy.shape[1:3], strides, strict=True))
    spread[:, rows : rows + high : strides[0], columns : columns + wide : strides[1]] = dy
    return spread, np.ascontiguousarray(w[::-1, ::-1].transpose(0, 1, 3, 2))


def taps(w: np.ndarray) -> list[tuple[int, int]]:
    """Return the places of a kernel in their order."""
    return [(row, column) for row in range(w.shape[0]) for column in range(w.shape[1])]


def seen(
    x: np.ndarray, tap: tuple[int, int], strides: tuple[int, ...], output: tuple[int, ...]
) -> np.ndarray:
    """Return what one place of all windows sees, a view (N, rows, columns, C)."""
    rows, columns = (
        slice(at, at + (count - 1) * stride + 1, stride)
        for at, stride, count in zip(tap, strides, output, strict=True)
    )
    return x[:, rows, columns]
