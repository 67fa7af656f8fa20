"""The view of a run on a terminal: what is running, how far it is, and what is done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from precision.grid.progress.duration import duration


@dataclass
class Running:
    """A trial in flight, as far as it is known."""

    name: str
    epochs: int
    began: float = field(default_factory=time.monotonic)
    epoch: int = 0
    score: str = ""
    memory: float | None = None


@dataclass
class View:
    """Everything that the view shows; rich asks for it anew several times a second."""

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    left: float | None = None
    running: dict[str, Running] = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = time.monotonic()
        if self.running:
            table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
            for title in ("running", "epoch", "test score", "time", "memory"):
                table.add_column(title, header_style="dim", no_wrap=True, overflow="ellipsis")
            for trial in self.running.values():
                table.add_row(
                    Text(trial.name),
                    f"{trial.epoch}/{trial.epochs}" if trial.epoch else "",
                    trial.score,
                    duration(now - trial.began),
                    "" if trial.memory is None else f"{trial.memory / 2**30:.1f} GiB",
                )
            yield table
        words = [f"{self.done}/{self.total} done"]
        words += [f"{self.failed} failed"] if self.failed else []
        words += [f"{self.skipped} skipped"] if self.skipped else []
        words += [f"about {duration(self.left)} left"] if self.left else []
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(ProgressBar(self.total, self.done, width=24), Text(", ".join(words)))
        yield grid
