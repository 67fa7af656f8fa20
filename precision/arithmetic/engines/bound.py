"""What a sum can reach at most, proven from the weights and the table: whether an overflow is possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from precision.arithmetic.accumulators.register import bits_of
from precision.arithmetic.products import Products


@dataclass(frozen=True)
class Bound:
    """The range of the exact sums of each filter, over all inputs whose activations the table has.

    Attributes:
        lowest: int64, (filters,): no running sum is below it, the bias as the first of them included.
        highest: no running sum is above it.
        final_lowest: the same for the sum after the last step, all that counts where a register wraps.
        final_highest: likewise.
        magnitude: |bias| + sum over the steps of the largest |product|, as it is commonly stated; never less
            than any of the others.
    """

    lowest: np.ndarray
    highest: np.ndarray
    final_lowest: np.ndarray
    final_highest: np.ndarray
    magnitude: np.ndarray

    @property
    def bits(self) -> int:
        """The width, sign included, from which on no register overflows at any step."""
        return bits_of(int(self.lowest.min()), int(self.highest.max()))

    @property
    def final_bits(self) -> int:
        """The width from which on a register that wraps ends at the exact sum."""
        return bits_of(int(self.final_lowest.min()), int(self.final_highest.max()))


def bound(products: Products, columns: np.ndarray, bias: np.ndarray) -> Bound:
    """Return what is proven of the sums of a layer.

    Args:
        products: the multiplier.
        columns: columns of its table, int64, (steps, filters), in the order of the steps.
        bias: int64, (filters,).
    """
    least = products.table.min(axis=0).astype(np.int64)
    most = products.table.max(axis=0).astype(np.int64)
    down = bias + np.cumsum(least[columns], axis=0)
    up = bias + np.cumsum(most[columns], axis=0)
    return Bound(
        np.minimum(bias, down.min(axis=0)),
        np.maximum(bias, up.max(axis=0)),
        down[-1],
        up[-1],
        np.abs(bias) + np.maximum(-least, most)[columns].sum(axis=0),
    )
