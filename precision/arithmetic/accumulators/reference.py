"""Accumulation in a narrow format, step by step in NumPy: what the fast implementation must agree with."""

from __future__ import annotations

import numpy as np

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.window import Window


def accumulate(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    accumulator: Accumulator,
    window: Window | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return the sums of products of a dense or convolution layer, rounded as they grow.

    The arithmetic is that of :func:`precision.quantization.sums.accumulate`.

    Args:
        x: float32, (batch, *spatial, channels).
        kernel: float32, (*sizes, channels / groups, filters).
        bias: float32, (filters,), or None.
        accumulator: the formats and how often is rounded.
        window: of the convolution; None for a dense layer.
        seed: of stochastic rounding.

    Returns:
        float32, (batch, *output spatial, filters).
    """
    window = window or Window()
    spatial = window.output(x.shape[1:-1])
    filters = kernel.shape[-1]
    # The first input channel of the group that each filter belongs to.
    first = np.arange(filters) // (filters // window.groups) * kernel.shape[-2]
    x = window.padded(x)
    total = np.zeros((x.shape[0], *spatial, filters), np.float32)
    steps = list(np.ndindex(kernel.shape[:-1]))
    rounding, every, products = accumulator.rounding, accumulator.every, accumulator.products
    with np.errstate(all="ignore"):  # infinities and NaN are values here
        for number, (*place, channel) in enumerate(steps):
            seen = [
                slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                for at, dilation, count, stride in zip(
                    place, window.dilations, spatial, window.strides, strict=True
                )
            ]
            product = x[(slice(None), *seen, first + channel)] * kernel[(*place, channel)]
            if products is not None:
                product = products.quantize(product, rounding, key=(seed, number, 0))
            total = total + product
            if (number + 1) % every == 0 or number + 1 == len(steps):
                total = accumulator.number_format.quantize(total, rounding, key=(seed, number, 1))
        if bias is not None:
            total = total + bias
            total = accumulator.number_format.quantize(total, rounding, key=(seed, len(steps), 1))
    return np.where(np.isnan(total), np.float32(np.nan), total)  # a NaN has no other bits than these
