"""How a run goes about its trials: how many at a time, for how long, and what happens when one fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from precision.errors import PrecisionError, shown
from precision.measure.machine.processor import cores, memory_of_the_machine

MOST_THREADS = 16  # of one operation, where nobody asks for more


@dataclass(frozen=True)
class RunOptions:
    """What a user may ask of a run; nothing here changes a number.

    Attributes:
        jobs: trials at a time; each worker process gets its share of the cores.
        timeout: seconds that one attempt of a trial may take; None for as long as it needs.
        retries: further attempts at a trial that failed, died, ran out of time or of memory.
        fail_fast: stop at the first trial that gives no result.
        memory_limit: resident bytes of one worker process, above which it is stopped; None for an equal
            share of nine tenths of the machine's memory. On a cluster, the memory that a trial reserves.
        checkpoint_seconds: how often, at the end of an epoch, a training is saved to go on from.
        executor: where the trials run.
        ray_address: of a Ray cluster; None starts one on this machine.
        cpus, gpus: that one trial reserves on the cluster; cpus None means as many as its threads.

    >>> import precision
    >>> precision.RunOptions(jobs=2, timeout=3600, retries=1).executor
    'local'
    """

    jobs: int = 1
    timeout: float | None = None
    retries: int = 0
    fail_fast: bool = False
    memory_limit: int | None = None
    checkpoint_seconds: float = 60.0
    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    cpus: float | None = None
    gpus: float = 0.0

    def __post_init__(self) -> None:
        for name, (holds, rule) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise PrecisionError(f"a run cannot have {name} {shown(value)}; {rule}")

    @property
    def memory(self) -> int:
        """Bytes that one worker may hold."""
        return self.memory_limit or int(0.9 * memory_of_the_machine() / self.jobs)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "jobs": (lambda jobs: jobs >= 1, "give a number from 1"),
    "timeout": (lambda time: time is None or time > 0, "give seconds above 0"),
    "retries": (lambda retries: retries >= 0, "give a number from 0"),
    "memory_limit": (lambda size: size is None or size >= 2**20, "give bytes, at least 2**20"),
    "checkpoint_seconds": (lambda time: time >= 0, "give seconds from 0"),
    "executor": (lambda name: name in ("local", "ray"), "it is 'local' or 'ray'"),
    "cpus": (lambda cores: cores is None or cores > 0, "give a number above 0"),
    "gpus": (lambda number: number >= 0, "give a number from 0"),
}


def default_threads() -> int:
    """Return the threads of an operation where the grid names none.

    Sums are split among threads, so that their number is part of what the last bits depend on. It is
    therefore that of the machine, however many trials run beside each other; the workers are kept apart by
    the cores that they may use.
    """
    return min(len(cores()), MOST_THREADS)


def share_of_cores(worker: int, jobs: int) -> tuple[int, ...]:
    """Return the cores of one of several workers, as even as can be; workers beyond the cores share them."""
    mine = cores()
    if jobs >= len(mine):
        return (mine[worker % len(mine)],)
    return mine[worker * len(mine) // jobs : (worker + 1) * len(mine) // jobs]


def crowding(asked: Iterable[int | None], jobs: int) -> str:
    """Return a sentence where trials ask for more threads than they have cores here; otherwise nothing.

    Args:
        asked: the threads that trials ask for; None is as many as there are.
    """
    most, mine = max((threads or 0 for threads in asked), default=0), len(share_of_cores(0, jobs))
    if most <= mine:
        return ""
    here = f"{mine} core{'s' * (mine > 1)}" + (f" with --jobs {jobs}" if jobs > 1 else "")
    return f"runtime.threads asks for up to {most}, but a trial has {here} here: its threads take turns"


_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE | re.ASCII)


def seconds(text: str, option: str) -> float:
    """Return the seconds that a text such as ``90``, ``45s``, ``10min`` or ``1h30m`` names.

    Raises:
        PrecisionError: for any other text, and for zero.
    """
    match = _TIME.fullmatch(text.replace(" ", ""))
    hours, minutes, rest = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    if not 0 < (total := 3600 * hours + 60 * minutes + rest) < float("inf"):
        raise PrecisionError(
            f"{option} is a time above 0 such as 90, 45s, 10min or 1h30m, but got {shown(text)}"
        ) from None
    return total


def size(text: str, option: str) -> int:
    """Return the bytes that a text such as ``4GiB``, ``500MB`` or ``2G`` names; G is 2^30, GB is 10^9.

    Raises:
        PrecisionError: for any other text, and for less than a mebibyte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match:
        number, prefix, binary = match.groups()
        decimal = not binary and text.strip().upper().endswith("B")
        found = float(number) * (1000 if decimal else 1024) ** " KMGT".index(prefix.upper() or " ")
        if 2**20 <= found < 2**63:
            return int(found)
    raise PrecisionError(f"{option} is a size of at least 1MiB such as 4GiB or 500MB, but got {shown(text)}")
