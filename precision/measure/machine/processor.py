"""The computer that this process runs on: its processor, the cores and the memory that there are for us."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import psutil


@functools.cache
def processor() -> str:
    """Return the name of the processor, for example ``AMD EPYC 7543``."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores() -> tuple[int, ...]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def memory_of_the_machine() -> int:
    """Return the bytes of memory that processes here may use, which a container may have limited."""
    total = int(psutil.virtual_memory().total)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as stream:
                total = min(total, int(stream.read()))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return total
