"""A batch shared among workers, each with some of the images.

Threads, where an algorithm lets go of the interpreter for nearly all of its time: they share the images and
the kernel, and begin at once. Each calls NumPy's products of matrices with one thread, as several workers
with several threads each would wait for one another. Processes, where the loops are those of Python: threads
would take turns. What a process takes and returns is copied, which such loops do not feel.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from precision.arithmetic.convolutions.base import Convolution
from precision.arithmetic.window import Window
from precision.errors import PrecisionError


class Parallel(AbstractContextManager["Parallel"]):
    """Computes as an algorithm does, with some workers; a context that ends them.

    Args:
        algorithm: of the convolution.
        workers: at least 1; one computes in the caller's thread. NumPy's products have one thread each.

    >>> import numpy as np
    >>> from precision.arithmetic.convolutions import convolution
    >>> from precision.arithmetic.convolutions.parallel import Parallel
    >>> from precision.arithmetic.window import Window
    >>> x, w = np.ones((2, 3, 3, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    >>> with Parallel(convolution("im2col"), workers=2) as shared:
    ...     shared.forward(x, w, Window((3, 3), (1, 1), (1, 1))).ravel().tolist()
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
            if self.algorithm.processes:  # spawned: this process may have threads, which a fork does not take
                spawn = multiprocessing.get_context("spawn")
                self._pool = concurrent.futures.ProcessPoolExecutor(self.workers, spawn)
            else:
                self._pool = concurrent.futures.ThreadPoolExecutor(self.workers)
            self._stack.enter_context(self._pool)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def forward(self, x: np.ndarray, w: np.ndarray, window: Window) -> np.ndarray:
        """Return the sums; see :meth:`Convolution.forward`."""
        if self._pool is None:
            return self.algorithm.forward(x, w, window)
        return np.concatenate(self._each("forward", [(part, w, window) for part in self._parts(x)]))

    def backward(
        self, x: np.ndarray, w: np.ndarray, window: Window, dy: np.ndarray, inputs: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return the gradients; see :meth:`Convolution.backward`. Those by the kernel are added up."""
        if self._pool is None:
            return self.algorithm.backward(x, w, window, dy, inputs)
        parts = zip(self._parts(x), self._parts(dy), strict=True)
        found = self._each("backward", [(one, w, window, by, inputs) for one, by in parts])
        dw = np.sum([of_kernel for _, of_kernel in found], axis=0, dtype=w.dtype)
        return (np.concatenate([by_images for by_images, _ in found]) if inputs else None), dw

    def _parts(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the images of each worker.

        Raises:
            PrecisionError: for fewer images than workers.
        """
        if len(x) < self.workers:
            raise PrecisionError(
                f"a batch of {len(x)} images cannot be shared among {self.workers} workers; take at most as "
                "many workers as there are images"
            )
        marks = [len(x) * i // self.workers for i in range(self.workers + 1)]
        return [x[first:last] for first, last in itertools.pairwise(marks)]

    def _each(self, name: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        assert self._pool is not None
        calls = [self._pool.submit(getattr(self.algorithm, name), *each) for each in arguments]
        try:
            return [call.result() for call in calls]
        except BrokenProcessPool as error:
            raise PrecisionError(
                f"a worker of the convolution {self.algorithm.name!r} ended before its work was done; "
                "another process may have killed it, or the memory is full"
            ) from error
