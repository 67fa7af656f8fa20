"""Show how far a run is: a line per trial, and between them a live view or, without a terminal, epochs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from precision.grid.execution.watcher import Watcher
from precision.grid.forecast.estimator import Estimator
from precision.grid.forecast.work import work
from precision.grid.plan.cell import Cell
from precision.grid.progress.duration import duration
from precision.grid.progress.live import Running, View
from precision.printable import printable
from precision.tasks import score_in_words
from precision.trial import FLOAT32, Trial, TrialResult


class ConsoleWatcher(Watcher):
    """Prints what comes of every trial, and shows what is going on.

    Args:
        trials: that are to be run.
        cells: whose labels name the trials.
        jobs: trials that run beside each other.
        estimator: says how long it takes, and learns from what is done; None learns from equal trials alone.
    """

    QUIET = 15.0  # seconds without a line after which an epoch is worth one

    def __init__(
        self,
        trials: Sequence[Trial],
        cells: Sequence[Cell],
        console: Console,
        jobs: int = 1,
        estimator: Estimator | None = None,
    ) -> None:
        self._console = console
        self._names = names(cells)
        self._jobs = jobs
        self._estimator = estimator or Estimator(trials, lambda trial: work(trial, None, None))
        self._spoke = time.monotonic()
        self._awaited: set[str] = set()
        self._view = View(len(trials), left=self._seconds_left())
        self._live = Live(self._view, console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> ConsoleWatcher:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, trial: Trial) -> None:
        """Show the trial that begins."""
        epochs = trial.method.options.get("epochs", trial.training.epochs)
        self._view.running[trial.id] = Running(self.name(trial), epochs)

    def epoch(self, trial: Trial, row: dict[str, float]) -> None:
        """Show the epoch; as a line when nothing was said for a while."""
        if trial.id in self._view.running:
            running = self._view.running[trial.id]
            running.epoch, running.score = int(row["epoch"]), score_in_words(row, "val_")
        if not self._console.is_terminal and time.monotonic() - self._spoke > self.QUIET:
            score, seconds = score_in_words(row, "val_"), duration(row["seconds"])
            self._say(f"{self.name(trial)}: epoch {row['epoch']:.0f}, {score} ({seconds})")

    def sample(self, trial: Trial, row: dict[str, float]) -> None:
        """Show the memory."""
        if trial.id in self._view.running:
            self._view.running[trial.id].memory = row["memory_bytes"]

    def waiting(self, trial: Trial) -> None:
        """Say once for which trial another process is waited for."""
        self._view.running.pop(trial.id, None)
        if trial.id not in self._awaited:
            self._awaited.add(trial.id)
            self._say(f"{self.name(trial)}: another run is at it; waiting for its result")

    def finished(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        """Print what came of a trial and how long the rest will take."""
        view = self._view
        view.running.pop(trial.id, None)
        view.done += 1
        view.total = max(view.total, view.done)  # a baseline that went wrong was not among the trials
        view.failed += result.status not in ("ok", "skipped")
        view.skipped += result.status == "skipped"
        self._estimator.add(result, seconds)
        view.left = self._seconds_left()
        rest = f", about {duration(view.left)} left" if view.left else ""
        outcome = (
            f"{score_in_words(result.metrics)} ({duration(seconds)})"
            if result.status == "ok"
            else f"{result.status}: {result.reason}"
        )
        self._say(f"[{view.done}/{view.total}] {self.name(trial)}: {outcome}{rest}")

    def retried(self, trial: Trial, result: TrialResult) -> None:
        """Say why a trial is begun again."""
        self._view.running.pop(trial.id, None)
        self._say(f"{self.name(trial)}: {result.status}: {result.reason}; it is tried again")

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._say(f"precision: {text}")

    def name(self, trial: Trial) -> str:
        """Return the labels of a trial, or its own names for a baseline that no cell shows."""
        named = f"{trial.dataset.name} {trial.architecture.name} float32 seed {trial.seed}"
        return printable(self._names.get(trial.id) or named)

    def _seconds_left(self) -> float | None:
        """Return how long the rest will take; None while there is a trial of which nothing is known."""
        found = self._estimator.forecast()
        return None if found.unknown else found.elapsed(self._jobs)

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def names(cells: Sequence[Cell]) -> dict[str, str]:
    """Return how the trials of cells are called, by their ids."""
    found = {}
    for cell in cells:
        found[cell.trial.id] = name = _name(cell)
        found.update({trial.id: f"{name} repeat {trial.repeat}" for trial in cell.repeats})
    return found


def _name(cell: Cell) -> str:
    method = f" {cell.method}" if cell.trial.policy or cell.trial.method != FLOAT32 else ""
    words = [cell.dataset, cell.architecture, f"{cell.policy}{method}", f"seed {cell.seed}", cell.training]
    return " ".join(word for word in words if word)
