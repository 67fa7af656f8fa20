"""Whole training steps: Keras', and those that are written out, with each algorithm and number of workers.

Each number of workers has a process of its own, which is given its cores before it imports TensorFlow:
threads that exist already keep the cores that they were given.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.arithmetic.convolutions.parallel import keep_to
from precision.errors import PrecisionError
from precision.measure.machine.processor import cores
from precision.race.timing import seconds

KERAS = "keras"
SLOW = "naive"
FEW = 1  # images for each worker of what is too slow for a batch; its time is scaled


@dataclass(frozen=True)
class Setting:
    """What is trained.

    Attributes:
        network: one of architectures, a chain.
        shape: of its images (rows, columns, channels), of which there are 10 classes.
    """

    network: str = "two_conv"
    shape: tuple[int, int, int] = (28, 28, 1)
    classes: int = 10
    rounds: int = 9


@dataclass(frozen=True)
class Step:
    """The time of a training step, median in seconds.

    Attributes:
        images: that were timed; fewer than the batch where the time is scaled.
    """

    algorithm: str
    batch: int
    workers: int
    seconds: float
    images: int


def steps(setting: Setting, algorithms: Sequence[str], batches: Sequence[int], workers: int) -> list[Step]:
    """Return the times with so many workers, on as many cores, from a process of its own.

    Raises:
        PrecisionError: for a batch smaller than the workers, and a process that ends before it answers.
    """
    if min(batches) < workers:
        raise PrecisionError(
            f"a batch of {min(batches)} images cannot be shared among {workers} workers; take at most as "
            "many workers as there are images"
        )
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=keep_to, initargs=(cores()[:workers],)) as pool:
        try:
            return pool.submit(_steps, setting, tuple(algorithms), tuple(batches), workers).result()
        except BrokenProcessPool as error:
            raise PrecisionError(
                "the process of the race ended before its work was done; another process may have killed "
                "it, or the memory is full"
            ) from error


def _steps(setting: Setting, algorithms: Sequence[str], batches: Sequence[int], workers: int) -> list[Step]:
    found = []
    for batch in batches:
        images = {name: FEW * workers if name == SLOW else batch for name in algorithms}
        with ExitStack() as stack:
            works: dict[str, Callable[[], object]] = {}
            slow: dict[str, Callable[[], object]] = {}
            for name, count in images.items():
                (slow if name == SLOW else works)[name] = _step(setting, name, count, workers, stack)
            # What takes minutes has one turn: it would only make the others wait.
            times = {**seconds(works, setting.rounds), **seconds(slow, 1)}
        for name, count in images.items():
            found.append(Step(name, batch, workers, times[name] * batch / count, count))
    return found


def _step(setting: Setting, name: str, images: int, workers: int, stack: ExitStack) -> Callable[[], object]:
    """Return a training step; what has to be ended is put on the stack."""
    import keras

    import architectures

    rng = np.random.default_rng(0)
    x, y = rng.random((images, *setting.shape), np.float32), rng.integers(0, setting.classes, images)
    keras.utils.set_random_seed(0)
    model: Any = architectures.build(setting.network, setting.shape, setting.classes)
    if name == KERAS:
        model.compile(
            keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        return lambda: model.train_on_batch(x, y)
    from precision.arithmetic.convolutions import convolution
    from precision.arithmetic.convolutions.parallel import Parallel
    from precision.arithmetic.convolutions.step import Adam
    from precision.deploy.written_out import written_out

    network = written_out(model)
    adam = Adam(network.variables)
    shared = stack.enter_context(Parallel(convolution(name), workers))
    return lambda: adam.step(shared.step(network, x, y)[2])
