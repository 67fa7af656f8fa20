"""What a run shows while it goes on."""

from precision.grid.progress.console import ConsoleWatcher
from precision.grid.progress.estimate import Estimate, duration

__all__ = ["ConsoleWatcher", "Estimate", "duration"]
