"""What a run shows while it goes on."""

from precision.grid.progress.console import ConsoleWatcher
from precision.grid.progress.duration import duration

__all__ = ["ConsoleWatcher", "duration"]
