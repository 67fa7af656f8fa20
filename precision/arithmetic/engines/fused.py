"""The loops of the table engine with the rounding in them: sums become codes before they leave the cache.

For layers all of whose lines fit the cache, so that a position has its sums after one block, and whose sums
no register changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.engines.lines import LANES, build
from precision.arithmetic.engines.loops import position, positions, spread
from precision.arithmetic.engines.moving import copy, same
from precision.arithmetic.requantisation.loops import put

TOGETHER = 16  # positions whose sums are rounded at a time


@compiled
def direct(
    x: Any, image: int, pixels: Any, steps: Any, weights: Any, lines: Any, bias: Any, how: Any, codes: Any,
    width: int, column: int, alike: int, nothing: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Write the codes of output positions first to last, for one tile; see ``loops.direct``.

    Some positions are rounded together: a sum that was just written cannot be read again at once.

    Args:
        how: (kind, factors, shifts, limits) of requantisation, see ``put``; a factor for each lane of so
            many positions.
        codes: (positions, width) as one dimension.
    """
    entries, count, columns = weights
    room, of_step, vectors = lines
    kind, factors, shifts, limits = how
    zero, which = nothing
    lanes = len(vectors) * LANES
    build(entries, count, columns, lanes, room, of_step, len(steps))
    sums, rounded = np.empty(TOGETHER * lanes, bias.dtype), np.empty(TOGETHER * lanes, codes.dtype)
    places = np.empty(TOGETHER, np.int64)  # of the codes of each position in ``rounded``
    b, p, before = first // len(pixels), first % len(pixels), 0
    for begin in range(first, last, TOGETHER):
        made = 0
        some = min(TOGETHER, last - begin)
        for i in range(some):
            at = b * image + pixels[p]
            p += 1
            if p == len(pixels):
                b, p = b + 1, 0
            if made == 0 or alike == 0 or not same(x, at, before, alike):  # type: ignore[call-arg]
                place = made * lanes
                copy(bias, 0, sums, place, vectors)  # type: ignore[call-arg]
                position(
                    x, at, steps, 0, len(steps), room, of_step, vectors, zero, which, sums, sums, place,
                    (), (),
                )  # fmt: skip
                before = at
                made += 1
            places[i] = (made - 1) * lanes
        put(kind, sums, 0, made * lanes, factors, shifts, limits, rounded, 0)
        for i in range(some):
            copy(rounded, places[i], codes, (begin + i) * width + column, vectors)  # type: ignore[call-arg]


@compiled
def scatter(
    x: Any, image: int, grid: Any, depth: int, weights: Any, lines: Any, taps: Any, bias: Any, how: Any,
    codes: Any, nothing: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Write the codes of images first to last; see ``loops.scatter``.

    Args:
        bias: what the sums of an image start with, (output positions, filters) as one dimension.
        how: of requantisation, likewise; a factor for each filter, again and again.
        codes: (images, output positions, filters) as one dimension.
    """
    entries, count, columns = weights
    room, of_step, vectors = lines
    lanes = len(vectors) * LANES
    kind, factors, shifts, limits = how
    scratch, sums = np.empty(len(grid) * lanes, bias.dtype), np.empty(len(bias), bias.dtype)
    build(entries, count, columns, lanes, room, of_step, depth)
    for b in range(first, last):
        positions(x, b * image, grid, depth, lines, nothing, scratch)
        sums[:] = bias
        spread(scratch, lanes, taps, sums, 0, len(taps[2]))
        for at in range(0, len(bias), len(factors)):
            length = min(len(factors), len(bias) - at)
            put(kind, sums, at, length, factors, shifts, limits, codes, b * len(bias) + at)
