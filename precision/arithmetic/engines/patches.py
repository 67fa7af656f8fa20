"""The inputs of a matrix product: what each output position reads, through the factors of a multiplier."""

from __future__ import annotations

from typing import Any

from precision.arithmetic.compiled import compiled


@compiled
def fill(
    x: Any, image: int, pixels: Any, steps: Any, factors: Any, terms: Any, patches: Any, first: int, last: int
) -> None:
    """Write the terms of all steps of output positions first to last.

    Args:
        x: rows of the multiplier's table, one dimension.
        image: numbers between two images of ``x``.
        pixels: int64: where the window of each position of an image begins.
        steps: int64: how far from there the activation of each step lies.
        factors: (rows of the table, terms).
        terms: a tuple as long as there are terms: their number is known when this is compiled.
        patches: (at least last - first, steps * terms), to fill from its first row.
        first: of the positions of all images.
        last: the one after the last.
    """
    count = len(pixels)
    b, p = first // count, first % count
    for row in range(last - first):
        at = b * image + pixels[p]
        patch = patches[row]
        for k in range(len(steps)):
            of = x[at + steps[k]]
            for t in range(len(terms)):
                patch[k * len(terms) + t] = factors[of, t]
        p += 1
        if p == count:
            b, p = b + 1, 0
