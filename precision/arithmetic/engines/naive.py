"""The naive engine: the definition, step by step in NumPy; what every other engine must agree with."""

from __future__ import annotations

import numpy as np

from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.sums import Sums, counted


class Naive:
    """One array operation for each step of a layer; see :class:`Layer` for the arithmetic."""

    name = "naive"

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        layer, window = self._layer, self._layer.window
        rows = layer.rows(x)
        spatial = window.output(x.shape[1:-1])
        # The first input channel of the group that each filter belongs to.
        first = np.arange(layer.filters) // (layer.filters // window.groups) * layer.w.shape[-2]
        exact = np.broadcast_to(layer.biases, (len(x), *spatial, layer.filters)).astype(np.int64)
        held = exact.copy()
        peak = int(np.abs(exact).max(initial=0))
        for step, (*place, channel) in enumerate(np.ndindex(layer.w.shape[:-1]) if exact.size else ()):
            seen = [
                slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                for at, dilation, count, stride in zip(
                    place, window.dilations, spatial, window.strides, strict=True
                )
            ]
            product = layer.products.table[rows[(slice(None), *seen, first + channel)], layer.matrix[step]]
            exact += product
            held = layer.register.put(held + product)
            peak = max(peak, int(np.abs(exact).max(initial=0)))
        return counted(held, exact, layer, self.name, peak if observe else None)
