"""The error of every algorithm in sums of float32, float16 and bfloat16.

Images and kernel are rounded to the type first, so that what is seen is the error of the sums alone, against
sums in float64, where products of such numbers are exact and additions nearly so. S. A. Vincent and others,
"On improving the numerical stability of Winograd convolutions", ICLR 2017 workshop, explain what the
interpolation does to Winograd's; N. J. Higham, "Accuracy and stability of numerical algorithms", 2nd edition,
chapter 4, what the order of a sum does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from precision.arithmetic.convolutions import convolution
from precision.arithmetic.convolutions.parallel import Parallel
from precision.arithmetic.convolutions.rounded import rounded
from precision.arithmetic.window import Window

TYPES: dict[str, np.dtype] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
SPATIAL, IMAGES, FILTERS = 12, 2, 4


@dataclass(frozen=True)
class Error:
    """Of the sums of one convolution.

    Attributes:
        terms: of a sum: rows * columns * channels of the kernel.
        relative: root of the mean square error over that of the sums.
        worst: largest error over the root of the mean square of the sums.
        unit: roundoff of the type, 2^-p for p bits of significand.
    """

    kernel: int
    channels: int
    algorithm: str
    sums: str
    relative: float
    worst: float
    unit: float

    @property
    def terms(self) -> int:
        """How many products are added."""
        return self.kernel**2 * self.channels


def errors(kernel: int, channels: int, algorithms: Sequence[str], seed: int = 0) -> list[Error]:
    """Return the errors of one convolution of normal images, with a kernel as a network begins with.

    float32 is computed as the algorithm is, in whatever order it adds. In narrower types every product and
    every sum is rounded, one after the other; algorithms whose sums are in code compiled for float32 have
    none.
    """
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(IMAGES, SPATIAL, SPATIAL, channels))
    weights = rng.normal(size=(kernel, kernel, channels, FILTERS)) * np.sqrt(2 / (kernel**2 * channels))
    window, found = Window((kernel, kernel), (1, 1), (1, 1)), []
    for name, dtype in TYPES.items():
        x, w = images.astype(dtype), weights.astype(dtype)
        exact = convolution("im2col").forward(x.astype(np.float64), w.astype(np.float64), window)
        scale = np.sqrt(np.mean(exact**2))
        for algorithm in algorithms:
            one = convolution(algorithm)
            narrow = dtype != np.float32
            if one.refusal(window) or (narrow and not one.any_type):
                continue
            with Parallel(one, 1):
                y = (rounded(one, dtype) if narrow else one).forward(x, w, window)
            off = y.astype(np.float64) - exact
            unit = float(ml_dtypes.finfo(dtype).eps) / 2
            found.append(
                Error(
                    kernel, channels, algorithm, name,
                    float(np.sqrt(np.mean(off**2)) / scale), float(np.abs(off).max() / scale), unit,
                )
            )  # fmt: skip
    return found
