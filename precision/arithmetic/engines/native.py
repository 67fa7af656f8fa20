"""The convolution of the Keras backend at hand, on whatever device it has, kept to exact sums of float32.

Two things make the float32 convolution of a library inexact for whole numbers below 2^24: factors rounded to
ten bits (TensorFloat-32, which GPUs take unless told not to), and algorithms that subtract sums of products
from each other (Winograd's). The first is switched off here; for the second there is no common switch, so
whoever calls compares some of the result.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from precision.arithmetic.window import Window

_one = threading.Lock()  # the switches below are of the whole process


def serves(window: Window) -> bool:
    """Return whether there is a convolution for a window: in a process that has Keras, and without groups."""
    return "keras" in sys.modules and 1 <= len(window.sizes) <= 3 and window.groups == 1


def accelerated() -> bool:
    """Return whether the Keras backend of this process, if it has one, computes on a GPU."""
    if "keras" not in sys.modules:
        return False
    from keras import backend

    name = backend.backend()
    if name == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    if name == "torch":
        import torch

        return bool(torch.cuda.is_available())
    if name == "tensorflow":
        from tensorflow import config

        return bool(config.list_physical_devices("GPU"))
    return False


def convolve(x: np.ndarray, kernel: np.ndarray, window: Window) -> np.ndarray:
    """Return a convolution of an input that has its padding.

    Args:
        x: float32, (batch, *spatial, channels).
        kernel: float32, (*sizes, channels, filters).
        window: its strides and dilations; one of both is 1.

    Returns:
        float32, (batch, *output spatial, filters).
    """
    from keras import ops

    with _one, _full_float32():
        y = ops.conv(
            x, kernel, window.strides, "valid", data_format="channels_last", dilation_rate=window.dilations
        )
        return np.asarray(ops.convert_to_numpy(y))


@contextmanager
def _full_float32() -> Iterator[None]:
    from keras import backend

    name = backend.backend()
    if name == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            yield
    elif name == "torch":
        import torch

        with torch.backends.cudnn.flags(allow_tf32=False):
            yield
    elif name == "tensorflow":
        from tensorflow import config

        before = config.experimental.tensor_float_32_execution_enabled()
        config.experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            config.experimental.enable_tensor_float_32_execution(before)
    else:
        yield
