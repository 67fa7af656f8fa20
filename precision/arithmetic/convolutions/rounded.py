"""An algorithm whose sums are rounded to a narrow type after every multiplication and every addition."""

from __future__ import annotations

import numpy as np

from precision.arithmetic.convolutions.base import Convolution


def rounded(algorithm: Convolution, dtype: np.dtype) -> Convolution:
    """Return an algorithm for operands of a type, with all of its sums in that type.

    Args:
        dtype: for example ``numpy.dtype("float16")``, or that of ``ml_dtypes.bfloat16``. NumPy and ml_dtypes
            compute one operation in float32 and round, which for at most 11 bits is as if it were exact.

    Raises:
        PrecisionError: for an algorithm whose sums are made in compiled code for float32.
    """
    return algorithm.with_product(in_order, dtype)


def in_order(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of two matrices in their type: products are rounded, and added one by one, rounded.

    Args:
        a, b: (..., m, k) and (..., k, n), as ``numpy.matmul`` takes them, which itself adds in float32.
        out: takes the product, if given.
    """
    total = a[..., :, 0, None] * b[..., None, 0, :]
    for k in range(1, a.shape[-1]):
        total = total + a[..., :, k, None] * b[..., None, k, :]
    if out is None:
        return total
    np.copyto(out, total)
    return out
