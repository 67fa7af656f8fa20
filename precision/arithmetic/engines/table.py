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

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from precision.arithmetic.engines import fused, lines, loops
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.reads import Reads, reads
from precision.arithmetic.engines.sums import Sums, counted, settled
from precision.arithmetic.engines.tiles import Tiles
from precision.arithmetic.requantisation.finish import Finish
from precision.arithmetic.threads import mapped, processors

_PIECE = 1 << 18  # additions below which a further thread costs more than it brings
_ROWS = 512  # positions below which a thread is better spent on other filters, as it makes all lines anew
_SAMPLE = 4096  # activations that are looked at to find out how many of them are passed over
_MANY = 0.3  # of them, from which on passing over them pays
_LONG = 4  # vectors of a line from which on it may pay
NOTHING = (), np.zeros(0, np.int32)  # see ``loops.position``: every step is added


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

    def rounded(self, x: np.ndarray, finish: Finish) -> Sums | None:
        """Return codes in the place of the sums for an input; see :class:`Rounding`.

        None where a register may change a sum, or where one block does not have all steps.
        """
        layer = self._layer
        if not layer.exact or (layer.wide is not np.int32 and finish.whole):
            return None
        of = reads(layer, x)
        if not math.prod(of.shape):
            return Sums(np.zeros(of.shape, finish.kind), self.name)
        if _scatters(layer, of):
            whole = layer.window.groups == 1 and self._taps.whole
            return Sums(self._scattered_codes(of, finish), self.name) if whole else None
        return Sums(self._direct_codes(of, finish), self.name) if self._plain.whole else None

    def _direct(
        self, of: Reads, saturates: bool, observe: bool
    ) -> tuple[np.ndarray, np.ndarray | None, int | None]:
        """Return the exact sums, what registers that saturate held, and the peak."""
        layer, tiles = self._layer, self._plain
        x, image, steps, apart = of.x, of.image, of.steps, 0
        if not layer.window.sizes and layer.window.groups == 1 and of.depth > tiles.block:
            # What a block reads of each image lies side by side, or every read would miss the cache.
            wide = np.pad(x.reshape(-1, of.depth), [(0, 0), (0, -of.depth % tiles.block)])
            x = np.ascontiguousarray(wide.reshape(len(wide), -1, tiles.block).transpose(1, 0, 2)).reshape(-1)
            image, steps, apart = tiles.block, steps % tiles.block, len(wide) * tiles.block
        exact = np.empty(of.positions * tiles.width, layer.wide)
        held = np.empty_like(exact) if saturates else exact
        ends = (layer.register.lowest, layer.register.highest) if saturates else ()
        passed = self._passed_over(x, tiles)

        def part(group: int, tile: int, first: int, last: int) -> int:
            bias = self._biases[group, tile]
            extremes: tuple[np.ndarray, ...] = (bias.copy(), bias.copy()) if observe else ()
            loops.direct(
                x[group * of.depth :], image, of.pixels, steps, apart, tiles.weights(group, tile),
                tiles.block, tiles.room(), bias, exact, held, tiles.width, tiles.column(group, tile), ends,
                extremes, _alike(layer, of), passed(), first, last,
            )  # fmt: skip
            return max(-int(extremes[0].min()), int(extremes[1].max())) if observe else 0

        peaks = _shared(part, tiles, of.positions, len(steps) * tiles.lanes, _ROWS)
        return (
            tiles.without_padding(exact),
            tiles.without_padding(held) if saturates else None,
            max(peaks) if observe else None,
        )

    def _direct_codes(self, of: Reads, finish: Finish) -> np.ndarray:
        layer, tiles = self._layer, self._plain
        codes = np.empty(of.positions * tiles.width, finish.kind)
        laid = [tiles.lay(f[None]) for f in (finish.first, finish.second)]
        passed = self._passed_over(of.x, tiles)

        def part(group: int, tile: int, first: int, last: int) -> int:
            factors = (np.tile(each[group, tile, 0], fused.TOGETHER) for each in laid)
            fused.direct(
                of.x[group * of.depth :], of.image, of.pixels, of.steps, tiles.weights(group, tile),
                tiles.room(), self._biases[group, tile], finish.how(*factors), codes, tiles.width,
                tiles.column(group, tile), _alike(layer, of), passed(), first, last,
            )  # fmt: skip
            return 0

        _shared(part, tiles, of.positions, len(of.steps) * tiles.lanes, _ROWS)
        return tiles.without_padding(codes).reshape(of.shape)

    def _scatter(self, of: Reads) -> np.ndarray:
        layer, tiles = self._layer, self._taps
        grid, taps = self._spread(of)
        exact = np.empty((of.positions, layer.filters), layer.wide)
        exact[:] = layer.biases
        passed = self._passed_over(of.x, tiles)

        def part(group: int, tile: int, first: int, last: int) -> int:
            loops.scatter(
                of.x[group * of.depth :], of.image, grid, of.depth, tiles.weights(group, tile), tiles.block,
                tiles.room(), taps, exact.reshape(-1), group * len(taps[2]), layer.filters, passed(), first,
                last,
            )  # fmt: skip
            return 0

        _shared(part, tiles, len(exact) // len(of.pixels), *_of_images(of, tiles))
        return exact

    def _scattered_codes(self, of: Reads, finish: Finish) -> np.ndarray:
        layer, tiles = self._layer, self._taps
        grid, taps = self._spread(of)
        bias = np.tile(layer.biases.astype(layer.wide), len(of.pixels))
        codes, how, passed = np.empty(of.shape, finish.kind), finish.along(), self._passed_over(of.x, tiles)

        def part(group: int, tile: int, first: int, last: int) -> int:
            fused.scatter(
                of.x, of.image, grid, of.depth, tiles.weights(group, tile), tiles.room(), taps, bias, how,
                codes.reshape(-1), passed(), first, last,
            )  # fmt: skip
            return 0

        _shared(part, tiles, len(codes), *_of_images(of, tiles))
        return codes

    def _spread(self, of: Reads) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, tuple[int, ...]]]:
        """Return where the positions of an image begin, and its taps, see ``loops.spread``."""
        window, channels = self._layer.window, self._layer.channels
        pixels, taps = of.pixels // channels, of.steps[:: of.depth] // channels  # in positions
        filters = (0,) * (self._layer.filters // window.groups)
        return np.arange(math.prod(of.padded)) * channels, (pixels, taps, filters)

    def _passed_over(self, x: np.ndarray, tiles: Tiles) -> Callable[[], tuple[Any, ...]]:
        """Return what gives each thread its ``nothing``, see ``loops.position``.

        Passing over the code of zero takes a list of what is left: it pays where lines are long and many
        activations are this code. It changes no sum where its products are 0.
        """
        row = self._layer.pad - self._layer.products.lowest_a
        if len(tiles.vectors) < _LONG or self._layer.products.table[row].any():
            return lambda: NOTHING
        sample = x[:: max(1, len(x) // _SAMPLE)]
        if np.count_nonzero(sample == row) < _MANY * len(sample):
            return lambda: NOTHING
        return lambda: ((row,), np.empty(tiles.block, np.int32))

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


def _scatters(layer: Layer, of: Reads) -> bool:
    """Return whether scattering is the faster form.

    The nanoseconds are of one machine; only their proportions matter.
    """
    window, depth = layer.window, of.depth
    taps, size = math.prod(window.sizes), layer.filters // window.groups
    if taps == 1 or taps * size > 8 * lines.LANES or set(window.strides) != {1}:
        return False
    step = 0.6 + 0.45 * -(-taps * size // lines.LANES)
    read, made = math.prod(of.padded), len(of.pixels)
    return read * depth * step + made * taps < made * taps * depth * 1.2 * -(-size // lines.LANES)


def _alike(layer: Layer, of: Reads) -> int:
    """Return how many numbers a window reads side by side, if that is all that it reads, else 0."""
    return of.depth if layer.window.sizes and len(of.steps) == of.depth else 0


def _of_images(of: Reads, tiles: Tiles) -> tuple[int, int]:
    """Return the additions of an image in a tile, and how many images a thread has at the fewest."""
    grid = math.prod(of.padded)
    return grid * of.depth * tiles.lanes, -(-_ROWS // grid)


def _shared(
    part: Callable[[int, int, int, int], int], tiles: Tiles, rows: int, work: int, fewest: int
) -> list[int]:
    """Return what a part makes of each tile, and of some of all rows where there are more threads than tiles.

    Every part makes the lines of its tile for itself, and so has some rows at the fewest.
    """
    chosen = list(tiles.all())
    threads = min(processors(), max(1, rows * work * len(chosen) // _PIECE))
    pieces = min(threads // math.gcd(threads, len(chosen)), max(1, rows // fewest))
    marks = [rows * i // pieces for i in range(pieces + 1)]
    ends = list(itertools.pairwise(marks))
    return mapped(lambda one: part(*one), [(*tile, *end) for tile in chosen for end in ends], threads)
