"""What a process uses while it works, and its end when its parent is gone."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from types import TracebackType

import psutil

ORPHANED = 70  # exit code of a process whose parent is gone; nobody is left to read it


class ResourceSampler:
    """Context manager that tells, every second, what this process uses.

    A sample holds ``seconds`` since the beginning, ``cpu_percent`` since the last sample (100 is a core) and
    ``memory_bytes``, the resident set as the operating system sees it.

    Args:
        tell: called with each sample, from a thread of the sampler; never after the context has ended.
        every: seconds between two samples.
    """

    def __init__(self, tell: Callable[[dict[str, float]], None], every: float = 1.0) -> None:
        self._tell, self._every = tell, every
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="resources", daemon=True)

    def _sample(self) -> None:
        began = time.monotonic()
        self._process.cpu_percent()  # the first call begins the first interval
        while not self._stop.wait(self._every):
            self._tell(
                {
                    "seconds": time.monotonic() - began,
                    "cpu_percent": self._process.cpu_percent(),
                    "memory_bytes": float(self._process.memory_info().rss),
                }
            )

    def __enter__(self) -> ResourceSampler:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


def end_with_parent() -> None:
    """End this process at once when the one that started it is gone, however that ended.

    Without it a worker whose parent was killed would train on, for nobody, and hold the lock of its trial.
    A process that ``multiprocessing`` did not start has no such parent.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
