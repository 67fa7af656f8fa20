"""How the filters of a layer are divided into tiles of vectors, and its steps into blocks for the cache."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np

from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.lines import LANES

_VECTORS = 5  # of sums that a tile holds at most: as many as registers hold beside what is loaded
_PAGE = 1 << 21  # bytes of a large page
_BLOCK = 1 << 19  # bytes of lines at a time: half the second-level cache, and twice that if it is all
_place = threading.local()


class Tiles:
    """The weights of a layer, as columns of the multiplier's table, in the order in which lines are made.

    Attributes:
        vectors: a tuple as long as a line has vectors.
        lanes: of a line.
        width: lanes of all tiles of all groups.
        columns: int32, (groups, tiles, steps, lanes); those beyond the filters are of a column of zeros.
        entries: the multiplier's table, (weights, activations), in the narrowest type, with a weight behind
            the others whose products are 0, and as many further activations as fill a vector.
        block: steps at a time.
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
        more = -len(table) % LANES
        self.entries = np.pad(table.T.astype(_narrowest(table)), [(0, 1), (0, more)])
        self._steps = len(matrix)
        line = self.entries.shape[1] * self.lanes * self.entries.itemsize
        self.block = self._steps if line * self._steps <= 2 * _BLOCK else max(1, _BLOCK // line)

    def lay(self, matrix: np.ndarray, beyond: int = 0) -> np.ndarray:
        """Return (groups, tiles, rows, lanes) from (rows, filters), filled up with a number."""
        rows = len(matrix)
        parts = matrix.reshape(rows, self._groups, self._size)
        more = self._tiles * self.lanes - self._size
        parts = np.pad(parts, [(0, 0), (0, 0), (0, more)], constant_values=beyond)
        tiled = parts.reshape(rows, self._groups, self._tiles, self.lanes)
        return np.ascontiguousarray(tiled.transpose(1, 2, 0, 3))

    def column(self, group: int, tile: int) -> int:
        """Return the first lane of a tile."""
        return (group * self._tiles + tile) * self.lanes

    def without_padding(self, sums: np.ndarray) -> np.ndarray:
        """Return (positions, filters) from positions x width as one dimension."""
        if self.width == self._groups * self._size:
            return sums.reshape(-1, self.width)
        parts = sums.reshape(-1, self._groups, self._tiles * self.lanes)
        return parts[..., : self._size].reshape(len(parts), -1)

    def all(self) -> Iterator[tuple[int, int]]:
        """Yield (group, tile)."""
        return itertools.product(range(self._groups), range(self._tiles))

    def weights(self, group: int, tile: int) -> tuple[np.ndarray, int, np.ndarray]:
        """Return what the lines of a tile are made of, see ``lines.build``: (entries, count, columns)."""
        return self.entries.reshape(-1), self.entries.shape[1], self.columns[group, tile].reshape(-1)

    @property
    def whole(self) -> bool:
        """Whether one block has all steps."""
        return self.block >= self._steps

    def room(self) -> tuple[np.ndarray, int, tuple[int, ...]]:
        """Return where the lines of a block are made, see ``loops.position``: a place for each thread.

        A step has a line more than there are activations: at a distance of a power of two, the lines of one
        activation, which may be most of an input, would all fall into the same few places of the cache.

        It lies on a large page where the system has them: on small ones nearly every line that is read
        would need another entry of the buffer of addresses, which costs a third of the speed. NumPy asks for
        large pages for arrays of some megabytes.
        """
        of_step = self.entries.shape[1] + 1
        size = self.block * of_step * self.lanes * self.entries.itemsize
        room = getattr(_place, "room", None)
        if room is None or len(room) < size:
            room = np.empty(size + 2 * _PAGE, np.uint8)
            room = _place.room = room[-room.ctypes.data % _PAGE :]
        return room[:size].view(self.entries.dtype), of_step, self.vectors


def _narrowest(table: np.ndarray) -> type[np.integer]:
    least, most = int(table.min()), int(table.max())
    if least >= -(1 << 15) and most < 1 << 15:
        return np.int16
    return np.uint16 if least >= 0 and most < 1 << 16 else np.int32
