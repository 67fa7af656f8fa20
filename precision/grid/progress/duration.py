"""How long the rest of a run will take, from what is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from precision.trial import Trial


class Estimate:
    """Seconds that are left, from the trials that are done: the most similar ones count.

    Args:
        jobs: trials that run beside each other.
    """

    def __init__(self, trials: Sequence[Trial], jobs: int = 1) -> None:
        self._left = {trial.id: trial for trial in trials}
        self._jobs = jobs
        self._seen: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def add(self, trial: Trial, seconds: float) -> None:
        """Take note of a trial that is done."""
        self._left.pop(trial.id, None)
        for kind in _kinds(trial):
            self._seen[kind].append(seconds)

    def seconds_left(self) -> float | None:
        """Return the estimate; None before anything is done."""
        if not self._seen:
            return None
        return sum(self._one(trial) for trial in self._left.values()) / self._jobs

    def _one(self, trial: Trial) -> float:
        times = next(self._seen[kind] for kind in _kinds(trial) if kind in self._seen)
        return sum(times) / len(times)


def _kinds(trial: Trial) -> list[tuple[str, ...]]:
    method, architecture = trial.method.name, repr(trial.architecture)
    return [(method, architecture), (method,), ()]


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``8 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
