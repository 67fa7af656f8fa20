"""What a worker shares with the process that asks for it, whenever its server was started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from precision.measure.machine.processor import cores


@dataclass(frozen=True)
class Surroundings:
    """The environment, the module search path, the working folder and the cores of a process."""

    environment: dict[str, str]
    path: list[str]
    folder: str
    cores: tuple[int, ...]

    @classmethod
    def here(cls) -> Surroundings:
        """Return those of this process."""
        return cls(dict(os.environ), list(sys.path), os.getcwd(), cores())

    def take(self) -> None:
        """Give them to this process."""
        os.environ.clear()
        os.environ.update(self.environment)
        sys.path[:] = self.path
        os.chdir(self.folder)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)
