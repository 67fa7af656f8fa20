"""One convolution by every algorithm: how fast, and how near the limits of the machine."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from precision.arithmetic.convolutions import convolution
from precision.arithmetic.convolutions.parallel import Parallel
from precision.arithmetic.window import Window
from precision.race.timing import seconds

SIZE = 4  # bytes of a float32


@dataclass(frozen=True)
class Layer:
    """A convolution of a network, for a batch.

    Attributes:
        x, w: shapes of the images (N, H, W, C) and of the kernel (rows, columns, C, filters).
    """

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    window: Window

    @property
    def macs(self) -> int:
        """The multiplications of the definition, forward."""
        return self.x[0] * math.prod(self.window.output(self.x[1:3])) * math.prod(self.w)


@dataclass(frozen=True)
class Rate:
    """How an algorithm computes a layer, on one core.

    Attributes:
        forward, backward: seconds of the sums, and of both gradients.
        macs: multiplications of the definition in a second, forward; an algorithm that needs fewer can be
            above what the processor can do.
        intensity: multiplications of the definition to a byte that the algorithm moves, if nothing stays in
            a cache from one of its steps to the next.
        held: bytes beside images, kernel and sums.
    """

    layer: str
    algorithm: str
    forward: float
    backward: float
    macs: float
    intensity: float
    held: int


def rates(layer: Layer, algorithms: Sequence[str], rounds: int) -> list[Rate]:
    """Measure a layer with every algorithm that can compute it, with one thread each."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=layer.x).astype("f"), rng.normal(size=layer.w).astype("f")
    dy = rng.normal(size=(layer.x[0], *layer.window.output(layer.x[1:3]), layer.w[3])).astype("f")
    able = [name for name in algorithms if not convolution(name).refusal(layer.window)]
    works: dict[str, Callable[[], object]] = {}
    for name in able:
        one = convolution(name)
        works[f"{name} forward"] = functools.partial(one.forward, x, w, layer.window)
        works[f"{name} backward"] = functools.partial(one.backward, x, w, layer.window, dy)
    with Parallel(convolution("direct"), 1):  # one thread for NumPy's products
        found = seconds(works, rounds)
    return [_rate(layer, name, found) for name in able]


def _rate(layer: Layer, name: str, found: dict[str, float]) -> Rate:
    one, arguments = convolution(name), (layer.x[0], layer.x[1:3], layer.w, layer.window)
    forward = found[f"{name} forward"]
    return Rate(
        layer.name,
        name,
        forward,
        found[f"{name} backward"],
        layer.macs / forward,
        layer.macs / (SIZE * one.moved(*arguments)),
        SIZE * one.held(*arguments),
    )
