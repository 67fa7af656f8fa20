"""Products of two integers as a table: all that an engine knows of a multiplier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Products:
    """What a multiplier makes of each pair of an activation and a weight.

    The order of the operands is part of it, as many approximate multipliers are not symmetric: rows are
    activations, columns are weights, both ascending by value, so that no code of a sign enters.

    Attributes:
        table: int32, (activations, weights): ``table[a - lowest_a, w - lowest_w]`` is the product of a and w.
        lowest_a: the activation of the first row.
        lowest_w: the weight of the first column.

    >>> import numpy as np
    >>> exact = Products(np.outer(np.arange(4), np.arange(-2, 2)).astype(np.int32), 0, -2)
    >>> exact.of(np.array([3]), np.array([-2]))
    array([-6], dtype=int32)
    """

    table: np.ndarray
    lowest_a: int
    lowest_w: int

    @property
    def highest_a(self) -> int:
        """The activation of the last row."""
        return self.lowest_a + self.table.shape[0] - 1

    @property
    def highest_w(self) -> int:
        """The weight of the last column."""
        return self.lowest_w + self.table.shape[1] - 1

    def of(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return the products of activations and weights, integers of shapes that broadcast."""
        return self.table[a - self.lowest_a, w - self.lowest_w]
