"""Ways to compute a convolution and its gradients, on NumPy arrays; a new one is a file and a line below.

All have the same sums but for the order in which they are added, and so for rounding. ``parallel`` shares a
batch among workers; ``step`` is a whole training step that is written out.
"""

from __future__ import annotations

from collections.abc import Mapping

from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.convolutions.direct import Direct
from precision.arithmetic.convolutions.fourier import Fourier
from precision.arithmetic.convolutions.im2col import Im2col
from precision.arithmetic.convolutions.naive import Naive
from precision.arithmetic.convolutions.pixel_matrix import PixelMatrix
from precision.arithmetic.convolutions.shifted import Shifted
from precision.arithmetic.convolutions.winograd import Winograd
from precision.errors import unknown

__all__ = ["CONVOLUTIONS", "Convolution", "convolution"]

CONVOLUTIONS: Mapping[str, Convolution] = {
    one.name: one
    for one in (
        Naive(),
        PixelMatrix(),
        Im2col(),
        Shifted(),
        Direct(),
        Winograd(2),
        Winograd(4),
        Fourier(),
    )
}


def convolution(name: str) -> Convolution:
    """Return an algorithm by its name.

    Raises:
        PrecisionError: for an unknown name.

    >>> import numpy as np
    >>> from precision.arithmetic.convolutions import convolution
    >>> from precision.arithmetic.window import Window
    >>> x, w = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    >>> convolution("direct").forward(x, w, Window((3, 3), (1, 1), (1, 1)))[0, :, :, 0].tolist()
    [[9.0, 9.0], [9.0, 9.0]]
    """
    if name not in CONVOLUTIONS:
        raise unknown("convolution", name, CONVOLUTIONS)
    return CONVOLUTIONS[name]
