"""Who is told about a run while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from precision.trial import Trial, TrialResult


class Watcher:
    """Hears of everything and does nothing; a watcher overrides what it wants to hear.

    A context, which is left when the run is over. All calls come from the process and the thread that runs
    the grid.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def started(self, trial: Trial) -> None:
        """Hear that a trial begins, or begins again."""

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Hear of a finished epoch: its row of the history."""

    def sample(self, trial: Trial, row: dict[str, float]) -> None:
        """Hear what a trial's process uses.

        ``seconds`` since the trial began, ``cpu_percent`` (100 is one core) and ``memory_bytes`` (resident).
        """

    def waiting(self, trial: Trial) -> None:
        """Hear that another run is at a trial."""

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Hear what came of a trial, and after how many seconds."""

    def retried(self, trial: Trial, result: TrialResult) -> None:
        """Hear that a trial gave no result and is going to be run again."""

    def note(self, text: str) -> None:
        """Hear a sentence for the user."""


class Watchers(Watcher):
    """Several watchers as one."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)

    def started(self, trial: Trial) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.started(trial)

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.epoch(trial, row)

    def sample(self, trial: Trial, row: dict[str, float]) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.sample(trial, row)

    def waiting(self, trial: Trial) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.waiting(trial)

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.finished(trial, result, seconds)

    def retried(self, trial: Trial, result: TrialResult) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.retried(trial, result)

    def note(self, text: str) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.note(text)
