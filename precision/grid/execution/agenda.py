"""Which trial goes next: what is ready, what waits for a baseline, and what is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from precision.grid.execution.executor import group
from precision.grid.plan.unrounded import needs_baseline
from precision.trial import Trial


class Agenda:
    """The trials that are still to be run, each after the baseline from which it starts.

    Args:
        trials: in the order in which they are to go, as far as nothing else decides.
        usable: whether the store has a baseline's trained network.
    """

    def __init__(self, trials: Iterable[Trial], usable: Callable[[Trial], bool]) -> None:
        self._ready: dict[str, deque[Trial]] = {}
        self._blocked: dict[str, list[Trial]] = {}
        self._usable = usable
        self._waiting = 0
        trials = list(trials)
        ids = {trial.id for trial in trials}
        there: dict[str, bool] = {}
        self.orphans: list[Trial] = []  # whose baseline gave nothing, and nobody is going to run it
        for trial in trials:
            if not needs_baseline(trial):
                self.again(trial)
                continue
            needed = trial.baseline
            if needed.id in ids:
                self._blocked.setdefault(needed.id, []).append(trial)
                self._waiting += 1
            elif there.setdefault(needed.id, usable(needed)):
                self.again(trial)
            else:
                self.orphans.append(trial)

    def __len__(self) -> int:
        """Return how many trials have not been handed out."""
        return self._waiting

    def ready(self, warm: str | None) -> bool:
        """Return whether a trial of a group could go now."""
        return warm in self._ready

    def again(self, trial: Trial) -> None:
        """Put a trial at the end of those that are ready."""
        self._ready.setdefault(group(trial), deque()).append(trial)
        self._waiting += 1

    def next(self, warm: str | None, busy: Collection[str]) -> Trial | None:
        """Hand out a trial for a worker, or None when none is ready.

        One that finds the worker warm comes first, then one of a group that nobody is busy with, so that as
        few workers as can be have to load the same network; but no worker is idle while a trial is ready.

        Args:
            warm: the group that the worker has warm.
            busy: groups that other workers have in hand.
        """
        if not self._ready:
            return None
        idle = (name for name in self._ready if name not in busy)
        chosen = warm if warm in self._ready else next(idle, None)
        if chosen is None:  # the longest line, of which the most is left for two
            chosen = max(self._ready, key=lambda name: len(self._ready[name]))
        self._waiting -= 1
        trials = self._ready[chosen]
        found = trials.popleft()
        if not trials:
            del self._ready[chosen]
        return found

    def over(self, trial: Trial) -> list[Trial]:
        """Let go what waited for a trial; return those that cannot run, as it left nothing to start from."""
        blocked = self._blocked.pop(trial.id, [])
        self._waiting -= len(blocked)
        if not blocked:
            return []
        if not self._usable(trial):
            return blocked
        for waiting in blocked:
            self.again(waiting)
        return []

    def awaits(self, baseline: Trial) -> bool:
        """Return whether trials wait for a baseline."""
        return baseline.id in self._blocked

    def renew(self, trial: Trial) -> None:
        """Run the baseline of a trial again, and then the trial and all that start from it."""
        needed = trial.baseline

        def starts(other: Trial) -> bool:
            return needs_baseline(other) and other.baseline.id == needed.id

        ready = [other for trials in self._ready.values() for other in trials]
        blocked = self._blocked.setdefault(needed.id, [])
        if not blocked:
            ready.append(needed)
            self._waiting += 1
        blocked += [trial, *filter(starts, ready)]
        self._waiting += 1
        self._ready = {}
        for other in ready:
            if not starts(other):
                self._ready.setdefault(group(other), deque()).append(other)

    def stuck(self) -> list[Trial]:
        """Let go what still waits for a baseline; asked when nothing is ready and nothing runs."""
        blocked = [trial for trials in self._blocked.values() for trial in trials]
        self._waiting -= len(blocked)
        self._blocked.clear()
        return blocked
