"""Show how far a run is: a live bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from precision.grid.execution.watcher import Watcher
from precision.grid.expression.expand import Cell
from precision.trial import Trial, TrialResult


class Estimate:
    """Seconds that are left, from the trials that are done: the most similar ones count."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._left = {trial.id: trial for trial in trials}
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
        return sum(self._one(trial) for trial in self._left.values())

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


class ConsoleWatcher(Watcher):
    """Prints a line per finished trial, and between them a live bar or, without a terminal, long epochs."""

    QUIET = 15.0  # seconds without a line after which an epoch is worth one

    def __init__(self, trials: Sequence[Trial], cells: Sequence[Cell], console: Console) -> None:
        self._console = console
        self._names = {cell.trial.id: _name(cell) for cell in cells}
        self._total, self._done = len(trials), 0
        self._estimate = Estimate(trials)
        self._began = self._spoke = time.monotonic()
        self._waiting = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=self._total, left="")

    def __enter__(self) -> ConsoleWatcher:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def started(self, trial: Trial) -> None:
        """Show the trial that begins."""
        self._bar.update(self._task, description=escape(self.name(trial)))

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Show the epoch; as a line when nothing was said for a while."""
        text = (
            f"{self.name(trial)}: epoch {row['epoch']:.0f}, {_percent(row['val_accuracy'])} "
            f"({duration(row['seconds'])})"
        )
        self._bar.update(self._task, description=escape(text))
        if not self._console.is_terminal and time.monotonic() - self._spoke > self.QUIET:
            self._say(text)

    def waiting(self, trial: Trial) -> None:
        """Say once for which trial another process is waited for."""
        if self._waiting != trial.id:
            self._waiting = trial.id
            self._say(f"{self.name(trial)}: another run is at it; waiting for its result")

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Print what came of a trial and how long the rest will take."""
        self._done += 1
        self._estimate.add(trial, seconds)
        left = self._estimate.seconds_left()
        rest = f", about {duration(left)} left" if left else ""
        outcome = (
            f"{_percent(result.metrics['accuracy'])} ({duration(seconds)})"
            if result.status == "ok"
            else f"{result.status}: {result.reason}"
        )
        self._bar.update(self._task, completed=self._done, left=rest.lstrip(", "))
        self._say(f"[{self._done}/{self._total}] {self.name(trial)}: {outcome}{rest}")

    def name(self, trial: Trial) -> str:
        """Return the labels of a trial, or its own names for a baseline that no cell shows."""
        return (
            self._names.get(trial.id)
            or f"{trial.dataset.name} {trial.architecture.name} float32 seed {trial.seed}"
        )

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _name(cell: Cell) -> str:
    method = "" if not cell.trial.policy else f" {cell.method}"
    words = [cell.dataset, cell.architecture, f"{cell.policy}{method}", f"seed {cell.seed}", cell.training]
    return " ".join(word for word in words if word)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
