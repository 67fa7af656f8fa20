"""What packing does to values: how many were clipped, how many became zero, and the noise beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Loss:
    """Of some values that were rounded.

    Attributes:
        values: how many there are.
        clipped: how many lay beyond the largest or the least value that their format has, under their scale;
            NaN where the format does not tell.
        zeroed: how many were not zero and became zero.
        signal, noise: sums of the squares of the values and of their errors.
    """

    values: int
    clipped: float
    zeroed: int
    signal: float
    noise: float

    @property
    def sqnr(self) -> float:
        """Signal to quantisation noise in decibels: infinite when all are exact."""
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf


def loss_of(values: np.ndarray, rounded: np.ndarray, clipped: float) -> Loss:
    """Return what became of values, two arrays of one shape; those that are not finite make no noise."""
    exact, held = values.astype(np.float64), rounded.astype(np.float64)
    finite = np.isfinite(exact) & np.isfinite(held)
    return Loss(
        values.size,
        clipped,
        int(((rounded == 0) & (values != 0)).sum()),
        float(np.square(exact[finite]).sum()),
        float(np.square(held[finite] - exact[finite]).sum()),
    )


def total(losses: Iterable[Loss]) -> Loss:
    """Return the loss of all values together."""
    every = list(losses)
    return Loss(
        sum(loss.values for loss in every),
        sum(loss.clipped for loss in every),
        sum(loss.zeroed for loss in every),
        sum(loss.signal for loss in every),
        sum(loss.noise for loss in every),
    )
