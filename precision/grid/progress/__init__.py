"""What a run shows while it goes on."""

from precision.grid.progress.console import ConsoleWatcher, Estimate, duration

__all__ = ["ConsoleWatcher", "Estimate", "duration"]
