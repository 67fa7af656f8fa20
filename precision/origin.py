"""Where a registered thing comes from: this project, a file of the user, or an installed package."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Any


@dataclass(frozen=True)
class Owner:
    """Where a name was registered."""

    module: str
    file: str
    line: int

    @classmethod
    def calling(cls, frame: FrameType) -> Owner:
        """Return the place that a frame is at."""
        return cls(frame.f_globals.get("__name__", ""), frame.f_code.co_filename, frame.f_lineno)

    @classmethod
    def defining(cls, thing: Any, module: str) -> Owner:
        """Return where a function or a class of a module is defined, or the file of the module."""
        code = getattr(inspect.unwrap(thing), "__code__", None)
        if code is not None:
            return cls(module, code.co_filename, code.co_firstlineno)
        try:
            return cls(module, inspect.getfile(thing), 1)
        except (TypeError, OSError):  # for example a functools.partial
            return cls(module, getattr(sys.modules[module], "__file__", None) or module, 1)

    @property
    def builtin(self) -> bool:
        """Whether the name comes with this project."""
        return self.module.split(".")[0] in ("precision", "architectures")

    def __str__(self) -> str:
        return self.module if self.builtin else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Package:
    """An installed package."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Offer:
    """One entry point of a package: the name that it offers, and what it is."""

    package: Package
    point: EntryPoint


def offers(group: str, name: str | None = None) -> Iterator[Offer]:
    """Return the entry points of a group, or those of it with one name; nothing is imported."""
    found: Any = entry_points(group=group) if name is None else entry_points(group=group, name=name)
    for point in found:
        distribution: Any = point.dist
        yield Offer(Package(distribution.name, distribution.version), point)
