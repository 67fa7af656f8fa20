"""The table engine: the products of a layer's weights are laid out so that an activation costs one addition.

For each step and each activation there is a *line*: the products with the weights of all filters, side by
side. A sum over the steps then adds one line for each activation, a plain addition of vectors, whatever the
multiplier. Lines of 16 bits are added to sums of 32. They are made for as many steps at a time as fit the
second-level cache, and all positions of all images run through them; so large batches are the fast ones.

Two forms, with the same bits where nothing saturates:

- *direct*: each output position runs through all steps, in their order;
- *scatter*, for windows of several taps with few filters, where a line would be shorter than a vector: the
  filters of all taps are side by side, each input position is computed once, and its parts are added where
  they belong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from precision.arithmetic.engines import lines as making
from precision.arithmetic.engines import loops
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.reads import Reads, reads
from precision.arithmetic.engines.sums import Sums, counted, settled
from precision.arithmetic.engines.tiles import Tiles
from precision.arithmetic.threads import divide, processors

_PIECE = 1 << 18  # additions below which a further thread costs more than it brings


class Table:
    """See the module; any table, window and register."""

    name = "table"

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        layer, of = self._layer, reads(self._layer, x)
        if not math.prod(of.shape):
            return settled(np.zeros(of.shape, np.int64), layer, self.name, 0 if observe else None)
        saturates = layer.ordered
        if not (saturates or observe) and _scatters(layer, of):
            return settled(self._scatter(of).reshape(of.shape), layer, self.name)
        exact, held, peak = self._direct(of, saturates, observe)
        if held is None:
            return settled(exact.reshape(of.shape), layer, self.name, peak)
        return counted(held.reshape(of.shape), exact.reshape(of.shape), layer, self.name, peak)

    def _direct(
        self, of: Reads, saturates: bool, observe: bool
    ) -> tuple[np.ndarray, np.ndarray | None, int | None]:
        """Return the exact sums, what registers that saturate held, and the peak."""
        layer, tiles = self._layer, self._plain
        x, image, steps = of.x, of.image, of.steps
        apart = not layer.window.sizes and layer.window.groups == 1 and of.depth > tiles.block
        if apart:  # what a block reads of each image lies side by side, or every read would miss the cache
            wide = np.pad(x.reshape(-1, of.depth), [(0, 0), (0, -of.depth % tiles.block)])
            x = np.ascontiguousarray(wide.reshape(len(wide), -1, tiles.block).transpose(1, 0, 2))
            image, steps = tiles.block, steps % tiles.block
        alike = of.depth if layer.window.sizes and len(steps) == of.depth else 0
        exact = np.empty(of.positions * tiles.width, self._layer.wide)
        held = np.empty_like(exact) if saturates else exact
        ends = (layer.register.lowest, layer.register.highest) if saturates else ()
        biases = self._biases
        peaks = [0]
        for group, tile, begin, end, lines in self._lines(tiles):
            source = x[begin // tiles.block].reshape(-1) if apart else x[group * of.depth :]
            bias = biases[group, tile]

            def part(
                first: int, last: int, source: np.ndarray = source, begin: int = begin, end: int = end,
                lines: np.ndarray = lines, bias: np.ndarray = bias, column: int = tiles.column(group, tile),
            ) -> None:  # fmt: skip
                extremes: tuple[np.ndarray, ...] = (bias.copy(), bias.copy()) if observe else ()
                loops.direct(
                    source, image, of.pixels, steps, begin, end, lines.reshape(-1), lines.shape[1],
                    tiles.vectors, bias, exact, held, tiles.width, column, ends, extremes,
                    alike, first, last,
                )  # fmt: skip
                if observe:
                    peaks.append(max(-int(extremes[0].min()), int(extremes[1].max())))

            _share(part, of.positions, (end - begin) * tiles.lanes)
        return (
            tiles.without_padding(exact),
            tiles.without_padding(held) if saturates else None,
            max(peaks) if observe else None,
        )

    def _scatter(self, of: Reads) -> np.ndarray:
        layer, window, tiles = self._layer, self._layer.window, self._taps
        size = layer.filters // window.groups
        grid = np.arange(math.prod(of.padded)) * layer.channels
        pixels = of.pixels // layer.channels  # in positions, as the taps are
        taps = of.steps[:: of.depth] // layer.channels
        channels = np.arange(of.depth)
        exact = np.empty((of.positions, layer.filters), self._layer.wide)
        exact[:] = layer.biases
        for group, _, begin, end, lines in self._lines(tiles):

            def part(
                first: int, last: int, group: int = group, begin: int = begin, end: int = end,
                lines: np.ndarray = lines,
            ) -> None:  # fmt: skip
                loops.scatter(
                    of.x[group * of.depth + begin :], of.image, grid, channels[: end - begin],
                    lines.reshape(-1), lines.shape[1], tiles.vectors, pixels, taps, (0,) * size,
                    exact.reshape(-1), group * size, layer.filters,
                    np.empty(len(grid) * tiles.lanes, self._layer.wide), first, last,
                )  # fmt: skip

            _share(part, of.shape[0], len(grid) * (end - begin) * tiles.lanes)
        return exact

    @cached_property
    def _plain(self) -> Tiles:
        return Tiles(self._layer, scatter=False)

    @cached_property
    def _biases(self) -> np.ndarray:
        """(groups, tiles, lanes)."""
        return np.ascontiguousarray(
            self._plain.lay(self._layer.biases[None]).astype(self._layer.wide)[:, :, 0]
        )

    @cached_property
    def _taps(self) -> Tiles:
        return Tiles(self._layer, scatter=True)

    def _lines(self, tiles: Tiles) -> Iterator[tuple[int, int, int, int, np.ndarray]]:
        """Yield (group, tile, first step, step after the last one, lines), block by block."""
        entries, count = tiles.entries.reshape(-1), tiles.entries.shape[1]
        room = tiles.room()
        for group, tile, begin, end in tiles.blocks():
            columns = tiles.columns[group, tile, begin:end].reshape(-1)

            def part(first: int, last: int, columns: np.ndarray = columns) -> None:
                making.build(
                    entries, count, columns, tiles.lanes, room.reshape(-1), room.shape[1], first, last
                )

            _share(part, end - begin, count * tiles.lanes // 4)  # an entry costs less than an addition
            yield group, tile, begin, end, room


def _scatters(layer: Layer, of: Reads) -> bool:
    """Return whether scattering is the faster form.

    The nanoseconds are of one machine; only their proportions matter.
    """
    window, depth = layer.window, of.depth
    taps, size = math.prod(window.sizes), layer.filters // window.groups
    if taps == 1 or taps * size > 8 * making.LANES or set(window.strides) != {1}:
        return False
    step = 0.6 + 0.45 * -(-taps * size // making.LANES)
    read, made = math.prod(of.padded), len(of.pixels)
    return read * depth * step + made * taps < made * taps * depth * 1.2 * -(-size // making.LANES)


def _share(part: Callable[[int, int], None], rows: int, work: int) -> None:
    threads = processors()
    divide(part, rows, min(4 * threads, max(1, rows * work // _PIECE)), threads)
