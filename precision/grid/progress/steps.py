"""Show how far an exploration is: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from precision.grid.progress.duration import duration
from precision.printable import printable


class Steps:
    """Counts steps of about equal length and says how long the rest will take.

    Args:
        total: steps; fewer may come.
    """

    QUIET = 15.0  # seconds without a line after which a step is worth one

    def __init__(self, total: int, console: Console) -> None:
        self._total, self._count, self._new = total, 0, 0
        self._console = console
        self._began = self._spoke = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, left="")

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, text: str) -> None:
        """Count a step that is done, and say what it was."""
        self._count += 1
        self._new += 1
        left = self.seconds_left()
        rest = f"about {duration(left)} left" if left > 0 else ""
        self._bar.update(self._task, completed=self._count, description=escape(printable(text)), left=rest)
        if not self._console.is_terminal and time.monotonic() - self._spoke > self.QUIET:
            self.say(f"[{self._count}/{self._total}] {text}{', ' + rest if rest else ''}")

    def skip(self, count: int) -> None:
        """Count steps that were done before."""
        self._count += count
        self._bar.update(self._task, completed=self._count)

    def seconds_left(self) -> float:
        """Return how long the steps that are left will take, as long each as those of this run on average."""
        each = (time.monotonic() - self._began) / max(1, self._new)
        return each * max(0, self._total - self._count)

    def say(self, text: str) -> None:
        """Print a line."""
        self._spoke = time.monotonic()
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
