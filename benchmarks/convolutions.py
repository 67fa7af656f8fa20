"""A training step that is written out against Keras', on one core; workers; direct loops against plain ones.

The network is two_conv at 28x28 in batches of 64, with the weights of an initialisation and images of chance.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from timing import Row, paired, row

from precision.arithmetic.compiled import compiled

BATCH, ROUNDS = 64, 15
LIMITS = {"direct": 1.0, "im2col": 3.0, "shifted": 3.0, "pixel_matrix": None, "winograd4": None, "fft": None}


def rows() -> list[Row]:
    with _one_core():
        found = [*_against_keras()]
    return [*found, _workers(), _plain()]


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process, and what TensorFlow starts in it, to one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _against_keras() -> Iterator[Row]:
    import keras

    import architectures

    model = architectures.build("two_conv")
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = _batch()
    for name, limit in LIMITS.items():
        times = paired(_step(name, 1), lambda: model.train_on_batch(x, y), ROUNDS)
        yield row(f"training step, {name}, one core", "Keras", *times, limit=limit, rate=False)


def _workers() -> Row:
    times = paired(_step("im2col", 2), _step("im2col", 1), ROUNDS)
    return row("training step, im2col, two workers", "one worker", *times, limit=1.6, rate=True)


def _plain() -> Row:
    """The second layer of the network, forward."""
    from precision.arithmetic.convolutions import convolution
    from precision.arithmetic.window import Window

    rng = np.random.default_rng(0)
    x, w = rng.random((BATCH, 24, 24, 8), np.float32), rng.random((5, 5, 8, 8), np.float32)
    y, window, direct = (
        np.empty((BATCH, 20, 20, 8), np.float32),
        Window((5, 5), (1, 1), (1, 1)),
        convolution("direct"),
    )
    with _one_core():
        times = paired(lambda: direct.forward(x, w, window), lambda: _loops(x, w, y), ROUNDS)
    return row("5x5 convolution of 8 channels, direct", "plain compiled loops", *times, limit=5.0, rate=True)


@compiled
def _loops(x: Any, w: Any, y: Any) -> None:
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for f in range(y.shape[3]):
                    total = np.float32(0)
                    for a in range(w.shape[0]):
                        for b in range(w.shape[1]):
                            for c in range(w.shape[2]):
                                total += x[n, i + a, j + b, c] * w[a, b, c, f]
                    y[n, i, j, f] = total


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 28, 28, 1), np.float32), rng.integers(0, 10, BATCH)


def _step(name: str, workers: int) -> Callable[[], object]:
    """Return a step with an algorithm; its workers end with this process."""
    import architectures
    from precision.arithmetic.convolutions import convolution
    from precision.arithmetic.convolutions.parallel import Parallel
    from precision.arithmetic.convolutions.step import Adam
    from precision.deploy.written_out import written_out

    network = written_out(architectures.build("two_conv"))
    shared, adam, (x, y) = Parallel(convolution(name), workers), Adam(network.variables), _batch()
    shared.__enter__()
    return lambda: adam.step(shared.step(network, x, y)[2])
