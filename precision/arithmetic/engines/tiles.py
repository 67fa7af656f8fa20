"""How the filters of a layer are divided into tiles of vectors, and its steps into blocks that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.loops import LANES

_VECTORS = 5  # of sums that a tile holds at most: as many as registers hold beside what is loaded
_BLOCK = 1 << 20  # bytes of lines at a time: the second-level cache


class Tiles:
    """The weights of a layer, as columns of the multiplier's table, in the order in which lines are made.

    Attributes:
        vectors: a tuple as long as a line has vectors.
        lanes: of a line.
        width: lanes of all tiles of all groups.
        columns: int32, (groups, tiles, steps, lanes); those beyond the filters are of a column of zeros.
        entries: the multiplier's table in the narrowest type, with a column of zeros behind it.
        bytes: of all lines.
        kept: blocks of lines that were made once.
    """

    def __init__(self, layer: Layer, scatter: bool) -> None:
        table = layer.products.table
        self._groups = layer.window.groups
        self._size = layer.filters // self._groups
        matrix = layer.matrix
        if scatter:  # (channels, groups x taps x filters)
            depth = layer.w.shape[-2]
            parts = matrix.reshape(-1, depth, self._groups, self._size)
            self._size *= len(parts)
            matrix = parts.transpose(1, 2, 0, 3).reshape(depth, -1)
        vectors = -(-self._size // LANES)
        self._tiles = 1 if scatter else -(-vectors // _VECTORS)
        self.vectors = (0,) * -(-vectors // self._tiles)
        self.lanes = len(self.vectors) * LANES
        self.width = self._groups * self._tiles * self.lanes
        self.columns = self.lay(matrix, table.shape[1]).astype(np.int32)
        self.entries = np.pad(table, [(0, 0), (0, 1)]).astype(_narrowest(table))
        self._steps = len(matrix)
        line = len(table) * self.lanes * self.entries.itemsize
        self._block = max(1, min(self._steps, _BLOCK // line))
        self.bytes = line * self._steps * self._groups * self._tiles
        self.kept: dict[tuple[int, int, int], np.ndarray] = {}

    def lay(self, matrix: np.ndarray, beyond: int = 0) -> np.ndarray:
        """Return (groups, tiles, rows, lanes) from (rows, filters), filled up with a number."""
        rows = len(matrix)
        parts = matrix.reshape(rows, self._groups, self._size)
        more = self._tiles * self.lanes - self._size
        parts = np.pad(parts, [(0, 0), (0, 0), (0, more)], constant_values=beyond)
        parts = parts.reshape(rows, self._groups, self._tiles, self.lanes)
        return np.ascontiguousarray(parts.transpose(1, 2, 0, 3))

    def column(self, group: int, tile: int) -> int:
        """Return the first lane of a tile."""
        return (group * self._tiles + tile) * self.lanes

    def without_padding(self, sums: np.ndarray) -> np.ndarray:
        """Return (positions, filters) from positions x width as one dimension."""
        parts = sums.reshape(-1, self._groups, self._tiles * self.lanes)
        return parts[..., : self._size].reshape(len(parts), -1)

    def blocks(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield (group, tile, first step, step after the last one); the steps of a tile in their order."""
        for group in range(self._groups):
            for tile in range(self._tiles):
                for begin in range(0, self._steps, self._block):
                    yield group, tile, begin, min(begin + self._block, self._steps)

    def room(self) -> np.ndarray:
        """Return an array for the lines of a block: (steps, activations, lanes), on a boundary of vectors."""
        count = self._block * len(self.entries) * self.lanes
        room = np.empty(count + 64, self.entries.dtype)
        start = -room.ctypes.data % 64 // room.itemsize
        return room[start : start + count].reshape(self._block, len(self.entries), self.lanes)


def _narrowest(table: np.ndarray) -> type[np.integer]:
    least, most = int(table.min()), int(table.max())
    if least >= -(1 << 15) and most < 1 << 15:
        return np.int16
    return np.uint16 if least >= 0 and most < 1 << 16 else np.int32
