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

import threading
from collections.abc import Iterator

import numpy as np

from precision.arithmetic.engines import loops
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.sums import Sums, counted, settled
from precision.arithmetic.engines.tiles import Tiles
from precision.arithmetic.threads import divide, processors
from precision.arithmetic.window import offsets

_KEPT = 1 << 23  # bytes of lines that are worth keeping between two calls
_PIECE = 1 << 18  # additions below which a further thread costs more than it brings


class Table:
    """See the module; any table, window and register."""

    name = "table"
    why = ""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._sum = np.int32 if layer.bound.bits <= 32 else np.int64
        self._forms: dict[bool, Tiles] = {}
        self._lock = threading.Lock()

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`."""
        layer = self._layer
        spatial = layer.window.output(x.shape[1:-1])
        rows = np.ascontiguousarray(layer.rows(x))
        shape = (len(x), *spatial, layer.filters)
        if not np.prod(shape):
            return settled(np.zeros(shape, np.int64), layer, self.name, 0 if observe else None)
        saturates = layer.register.overflow == "saturate" and not layer.exact
        if not (saturates or observe) and _scatters(layer):
            return settled(self._scatter(rows, spatial).reshape(shape), layer, self.name)
        exact, held, peak = self._direct(rows, spatial, saturates, observe)
        if held is None:
            return settled(exact.reshape(shape), layer, self.name, peak)
        return counted(held.reshape(shape), exact.reshape(shape), layer, self.name, peak)

    def _direct(
        self, x: np.ndarray, spatial: tuple[int, ...], saturates: bool, observe: bool
    ) -> tuple[np.ndarray, np.ndarray | None, int | None]:
        layer, window, tiles = self._layer, self._layer.window, self._tiles(False)
        strides = [n // x.itemsize for n in x.strides]
        pixels = offsets(spatial, [n * s for n, s in zip(strides[1:-1], window.strides, strict=True)])
        taps = [*(n * d for n, d in zip(strides[1:-1], window.dilations, strict=True)), 1]
        steps = offsets(layer.w.shape[:-1], taps)
        positions = len(x) * len(pixels)
        exact = np.empty(positions * tiles.width, self._sum)
        held = np.empty_like(exact) if saturates else exact
        ends = (layer.register.lowest, layer.register.highest) if saturates else ()
        bias = tiles.lay(layer.biases[None]).astype(self._sum)[:, :, 0]
        flat = x.reshape(-1)
        peaks = [0]
        for group, tile, begin, end, lines in self._lines(tiles):
            start = bias[group, tile]

            def part(
                first: int, last: int, group: int = group, tile: int = tile, begin: int = begin,
                end: int = end, lines: np.ndarray = lines, start: np.ndarray = start,
            ) -> None:  # fmt: skip
                extremes = (start.copy(), start.copy()) if observe else ()
                loops.direct(
                    flat[group * layer.w.shape[-2] :], strides[0], pixels, steps, begin, end, lines.reshape(-1),
                    lines.shape[1], tiles.vectors, start, exact, held, tiles.width, tiles.column(group, tile),
                    ends, extremes, first, last,
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
        layer, window, tiles = self._layer, self._layer.window, self._tiles(True)
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

    def _tiles(self, scatter: bool) -> Tiles:
        with self._lock:
            if scatter not in self._forms:
                self._forms[scatter] = Tiles(self._layer, scatter)
            return self._forms[scatter]

    def _lines(self, tiles: Tiles) -> Iterator[tuple[int, int, int, int, np.ndarray]]:
        """Yield (group, tile, first step, step after the last one, lines), block by block."""
        room = None if tiles.bytes <= _KEPT else tiles.room()
        for group, tile, begin, end in tiles.blocks():
            key = group, tile, begin
            lines = tiles.kept.get(key)
            if lines is None:
                lines = tiles.room() if room is None else room
                lines = lines[: end - begin]

                def part(
                    first: int, last: int, columns: np.ndarray = tiles.columns[group, tile, begin:end],
                    lines: np.ndarray = lines,
                ) -> None:  # fmt: skip
                    loops.build(tiles.entries, columns, lines, first, last)

                _share(part, end - begin, lines[0].size)
                if room is None:
                    tiles.kept[key] = lines
            yield group, tile, begin, end, lines


def _scatters(layer: Layer) -> bool:
    """Return whether scattering is the faster form: from the time of a step that was measured for each."""
    window = layer.window
    taps = int(np.prod(window.sizes))
    size = layer.filters // window.groups
    if taps == 1 or size > 32 or set(window.strides) != {1}:
        return False
    depth = layer.w.shape[-2]

    def step(lanes: int) -> float:
        return 0.7 + 0.3 * -(-lanes // loops.LANES)

    return depth * step(taps * size) + 0.7 * taps < taps * depth * step(size)


def _share(part: object, rows: int, work: int) -> None:
    threads = processors()
    divide(part, rows, min(4 * threads, max(1, rows * work // _PIECE)), threads)  # type: ignore[arg-type]
