"""What the scheduler asks of those who run trials: processes of this machine, or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from precision.registry import METHODS
from precision.trial import Trial

GROWTH = 2**30  # bytes beyond those after its first trial that a process may hold in any case
BUSY = "busy"  # another run is at the trial
LOST = "lost"  # the machine that ran the trial is gone, by no fault of the trial


@dataclass(frozen=True)
class Ended:
    """A trial is over.

    Attributes:
        status: of the result that is in the store; BUSY or LOST when there is none.
        seconds: since the trial was handed over.
    """

    trial: Trial
    status: str
    seconds: float


@dataclass(frozen=True)
class Heard:
    """Something that a running trial tells: a row of its history, or a sample of what it uses."""

    kind: Literal["epoch", "sample"]
    trial: Trial
    row: dict[str, float]


class Executor(Protocol):
    """Runs trials, several at a time, and stores a result for each, a failure too.

    Used as a context: what is left running at its end is stopped at once.
    """

    def free(self) -> list[str | None]:
        """Return an entry per trial that could start now: the group that it would find warm, or None."""

    def submit(self, trial: Trial, group: str | None, attempt: int) -> None:
        """Start a trial for the ``attempt``-th time on a free worker, one with ``group`` warm."""

    def poll(self, seconds: float) -> list[Ended | Heard]:
        """Return what happened since the last call, after waiting for something at most ``seconds``."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: object) -> None: ...


def group(trial: Trial) -> str:
    """Return what the trials share that a warm worker is good for: data, network, and where it runs.

    A trial whose memory is measured shares it with none.
    """
    alone = trial.id if getattr(METHODS[trial.method.name], "alone", False) else ""
    return repr((trial.dataset, trial.architecture, trial.runtime, alone))


def outgrown(first: int, size: int) -> bool:
    """Return whether a process has grown so much since its first trial that it is to be replaced.

    Args:
        first, size: resident bytes after the first trial, and now.
    """
    return size > first + max(GROWTH, first)
