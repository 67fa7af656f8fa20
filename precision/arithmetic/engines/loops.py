"""The loops of the table engine, compiled.

A *line* is what a step makes of one activation: the products with the weights of a tile's filters, side by
side. A block of steps has its lines made, and then all positions run through them, so that the lines stay in
the cache. One call does all blocks: a loop in Python would cost more than a block of a small layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.arithmetic.compiled import compiled
from precision.arithmetic.engines.adding import add
from precision.arithmetic.engines.lines import LANES, build
from precision.arithmetic.engines.moving import copy, gather, same


@compiled
def position(
    x: Any, at: int, steps: Any, first: int, last: int, room: Any, of_step: int, vectors: Any, row: Any,
    which: Any, exact: Any, held: Any, place: int, ends: Any, extremes: Any,
) -> None:  # fmt: skip
    """Add the products of steps first to last of one position to its sums; see ``add``.

    Its arguments are no tuples of arrays: numba would count the references of each at each call, which takes
    longer than a short position.

    Args:
        room: lines of the steps from ``first`` on, ``of_step`` each, as one dimension.
        row: () or (row,): steps with the activation of this row, whose products are all 0, are passed over.
        which: int32, with room for the number of each line.
    """
    if len(row) == 0:
        add(  # type: ignore[call-arg]
            x, at, steps, first, last, room, of_step, vectors, (), 0, exact, held, place, ends, extremes
        )  # fmt: skip
    else:
        count = 0
        for k in range(first, last):
            found = x[np.uint64(at + steps[k])]
            which[count] = (k - first) * of_step + found
            count += found != row[0]
        add(  # type: ignore[call-arg]
            x, at, steps, first, last, room, of_step, vectors, which, count, exact, held, place, ends,
            extremes,
        )  # fmt: skip


@compiled
def direct(
    x: Any, image: int, pixels: Any, steps: Any, apart: int, weights: Any, block: int, lines: Any, bias: Any,
    exact: Any, held: Any, width: int, column: int, ends: Any, extremes: Any, alike: int, nothing: Any,
    first: int, last: int,
) -> None:  # fmt: skip
    """Take output positions first to last through all steps, block by block, for one tile.

    Args:
        image: numbers between two images of ``x``.
        pixels: int64: where the window of each position of an image begins; one per position.
        steps: int64: how far from there the activation of each step lies.
        apart: numbers from what one block reads to what the next one does; 0 where all read the same.
        weights: (entries, count, columns), of which the lines are made, see ``build``.
        block: steps at a time.
        lines: (room, lines of a step, vectors): where those of a block are made, and how long one is.
        bias: what the sums start with, one per lane of the tile.
        exact: (positions, width) as one dimension; ``held`` likewise, the same array where nothing saturates.
        column: of the tile's first lane.
        ends: see ``add``, as ``extremes``.
        alike: where a window reads so many numbers side by side, positions that read the same as the one
            before are not computed again (backgrounds); 0 for other windows.
        nothing: the row and the room of ``position``.
    """
    zero, which = nothing
    entries, count, columns = weights
    room, of_step, vectors = lines
    lanes = len(vectors) * LANES
    for begin in range(0, len(steps), block):
        end = min(begin + block, len(steps))
        build(entries, count, columns[begin * lanes :], lanes, room, of_step, end - begin)
        base = begin // block * apart
        b, p, before = first // len(pixels), first % len(pixels), 0
        for row in range(first, last):
            at = base + b * image + pixels[p]
            p += 1
            if p == len(pixels):
                b, p = b + 1, 0
            place = row * width + column
            if alike > 0 and row > first and same(x, at, before, alike):  # type: ignore[call-arg]
                copy(exact, place - width, exact, place, vectors)
                if len(ends) > 0:
                    copy(held, place - width, held, place, vectors)
                continue
            before = at
            if begin == 0:
                copy(bias, 0, exact, place, vectors)  # type: ignore[call-arg]
                if len(ends) > 0:
                    copy(bias, 0, held, place, vectors)
            position(
                x, at, steps, begin, end, room, of_step, vectors, zero, which, exact, held, place, ends,
                extremes,
            )  # fmt: skip


@compiled
def scatter(
    x: Any, image: int, grid: Any, depth: int, weights: Any, block: int, lines: Any, taps: Any, exact: Any,
    column: int, width: int, nothing: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Take images first to last through all channels, block by block; lanes of a line are taps x filters.

    Each position of the input is computed once for all taps; what it makes is then added where it belongs.

    Args:
        grid: int64: where each position of an image begins in ``x``.
        depth: channels.
        taps: see ``spread``.
        exact: (images, output positions, width) as one dimension, added to.
        column: of the first filter.
    """
    entries, count, columns = weights
    room, of_step, vectors = lines
    lanes = len(vectors) * LANES
    scratch = np.empty(len(grid) * lanes, exact.dtype)
    for begin in range(0, depth, block):
        channels = min(block, depth - begin)
        build(entries, count, columns[begin * lanes :], lanes, room, of_step, channels)
        for b in range(first, last):
            positions(x, begin + b * image, grid, channels, lines, nothing, scratch)
            spread(scratch, lanes, taps, exact, b * len(taps[0]) * width + column, width)


@compiled
def positions(x: Any, at: int, grid: Any, depth: int, lines: Any, nothing: Any, scratch: Any) -> None:
    """Write what each position of an image makes for all taps: (input positions, lanes) as one dimension."""
    room, of_step, vectors = lines
    row, which = nothing
    lanes = len(vectors) * LANES
    zeros, steps = np.zeros(lanes, scratch.dtype), np.arange(depth)
    for p in range(len(grid)):
        here, place = at + grid[p], p * lanes
        if p > 0 and same(x, here, at + grid[p - 1], depth):  # type: ignore[call-arg]
            copy(scratch, place - lanes, scratch, place, vectors)
            continue
        copy(zeros, 0, scratch, place, vectors)  # type: ignore[call-arg]
        position(
            x, here, steps, 0, depth, room, of_step, vectors, row, which, scratch, scratch, place, (), ()
        )  # fmt: skip


@compiled
def spread(scratch: Any, lanes: int, taps: Any, exact: Any, place: int, width: int) -> None:
    """Add what all taps hold for each output position of an image to its sums.

    Args:
        taps: (pixels, further, filters): int64, for each output position the number of the input position
            at which its window begins; how many input positions each tap lies further; and a tuple as long
            as there are filters.
        place: in ``exact``, of the first position; the others follow at a distance of ``width``.
    """
    pixels, further, filters = taps
    for p in range(len(pixels)):
        gather(scratch, pixels[p], further, lanes, filters, exact, place + p * width)  # type: ignore[call-arg]
