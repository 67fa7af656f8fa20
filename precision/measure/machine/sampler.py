"""What this process uses while something runs, sampled in a thread beside it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil


class Sampler(ABC):
    """Context manager that looks at this process again and again, never after the context has ended.

    Args:
        every: seconds between two looks.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Take one sample."""

    def _sample(self) -> None:
        while not self._stop.wait(self._every):
            self.look()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


class PeakMemory(Sampler):
    """The largest resident set of this process, looked at every 20 ms.

    ``peak`` is the largest sample in bytes. It counts the whole process: the runtime, the data set and the
    model together, as the operating system sees them.
    """

    def __init__(self) -> None:
        super().__init__(every=0.02)
        self.peak = 0

    def look(self) -> None:
        """Note the resident bytes if they are more than ever before."""
        self.peak = max(self.peak, self._process.memory_info().rss)

    def __enter__(self) -> Self:
        self.look()
        return super().__enter__()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self.look()


class ResourceSampler(Sampler):
    """Tells, every second, what this process uses.

    A sample holds ``seconds`` since the beginning, ``cpu_percent`` since the last sample (100 is a core) and
    ``memory_bytes``, the resident set as the operating system sees it.

    Args:
        tell: called with each sample, from a thread of the sampler.
        every: seconds between two samples.
    """

    def __init__(self, tell: Callable[[dict[str, float]], None], every: float = 1.0) -> None:
        super().__init__(every)
        self._tell = tell

    def look(self) -> None:
        """Tell one sample."""
        self._tell(
            {
                "seconds": time.monotonic() - self._began,
                "cpu_percent": self._process.cpu_percent(),
                "memory_bytes": float(self._process.memory_info().rss),
            }
        )

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._process.cpu_percent()  # the first call begins the first interval
        return super().__enter__()
