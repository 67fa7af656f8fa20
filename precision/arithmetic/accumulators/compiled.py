"""Accumulation in a narrow format, compiled: the bits of the reference, some fifty times sooner.

numba compiles one loop for each pair of roundings (of sums and of products). It holds a tile of sums, a few
output positions times a vector of filters, in the first-level cache and takes it through all steps. Dense
layers and convolutions of any rank are one loop: a table of offsets says where in the padded input a step
finds its number. LLVM may not contract a product and a sum into one operation (numba asks for no fast-math),
so every product is rounded to float32 as on any other path. Threads divide the output positions and share
nothing, and so their number cannot change a bit.

(The other candidate was XLA: a while loop around the whole array of sums. It took two to four times as long,
contracts products and sums unless kept from it, and takes subnormal numbers for zero.)
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.accumulators.rounding import draw, rounder
from precision.arithmetic.accumulators.underflow import gradual_underflow
from precision.arithmetic.threads import divide, processors
from precision.arithmetic.window import Window, offsets
from precision.formats import parse, parse_rounding
from precision.formats.engine import noise

ROWS, WIDEST = 8, 128  # output positions and filters in a tile: many sums at once hide the delay of each
_VECTOR = 8  # tiles are multiples of it wide
_LEAST = 1 << 16  # additions below which a further thread costs more than it brings
FLOAT32 = parse("float32")


def serves(accumulator: Accumulator) -> bool:
    """Return whether the formats have compiled roundings; one that brings its own function has none."""
    return all(rounder(f, accumulator.rounding) is not None for f in accumulator.formats())


def accumulate(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    accumulator: Accumulator,
    window: Window | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """Return what :func:`accumulation_reference.accumulate` returns for the same arguments, bit for bit.

    Args:
        threads: how many are used at most; None for one on each processor that this process may use.
    """
    window = window or Window()
    *sizes, channels, filters = kernel.shape
    spatial = window.output(x.shape[1:-1])
    x = window.padded(x)
    # Where each channel is a group by itself, the filters of a tile read neighbours and not all the same one.
    apart = channels == 1 and window.groups > 1
    groups = 1 if apart else window.groups
    if apart:
        x = np.repeat(x, filters // window.groups, axis=-1)
        tiles, width = _tiling(filters)
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, tiles * width - filters)])
    x = np.ascontiguousarray(x, np.float32)
    strides = [n // x.itemsize for n in x.strides]  # in elements
    pixels = offsets(spatial, [n * s for n, s in zip(strides[1:-1], window.strides, strict=True)])
    steps = offsets(
        (*sizes, channels), [*(n * d for n, d in zip(strides[1:-1], window.dilations, strict=True)), 1]
    )
    weights = _tiles(kernel.reshape(len(steps), filters), groups)
    biases = _tiles((np.zeros(filters) if bias is None else bias).reshape(1, filters), groups)
    out = np.empty((x.shape[0] * len(pixels), filters), np.float32)

    sums = rounder(accumulator.number_format, accumulator.rounding)
    products = rounder(accumulator.products or FLOAT32, accumulator.rounding)
    if sums is None or products is None:
        raise AssertionError(f"{accumulator} is not compiled; ask serves() first")
    rounding = parse_rounding(accumulator.rounding)
    words = _words(seed, len(steps)) if rounding.stochastic else np.zeros((1, 2, 2), np.int32)
    loop = _loop(sums[0], products[0], apart, rounding.random_bits if rounding.stochastic else 0)
    every = min(accumulator.every, len(steps))

    def part(first: int, last: int) -> None:
        with gradual_underflow():
            loop(
                x.reshape(-1), strides[0], pixels, steps, channels, weights, biases, out,
                first, last, every, bias is not None, sums[1], products[1], words,
            )  # fmt: skip

    threads = threads or processors()
    pieces = min(4 * threads, max(1, len(out) * weights.size // _LEAST))
    divide(part, len(out), pieces, threads, multiple=ROWS)
    return out.reshape(x.shape[0], *spatial, filters)


def _tiling(filters: int) -> tuple[int, int]:
    """Return into how many tiles filters are divided, and how wide these are."""
    tiles = -(-filters // WIDEST)
    return tiles, -(-filters // (tiles * _VECTOR)) * _VECTOR


def _tiles(matrix: np.ndarray, groups: int) -> np.ndarray:
    """Return (groups, tiles, steps, width) from (steps, filters): each tile is read from front to back."""
    steps, filters = matrix.shape
    size = filters // groups
    tiles, width = _tiling(size)
    parts = matrix.astype(np.float32).reshape(steps, groups, size)
    parts = np.pad(parts, [(0, 0), (0, 0), (0, tiles * width - size)])
    return np.ascontiguousarray(parts.reshape(steps, groups, tiles, width).transpose(1, 2, 0, 3))


@functools.lru_cache(64)
def _words(seed: int, steps: int) -> np.ndarray:
    """Return the keys of the draws of every step: int32, (steps + 1, 2 for products and sums, 2)."""
    keys = [noise.key((seed, step, kind)) for step, kind in itertools.product(range(steps + 1), (0, 1))]
    return np.array(keys, np.int32).reshape(steps + 1, 2, 2)


@functools.cache
def _loop(
    round_sum: Callable[..., Any],
    round_product: Callable[..., Any],
    apart: bool,
    random_bits: int,
) -> Callable[..., None]:
    """Return the compiled loop for a pair of roundings.

    Args:
        apart: whether neighbouring filters read neighbouring channels.
        random_bits: of the draws of stochastic rounding; 0 where nothing is drawn.
    """
    unit = np.float32(2.0**-random_bits)

    @numba.njit
    def uniform(words: Any, step: int, kind: int, index: int) -> Any:
        if random_bits == 0:
            return np.float32(1)
        return draw(index, words[step, kind, 0], words[step, kind, 1], random_bits, unit)

    @numba.njit
    def advance(
        acc: Any, x: Any, places: Any, w: Any, k: int, ends: bool, index: int, filters: int,
        sums: Any, products: Any, words: Any,
    ) -> None:  # fmt: skip
        for r in range(ROWS):
            total, inputs, factors = acc[r], x[places[r] :], w[k]
            one = inputs[0]
            for j in range(len(factors)):
                at = index + r * filters + j
                p = np.float32((inputs[j] if apart else one) * factors[j])
                p = round_product(p, products, uniform(words, k, 0, at))
                s = np.float32(total[j] + p)
                total[j] = round_sum(s, sums, uniform(words, k, 1, at)) if ends else s

    @numba.njit(nogil=True, error_model="numpy")
    def loop(
        x: Any, image: int, pixels: Any, steps: Any, channels: int, weights: Any, biases: Any, out: Any,
        first: int, last: int, every: int, biased: bool, sums: Any, products: Any, words: Any,
    ) -> None:  # fmt: skip
        groups, tiles, count, width = weights.shape
        filters = out.shape[1]
        size = filters // groups
        acc = np.empty((ROWS, width), np.float32)
        base = np.empty(ROWS, np.int64)
        places = np.empty(ROWS, np.int64)
        for row in range(first, last, ROWS):
            for r in range(ROWS):  # what lies past the end is computed once more and not stored
                at = min(row + r, last - 1)
                base[r] = at // len(pixels) * image + pixels[at % len(pixels)]
            for g in range(groups):
                for t in range(tiles):
                    column = g * size + t * width
                    index = row * filters + column
                    shift = column if apart else g * channels
                    w = weights[g, t]
                    acc[:] = 0
                    left = every
                    for k in range(count):
                        for r in range(ROWS):
                            places[r] = base[r] + steps[k] + shift
                        left -= 1
                        if left == 0 or k == count - 1:
                            advance(acc, x, places, w, k, True, index, filters, sums, products, words)
                            left = every
                        else:
                            advance(acc, x, places, w, k, False, index, filters, sums, products, words)
                    for r in range(min(ROWS, last - row)):
                        for j in range(min(width, size - t * width)):
                            y = acc[r, j]
                            if biased:
                                u = uniform(words, count, 1, index + r * filters + j)
                                y = round_sum(np.float32(y + biases[g, t, 0, j]), sums, u)
                            out[row + r, column + j] = y if y == y else np.float32(np.nan)

    return loop
