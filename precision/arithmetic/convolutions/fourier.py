"""Through the discrete Fourier transform, where a convolution is a product for each frequency.

M. Mathieu, M. Henaff and Y. LeCun, "Fast training of convolutional networks through FFTs", ICLR 2014. The
transform costs the same whatever the size of the kernel, and mixes small values with large ones: its error
is that of the largest sum of an image.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from precision.arithmetic.convolutions.base import Convolution, seen
from precision.arithmetic.window import Window

_AXES = (1, 2)


class Fourier(Convolution):
    """Transforms of images and kernel, a product of matrices for each frequency, and the transform back."""

    name = "fft"
    meaning = "products in the frequency domain"
    any_type = False

    def held(self, images: int, spatial: tuple[int, ...], w: tuple[int, ...], window: Window) -> int:
        """Return the size of the transforms of images, kernel and sums; a complex number counts as two."""
        wide = [n + sum(pad) for n, pad in zip(spatial, window.pads(spatial), strict=True)]
        rows, columns = (fft.next_fast_len(n, real=True) for n in wide)
        return 2 * rows * (columns // 2 + 1) * (images * (w[2] + w[3]) + w[2] * w[3])

    def _forward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], output: tuple[int, ...]
    ) -> np.ndarray:
        size = _size(x)
        images, kernel = _transformed(x, size), _transformed(w.transpose(2, 0, 1, 3), size)
        # What a network calls a convolution is a correlation: the conjugate of the kernel.
        sums = np.einsum("nijc,cijf->nijf", images, kernel.conj(), optimize=True)
        y = fft.irfft2(sums, size, axes=_AXES)
        return np.ascontiguousarray(seen(y, (0, 0), strides, output))

    def _backward(
        self, x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], dy: np.ndarray, inputs: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        size = _size(x)
        spread = np.zeros((len(x), *size, w.shape[3]), x.dtype)
        seen(spread, (0, 0), strides, dy.shape[1:3])[:] = dy
        gradient = _transformed(spread, size)
        by_kernel = np.einsum("nijc,nijf->cijf", _transformed(x, size), gradient.conj(), optimize=True)
        dw = fft.irfft2(by_kernel, size, axes=_AXES)[:, : w.shape[0], : w.shape[1]].transpose(1, 2, 0, 3)
        if not inputs:
            return None, np.ascontiguousarray(dw)
        kernel = _transformed(w.transpose(2, 0, 1, 3), size)
        by_images = np.einsum("nijf,cijf->nijc", gradient, kernel, optimize=True)
        dx = fft.irfft2(by_images, size, axes=_AXES)[:, : x.shape[1], : x.shape[2]]
        return dx, np.ascontiguousarray(dw)


def _size(x: np.ndarray) -> tuple[int, int]:
    """Return the least sizes at which nothing wraps around and the transform is fast.

    The windows lie within the images, so these alone decide.
    """
    return fft.next_fast_len(x.shape[1], real=True), fft.next_fast_len(x.shape[2], real=True)


def _transformed(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(fft.rfft2(x, size, axes=_AXES))
