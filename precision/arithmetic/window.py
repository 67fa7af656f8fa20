"""What a dense or convolution layer sums over, and in which order: its window, without any arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """The window of a convolution with channels last; a dense layer is one without spatial dimensions.

    A *step* is one position in the window and one input channel. Steps run in the order of the kernel's own
    axes: row by row, column by column, and within a position over the input channels (of the group); for a
    dense layer, over the inputs. A position that lies in the padding is a step like any other, with an
    input of zero.

    Attributes:
        sizes: of the kernel, one for each spatial dimension; strides and dilations likewise.
        padding: ``valid``, ``same`` or ``causal``, as Keras defines them.
        groups: input channels are divided into as many parts; each filter sums over the channels of one.
    """

    sizes: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    padding: str = "valid"
    groups: int = 1

    def output(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of the output for that of an input."""
        if self.padding == "valid":
            counts = [n - self._reach(axis) + 1 for axis, n in enumerate(spatial)]
        else:
            counts = list(spatial)
        return tuple(max(0, -(-n // s)) for n, s in zip(counts, self.strides, strict=True))

    def pads(self, spatial: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return how many zeros are put before and after an input, for each spatial dimension.

        ``same`` pads evenly, with the odd one behind, and so that ceil(n / stride) outputs result;
        ``causal`` pads in front alone.
        """
        if self.padding == "valid":
            return [(0, 0)] * len(spatial)
        if self.padding == "causal":
            return [(self._reach(axis) - 1, 0) for axis in range(len(spatial))]
        missing = [
            max(0, (count - 1) * stride + self._reach(axis) - n)
            for axis, (count, stride, n) in enumerate(
                zip(self.output(spatial), self.strides, spatial, strict=True)
            )
        ]
        return [(total // 2, total - total // 2) for total in missing]

    def padded(self, x: np.ndarray, value: int = 0) -> np.ndarray:
        """Return an input (batch, *spatial, channels) with its zeros around it, or with another value."""
        pads = self.pads(x.shape[1:-1])
        if not any(map(any, pads)):
            return x
        batch, *spatial, channels = x.shape
        sizes = [n + before + after for n, (before, after) in zip(spatial, pads, strict=True)]
        wide = np.full((batch, *sizes, channels), value, x.dtype)
        wide[(slice(None), *(slice(b, b + n) for n, (b, _) in zip(spatial, pads, strict=True)))] = x
        return wide

    def _reach(self, axis: int) -> int:
        return (self.sizes[axis] - 1) * self.dilations[axis] + 1


def offsets(counts: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """Return the offset of every index of an array with these counts and strides, the last index fastest."""
    grid = np.zeros(tuple(counts), np.int64)
    for axis, (count, stride) in enumerate(zip(counts, strides, strict=True)):
        grid += (np.arange(count) * stride).reshape(-1, *[1] * (len(counts) - axis - 1))
    return grid.reshape(-1)
