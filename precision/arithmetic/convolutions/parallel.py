"""A batch shared among workers: each computes the network and its gradients for some of the images.

Threads, where an algorithm lets go of the interpreter for nearly all of its time: they share the network, and
begin at once. Processes, where the loops are those of Python: threads would take turns. What a process takes
and returns is copied, the network included, which such loops do not feel. Either way a worker has a core of
its own, and calls NumPy's products of matrices with one thread: several workers with several threads each
would wait for one another.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from precision.arithmetic.convolutions import memory
from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.convolutions.step import Gradients, Network
from precision.errors import PrecisionError


class Parallel(AbstractContextManager["Parallel"]):
    """Computes networks with an algorithm of convolution and some workers; a context that ends them.

    Args:
        algorithm: of the convolution.
        workers: at least 1; one computes in the caller's thread. NumPy's products have one thread each.

    >>> import numpy as np
    >>> from precision.arithmetic.convolutions import convolution
    >>> from precision.arithmetic.convolutions.parallel import Parallel
    >>> from precision.arithmetic.convolutions.step import Convolve, Network
    >>> from precision.arithmetic.window import Window
    >>> layer = Convolve([np.ones((3, 3, 1, 1)), np.zeros(1)], Window((3, 3), (1, 1), (1, 1)))
    >>> with Parallel(convolution("im2col"), workers=2) as shared:
    ...     shared.logits(Network([layer]), np.ones((2, 3, 3, 1))).ravel().tolist()
    [9.0, 9.0]
    """

    def __init__(self, algorithm: Convolution, workers: int = 1) -> None:
        if workers < 1:
            raise PrecisionError(f"workers must be at least 1, but got {workers}")
        self.algorithm, self.workers = algorithm, workers
        self._stack = ExitStack()
        self._pool: concurrent.futures.Executor | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(threadpoolctl.threadpool_limits(1, "blas"))
        if self.workers > 1:
            self._pool = self._stack.enter_context(self._workers())
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool = None
        self._stack.close()
        memory.release()

    def logits(self, network: Network, x: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of images (N, H, W, C)."""
        if self._pool is None or len(x) < self.workers:
            return network.logits(x, self.algorithm)
        return np.concatenate(self._each(Network.logits, network, [(part,) for part in self._parts(x)]))

    def step(
        self, network: Network, x: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, float, Gradients]:
        """Return the logits of a batch, its mean loss and the gradients; see :meth:`Network.step`.

        Raises:
            PrecisionError: for fewer images than workers, and a worker that ended.
        """
        if len(x) < self.workers:
            raise PrecisionError(
                f"a batch of {len(x)} images cannot be shared among {self.workers} workers; take at most as "
                "many workers as there are images"
            )
        if self._pool is None:
            return network.step(x, labels, self.algorithm)
        parts = list(zip(self._parts(x), self._parts(labels), strict=True))
        found = self._each(Network.step, network, parts)
        shares = [len(part) / len(x) for part, _ in parts]  # each is the mean over its own images
        gradients = [_weighted(each, shares) for each in zip(*(own for _, _, own in found), strict=True)]
        loss = sum(share * mean for share, (_, mean, _) in zip(shares, found, strict=True))
        return np.concatenate([logits for logits, _, _ in found]), loss, gradients

    def _workers(self) -> Any:
        if not self.algorithm.processes:
            places = itertools.cycle(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else (0,))
            return concurrent.futures.ThreadPoolExecutor(
                self.workers, initializer=lambda: keep_to([next(places)])
            )
        # Spawned: this process may have threads, which a fork does not take along.
        spawn = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self.workers, spawn, initializer=_with_one_thread)

    def _parts(self, values: np.ndarray) -> list[np.ndarray]:
        """Return what each worker has of a batch."""
        marks = [len(values) * i // self.workers for i in range(self.workers + 1)]
        return [values[first:last] for first, last in itertools.pairwise(marks)]

    def _each(self, method: Callable[..., Any], network: Network, parts: list[tuple[Any, ...]]) -> list[Any]:
        assert self._pool is not None
        calls = [self._pool.submit(method, network, *part, self.algorithm) for part in parts]
        try:
            return [call.result() for call in calls]
        except BrokenProcessPool as error:
            raise PrecisionError(
                f"a worker of the convolution {self.algorithm.name!r} ended before its work was done; "
                "another process may have killed it, or the memory is full"
            ) from error


def keep_to(cores: Iterable[int]) -> None:
    """Keep this thread, and those that it starts, to some cores, where the system can.

    Threads that sleep most of the time are otherwise woken where their waker runs, and take turns there while
    another core is idle.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _with_one_thread() -> None:
    """Let NumPy's products of this process have one thread; NumPy is there, as this module imports it."""
    threadpoolctl.threadpool_limits(1, "blas")


def _weighted(arrays: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """Return the sum of arrays times their shares, in their type."""
    total = arrays[0] * arrays[0].dtype.type(shares[0])
    for array, share in zip(arrays[1:], shares[1:], strict=True):
        total += array * array.dtype.type(share)
    return total
