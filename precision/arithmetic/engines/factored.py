"""The factored engine: the sums as exact matrix products of floating-point numbers.

With T[a, w] = sum over r of F_r(a) G_r(w), a layer through the multiplier is an ordinary layer with as many
channels for each one as there are terms. Floating-point sums of whole numbers are exact, in any order, while
no partial sum can leave the range in which all whole numbers are representable: 2^24 for float32, 2^53 for
float64. That is decided from the weights at hand; the steps are divided into as few parts as keep to it, and
the sums of the parts are added as integers.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from precision.arithmetic.engines import native, patches
from precision.arithmetic.engines.factors import MOST, Factors, factors
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.reads import Reads, reads
from precision.arithmetic.engines.sums import Sums, settled
from precision.arithmetic.engines.table import Table
from precision.arithmetic.threads import divide, one_blas_thread, processors
from precision.errors import PrecisionError

EXACT = {np.float32: 1 << 24, np.float64: 1 << 53}  # the magnitude up to which all whole numbers exist
_PATCHES = 1 << 20  # bytes of patches at a time
_IMAGES = 1 << 26  # bytes of factors of images at a time, for a convolution


class Factored:
    """See the module; for multipliers with few terms, and registers that cannot overflow or that wrap."""

    name = "factored"

    def __init__(self, layer: Layer) -> None:
        found = factors(layer.products)
        if found is None:
            raise PrecisionError(
                f"the products of this multiplier have no exact factors of at most {MOST} terms; "
                "use the engine 'table'"
            )
        if layer.ordered:
            raise PrecisionError(
                f"the factored engine adds in no order, and sums here may need {layer.bound.bits} bits; "
                f"a saturating accumulator of {layer.register.bits} bits needs the engine 'table'"
            )
        self.factors = found
        self._layer = layer
        bounds = step_bounds(layer, found)
        self.type: type[np.floating] = np.float32 if bounds.max() < EXACT[np.float32] else np.float64
        self.parts = parts(bounds, EXACT[self.type])
        by_channel = bounds.reshape(-1, layer.w.shape[-2], layer.filters).sum(axis=0)
        self._channels = parts(by_channel, EXACT[np.float32]) if by_channel.max() < EXACT[np.float32] else []
        self._trusted: set[tuple[int, ...]] = set()
        self._distrusted = False

    def sums(self, x: np.ndarray, observe: bool = False) -> Sums:
        """Return the sums for an input; see :class:`Engine`. The table engine observes."""
        layer = self._layer
        if observe:
            return self._ordered.sums(x, observe)
        of = reads(layer, x)
        exact = self._convolved(of, x) if of.positions and self._convolves() else None
        if exact is None:
            exact = self._multiplied(of).reshape(of.shape)
        return settled(exact, layer, self.name)

    def _multiplied(self, of: Reads) -> np.ndarray:
        """Return the sums by matrix products of NumPy, (positions, filters)."""
        layer, window = self._layer, self._layer.window
        exact = np.empty((of.positions, layer.filters), self._layer.wide)
        of_a, terms = self.factors.activations.astype(self.type), self.factors.terms
        size = layer.filters // window.groups
        longest = max(end - begin for begin, end in self.parts) * terms
        most = max(16, _PATCHES // (longest * of_a.itemsize))

        def part(first: int, last: int) -> None:
            room = np.empty((min(most, last - first), longest), self.type)
            for start in range(first, last, most):
                stop = min(start + most, last)
                for group in range(window.groups):
                    to = exact[start:stop, group * size : (group + 1) * size]
                    to[:] = layer.biases[group * size : (group + 1) * size]
                    for (begin, end), weights in zip(self.parts, self._weights[group], strict=True):
                        seen = room[: stop - start, : len(weights)]
                        patches.fill(
                            of.x[group * of.depth :], of.image, of.pixels, of.steps[begin:end], of_a,
                            (0,) * terms, seen, start, stop,
                        )  # fmt: skip
                        to += (seen @ weights).astype(self._layer.wide)

        if exact.size:
            threads = processors()
            with one_blas_thread():
                divide(part, len(exact), min(threads, -(-exact.size * layer.steps // _PATCHES)), threads)
        return exact

    def _convolved(self, of: Reads, x: np.ndarray) -> np.ndarray | None:
        """Return the sums by the convolution of the Keras backend; None where it is found not to be exact."""
        exact = np.empty(of.shape, self._layer.wide)
        some = max(1, _IMAGES // (of.image * self.factors.terms * 4))
        for first in range(0, len(x), some):
            last = min(first + some, len(x))
            exact[first:last] = self._convolved_images(of, first, last)
            shape, one = (last - first, *x.shape[1:]), (first + last) // 2
            if shape not in self._trusted:
                if not self._agree(exact[one], x[one]):
                    self._distrusted = True
                    return None
                self._trusted.add(shape)
        return exact

    def _convolved_images(self, of: Reads, first: int, last: int) -> np.ndarray:
        layer, terms, channels = self._layer, self.factors.terms, self._layer.channels
        x = of.x[first * of.image : last * of.image]
        wide = np.empty((len(x) // channels, channels * terms), np.float32)
        of_a, none, steps = self.factors.activations, np.zeros(1, np.int64), np.arange(channels)
        of_a = of_a.astype(np.float32)

        def part(begin: int, end: int) -> None:
            patches.fill(x, channels, none, steps, of_a, (0,) * terms, wide[begin:end], begin, end)

        divide(part, len(wide), min(processors(), -(-wide.size // _PATCHES)), processors())
        images = wide.reshape(last - first, *of.padded, channels * terms)
        exact = np.empty((last - first, *of.shape[1:]), self._layer.wide)
        exact[:] = layer.biases
        for begin, end in self._channels:
            of_these = slice(begin * terms, end * terms)
            y = native.convolve(images[..., of_these], self._kernel[..., of_these, :], layer.window)
            exact += y.astype(self._layer.wide)
        return exact

    def _convolves(self) -> bool:
        many_taps = self._layer.steps > self._layer.w.shape[-2]
        return (
            many_taps and not self._distrusted and bool(self._channels) and native.serves(self._layer.window)
        )

    def _agree(self, sums: np.ndarray, image: np.ndarray) -> bool:
        """Return whether the sums of an image are those of the table engine."""
        return bool(
            np.array_equal(
                settled(sums[None], self._layer, "").values, self._ordered.sums(image[None]).values
            )
        )

    @cached_property
    def _kernel(self) -> np.ndarray:
        """(*sizes, channels * terms, filters)."""
        kernel = self.factors.weights[self._layer.matrix].astype(np.float32).transpose(0, 2, 1)
        return kernel.reshape(*self._layer.w.shape[:-2], -1, self._layer.filters)

    @cached_property
    def _weights(self) -> list[list[np.ndarray]]:
        """For each group and part: (steps * terms, filters of the group)."""
        matrix = self.factors.weights.astype(self.type)[self._layer.matrix]  # (steps, filters, terms)
        size = matrix.shape[1] // self._layer.window.groups
        return [
            [
                np.ascontiguousarray(
                    matrix[begin:end, first : first + size].transpose(0, 2, 1).reshape(-1, size)
                )
                for begin, end in self.parts
            ]
            for first in range(0, matrix.shape[1], size)
        ]

    @cached_property
    def _ordered(self) -> Table:
        return Table(self._layer)


def step_bounds(layer: Layer, found: Factors) -> np.ndarray:
    """Return (steps, filters): the largest sum of the magnitudes of all terms, over the activations.

    No partial sum of any order, of terms or of steps, exceeds the sum of them over the steps.
    """
    magnitudes = np.abs(found.activations).astype(float) @ np.abs(found.weights.T).astype(float)
    return magnitudes.max(axis=0)[layer.matrix]


def parts(bounds: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Return ranges of rows, (first, after the last), of which no column's sum reaches a limit."""
    marks, total = [0], np.zeros(bounds.shape[1])
    for row, more in enumerate(bounds):
        if (total + more).max() >= limit:
            marks.append(row)
            total[:] = 0
        total += more
    return list(zip(marks, [*marks[1:], len(bounds)], strict=True))
