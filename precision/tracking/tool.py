"""What a tool has to offer; everything around it is in tracker.py."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from precision.tracking.description import Described, End


class Record(Protocol):
    """The record of one attempt at one trial in a tool.

    ``time`` is when something happened, in seconds since 1970: a tool may hear of it later.
    """

    def epoch(self, epoch: int, metrics: dict[str, float], time: float) -> None:
        """Add the metrics of a finished epoch."""

    def sample(self, seconds: float, metrics: dict[str, float], time: float) -> None:
        """Add what the trial's process used, seconds after the trial began."""

    def end(self, end: End) -> None:
        """Complete the record."""


@runtime_checkable
class Tool(Protocol):
    """A tool that keeps records; it is made and used by one thread of its own, and may fail in any way."""

    def begin(self, described: Described) -> Record:
        """Open a record; several may be open at a time."""

    def close(self) -> None:
        """Let go of everything."""
