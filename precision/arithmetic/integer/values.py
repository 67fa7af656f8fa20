"""What flows through an integer network: images, codes and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Grid:
    """What a code stands for: ``scale * (code - zero)``.

    Attributes:
        scale: the real value of one step.
        zero: the code of the real zero.
        lowest, highest: the codes there are.
    """

    scale: float
    zero: int
    lowest: int
    highest: int

    @property
    def offset(self) -> int:
        """What is taken from a code so that it is one of int8, as run-times want it."""
        return 128 if self.highest > 127 else 0

    def code_of(self, real: float) -> int:
        """Return the code nearest to a real value, within the range."""
        return int(np.clip(np.rint(real / self.scale) + self.zero, self.lowest, self.highest))

    def __str__(self) -> str:
        zero = f" with zero at {self.zero}" if self.zero else ""
        return f"{self.lowest}..{self.highest} in steps of {self.scale:.6g}{zero}"


@dataclass(frozen=True)
class Codes:
    """Integers that were rounded.

    Attributes:
        codes: integers, (batch, ..., channels).
        grid: what they stand for.
        scale: that of the grid, or one for each image, float64 of shape (batch, 1, ...), where the scale
            follows from the image.
        overflowed: images with a sum behind them that is not the exact one, see :class:`Wide`.
    """

    codes: np.ndarray
    grid: Grid
    scale: float | np.ndarray
    overflowed: np.ndarray | None = None

    def centred(self) -> np.ndarray:
        """Return the codes less that of zero, int64."""
        return self.codes.astype(np.int64) - self.grid.zero

    def real(self) -> np.ndarray:
        """Return what they stand for, float64."""
        return self.centred() * self.scale

    @property
    def images(self) -> int:
        """How many images they are of."""
        return len(self.codes)


@dataclass(frozen=True)
class Wide:
    """Numbers as wide as a register, which the next step rounds: sums of products, of a pool, of two tensors.

    Attributes:
        numbers: integers, or float64 where real numbers were added, (batch, ..., channels).
        unit: the real value of 1, float64 in a shape that broadcasts: of each channel, position or image.
        rectified: whether a number below zero counts as zero.
        ceiling: a real value above which a number counts as that value; None where there is none.
        places: by whose number the unit is still to be divided, where a rule does that in integers.
        rule: of requantisation, where it is not that of the network.
        overflowed: images with a sum that is not the exact one, bool (batch,); None where there is none.
    """

    numbers: np.ndarray
    unit: float | np.ndarray
    rectified: bool = False
    ceiling: float | None = None
    places: int = 1
    rule: str = ""
    overflowed: np.ndarray | None = None

    @property
    def images(self) -> int:
        """How many images they are of."""
        return len(self.numbers)

    def real(self) -> np.ndarray:
        """Return what they stand for, float64."""
        real = self.numbers * self.unit
        if self.places > 1:
            real = real / self.places
        return np.clip(real, 0.0 if self.rectified else None, self.ceiling)


@dataclass(frozen=True)
class Real:
    """The images as they come, float32, or what a layer of real numbers in front of the network made."""

    numbers: np.ndarray

    @property
    def images(self) -> int:
        """How many images they are of."""
        return len(self.numbers)

    def real(self) -> np.ndarray:
        """Return them as float64."""
        return self.numbers.astype(np.float64)


Value = Codes | Wide | Real


def joined(values: Sequence[Value]) -> Value:
    """Return the codes of several parts of a batch as one; they are of one step."""
    codes = [value for value in values if isinstance(value, Codes)]
    if len(codes) == len(values) == 1:
        return codes[0]
    assert len(codes) == len(values)  # a layer that sums products reads codes
    scale = codes[0].scale
    if np.ndim(scale):
        scale = np.concatenate([np.asarray(value.scale) for value in codes])
    return Codes(np.concatenate([value.codes for value in codes]), codes[0].grid, scale)


def of_rank(scale: float | np.ndarray, rank: int) -> Any:
    """Return a scale of each image in a shape for numbers of another rank; one of all images as it is."""
    return scale if np.ndim(scale) == 0 else np.reshape(scale, (-1,) + (1,) * (rank - 1))
