"""The gather engine: each product is looked up by itself; for a few positions, where lines do not pay.

The table engine first lays out a product for each weight and each activation that may come. For one image
through a dense layer that is 256 times as much as is read.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.reads import reads
from precision.arithmetic.engines.sums import Sums, settled
from precision.arithmetic.engines.table import Table
from precision.arithmetic.threads import divide, processors

_PIECE = 1 << 15  # products below which a further thread costs more than it brings


class Gather:
    """See the module; registers that saturate on the way, and peaks, are left to the table engine."""

    name = "gather"

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        layer = self._layer
        if observe or layer.ordered:
            return self._ordered.sums(x, observe)
        of = reads(layer, x)
        exact = np.empty((of.positions, layer.filters), self._layer.wide)
        exact[:] = layer.biases
        table, size = layer.products.table, layer.filters // layer.window.groups

        def part(first: int, last: int) -> None:
            _gather(
                of.x, of.image, of.pixels, of.steps, table, self._columns, size, of.depth, exact, first, last
            )

        if exact.size:
            threads = processors()
            divide(part, len(exact), min(threads, max(1, exact.size * layer.steps // _PIECE)), threads)
        return settled(exact.reshape(of.shape), layer, self.name)

    @cached_property
    def _columns(self) -> np.ndarray:
        return self._layer.matrix.astype(
            np.uint16 if self._layer.products.table.shape[1] < 1 << 16 else np.int64
        )

    @cached_property
    def _ordered(self) -> Table:
        return Table(self._layer)


@compiled
def _gather(
    x: Any, image: int, pixels: Any, steps: Any, table: Any, columns: Any, size: int, depth: int, exact: Any,
    first: int, last: int,
) -> None:  # fmt: skip
    count = len(pixels)
    for row in range(first, last):
        at = row // count * image + pixels[row % count]
        for group in range(exact.shape[1] // size):
            for k in range(len(steps)):
                products = table[x[at + group * depth + steps[k]]]
                of, sums = columns[k, group * size :], exact[row, group * size :]
                for f in range(size):
                    sums[f] += products[of[f]]
