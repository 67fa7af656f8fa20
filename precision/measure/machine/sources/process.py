"""What the operating system tells of one process."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from precision.measure.machine.sources.source import Rate, Source

PROC = Path("/proc")


class ProcessorTime(Rate):
    """Processor time of a process, of all its threads, over the time that passed; 100 is one core."""

    quantity = "cpu_percent"

    def __init__(self, process: psutil.Process) -> None:
        super().__init__()
        self._process = process

    def count(self) -> float:
        """Return the hundredths of a second of processor time that it has used."""
        times = self._process.cpu_times()
        return 100 * (times.user + times.system)


class ResidentMemory(Source):
    """Resident set of a process in bytes: the largest since the last time that it was read.

    Attributes:
        peak: the largest that was seen; 0 before the first look.
        exact: whether the kernel keeps the largest, so that nobody has to look in between.
    """

    quantity = "memory_bytes"

    def __init__(self, process: psutil.Process, proc: Path = PROC) -> None:
        self._process = process
        self._since = self.peak = 0
        self._folder = proc / str(process.pid)
        self.exact = process.pid == os.getpid() and self._keeps()

    def glance(self) -> None:
        """Look, so that neither the peak nor the next value that is read misses what is there now."""
        self._since = max(self._since, self._process.memory_info().rss)
        self.peak = max(self.peak, self._since)

    def read(self, seconds: float) -> float:
        """Return the largest resident set since the last time, as far as it was seen."""
        if self.exact:
            self._since = self._largest()
            self._begin()
        self.glance()
        found, self._since = self._since, 0
        return float(found)

    def _keeps(self) -> bool:
        """Return whether the kernel keeps the largest, and begins anew when it is told to."""
        try:
            self._largest()
            self._begin()
        except (OSError, ValueError):
            return False
        return True

    def _largest(self) -> int:
        """Return what Linux calls the high water mark, in bytes."""
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
        raise ValueError("there is no high water mark")

    def _begin(self) -> None:
        with (self._folder / "clear_refs").open("wb", buffering=0) as stream:
            stream.write(b"5")  # of the high water mark alone


class Threads(Source):
    """Threads of a process."""

    quantity = "threads"

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def read(self, seconds: float) -> float:
        """Return their number."""
        return float(self._process.num_threads())
