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

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from precision.arithmetic.engines import lines as making
from precision.arithmetic.engines import loops
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.sums import Sums, counted, settled
from precision.arithmetic.engines.tiles import Tiles
from precision.arithmetic.threads import divide, processors
from precision.arithmetic.window import offsets

_PIECE = 1 << 18  # additions below which a further thread costs more than it brings


class Table:
    """See the module; any table, window and register."""

    name = "table"
    why = ""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._sum = np.int32 if layer.bound.bits <= 32 else np.int64

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        layer = self._layer
        spatial = layer.window.output(x.shape[1:-1])
        rows = np.ascontiguousarray(layer.rows(x))
        shape = (len(x), *spatial, layer.filters)
        if not np.prod(shape):
            return settled(np.zeros(shape, np.int64), layer, self.name, 0 if observe else None)
        saturates = layer.register.overflow == "saturate" and not layer.exact
        if not (saturates or observe) and _scatters(
            layer, int(np.prod(rows.shape[1:-1])), int(np.prod(spatial))
        ):
            return settled(self._scatter(rows, spatial).reshape(shape), layer, self.name)
        exact, held, peak = self._direct(rows, spatial, saturates, observe)
        if held is None:
            return settled(exact.reshape(shape), layer, self.name, peak)
        return counted(held.reshape(shape), exact.reshape(shape), layer, self.name, peak)

    def _direct(
        self, x: np.ndarray, spatial: tuple[int, ...], saturates: bool, observe: bool
    ) -> tuple[np.ndarray, np.ndarray | None, int | None]:
        """Return the exact sums, what registers that saturate held, and the peak."""
        layer, window, tiles = self._layer, self._layer.window, self._plain
        depth = layer.w.shape[-2]
        strides = [n // x.itemsize for n in x.strides]
        pixels = offsets(spatial, [n * s for n, s in zip(strides[1:-1], window.strides, strict=True)])
        taps = [*(n * d for n, d in zip(strides[1:-1], window.dilations, strict=True)), 1]
        steps = offsets(layer.w.shape[:-1], taps)
        apart = x.ndim == 2 and window.groups == 1 and depth > tiles.block
        if apart:  # what a block reads of each image lies side by side, or every read would miss the cache
            wide = np.pad(x, [(0, 0), (0, -depth % tiles.block)]).reshape(len(x), -1, tiles.block)
            x = np.ascontiguousarray(wide.transpose(1, 0, 2))
            steps %= tiles.block
            strides[0] = tiles.block
        alike = depth if steps[-1] == depth - 1 and x.ndim > 2 and not apart else 0
        positions = len(pixels) * (x.shape[1] if apart else len(x))
        exact = np.empty(positions * tiles.width, self._sum)
        held = np.empty_like(exact) if saturates else exact
        ends = (layer.register.lowest, layer.register.highest) if saturates else ()
        biases: np.ndarray = tiles.lay(layer.biases[None]).astype(self._sum)[:, :, 0]
        peaks = [0]
        for group, tile, begin, end, lines in self._lines(tiles):
            source = x[begin // tiles.block].reshape(-1) if apart else x.reshape(-1)[group * depth :]
            bias = biases[group, tile]

            def part(
                first: int, last: int, source: np.ndarray = source, begin: int = begin, end: int = end,
                lines: np.ndarray = lines, bias: np.ndarray = bias, column: int = tiles.column(group, tile),
            ) -> None:  # fmt: skip
                extremes: tuple[np.ndarray, ...] = (bias.copy(), bias.copy()) if observe else ()
                loops.direct(
                    source, strides[0], pixels, steps, begin, end, lines.reshape(-1), lines.shape[1],
                    tiles.vectors, bias, exact, held, tiles.width, column, ends, extremes,
                    alike, first, last,
                )  # fmt: skip
                if observe:
                    peaks.append(max(-int(extremes[0].min()), int(extremes[1].max())))

            _share(part, positions, (end - begin) * tiles.lanes)
        return (
            tiles.without_padding(exact),
            tiles.without_padding(held) if saturates else None,
            max(peaks) if observe else None,
        )

    def _scatter(self, x: np.ndarray, spatial: tuple[int, ...]) -> np.ndarray:
        layer, window, tiles = self._layer, self._layer.window, self._taps
        depth, size = layer.w.shape[-2], layer.filters // window.groups
        strides = [n // x.itemsize for n in x.strides]
        grid = offsets(x.shape[1:-1], strides[1:-1])
        inner = [n // x.shape[-1] for n in strides[1:-1]]  # in positions
        pixels = offsets(spatial, inner)
        taps = offsets(window.sizes, [n * d for n, d in zip(inner, window.dilations, strict=True)])
        channels = np.arange(depth)
        exact = np.empty((len(x) * len(pixels), layer.filters), self._sum)
        exact[:] = layer.biases
        for group, _, begin, end, lines in self._lines(tiles):

            def part(
                first: int, last: int, group: int = group, begin: int = begin, end: int = end,
                lines: np.ndarray = lines,
            ) -> None:  # fmt: skip
                loops.scatter(
                    x.reshape(-1)[group * depth + begin :], strides[0], grid, channels[: end - begin],
                    lines.reshape(-1), lines.shape[1], tiles.vectors, pixels, taps, (0,) * size,
                    exact.reshape(-1), group * size, layer.filters,
                    np.empty(len(grid) * tiles.lanes, self._sum), first, last,
                )  # fmt: skip

            _share(part, len(x), len(grid) * (end - begin) * tiles.lanes)
        return exact

    @cached_property
    def _plain(self) -> Tiles:
        return Tiles(self._layer, scatter=False)

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
                making.build(entries, count, columns, tiles.lanes, room.reshape(-1), first, last)

            _share(part, end - begin, count * tiles.lanes // 4)  # an entry costs less than an addition
            yield group, tile, begin, end, room


def _scatters(layer: Layer, read: int, made: int) -> bool:
    """Return whether scattering is the faster form, for so many input and output positions.

    The nanoseconds are of one machine; only their proportions matter.
    """
    window, depth = layer.window, layer.w.shape[-2]
    taps, size = int(np.prod(window.sizes)), layer.filters // window.groups
    if taps == 1 or taps * size > 8 * making.LANES or set(window.strides) != {1}:
        return False
    step = 0.6 + 0.45 * -(-taps * size // making.LANES)
    return read * depth * step + made * taps < made * taps * depth * 1.2 * -(-size // making.LANES)


def _share(part: Callable[[int, int], None], rows: int, work: int) -> None:
    threads = processors()
    divide(part, rows, min(4 * threads, max(1, rows * work // _PIECE)), threads)
