"""A grid file as plain data, and the location of every entry, so that an error can name it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import precision.data
from architectures.given import file_options
from precision.errors import PrecisionError
from precision.grid.file.changes import Changes, changed
from precision.grid.file.entry import Entry, Location, Mark
from precision.grid.file.extends import read_grid
from precision.grid.file.sweeps import swept

__all__ = ["Location", "Source", "read"]


@dataclass(frozen=True)
class Source:
    """The content of a grid file, with what it extends and what was changed, and where each entry stands.

    Attributes:
        options: of the command line that ask for what the file does not: its changes and further plugins.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Location, Mark]
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, tree: Entry) -> Source:
        """Return the entries of a file as plain data."""
        return cls(path, tree.plain(), tree.marks())

    @property
    def origin(self) -> str:
        """The file, by a name that another file has only in another working directory.

        It tells nothing of the folders of the machine.
        """
        name = portable(self.path)
        digest = hashlib.sha256(str(self.path.resolve()).encode(errors="surrogateescape")).hexdigest()
        return name if (Path.cwd() / name).resolve() == self.path.resolve() else f"{name} ({digest[:8]})"

    def error(self, location: Iterable[str | int], text: str) -> PrecisionError:
        """Return an error with the file and the line of ``location`` or of the nearest entry around it."""
        return self.mark(location).error(text)

    def mark(self, location: Iterable[str | int]) -> Mark:
        """Return where an entry stands, or the nearest entry around it that was given."""
        return self.lines.get(self.nearest(location), Mark(self.path))

    def nearest(self, location: Iterable[str | int]) -> Location:
        """Return a location, or that of the nearest entry around it that was given."""
        where = tuple(location)
        while where and where not in self.lines:
            where = where[:-1]
        return where

    def line(self, location: Iterable[str | int]) -> int:
        """Return the line of an entry, or of the nearest entry around it that was given."""
        return self.mark(location).line


def read(path: str | Path, changes: Changes | None = None) -> Source:
    """Read a grid file with the files that it extends, and make the changes.

    Raises:
        PrecisionError: when a file cannot be read or is not YAML, and for a change that cannot be made.
    """
    path = Path(path)
    tree = read_grid(path)
    changes = changes or Changes()
    found = Source.of(path, _located(swept(changed(tree, changes))))
    return replace(found, options=tuple(changes.words()))


def _located(tree: Entry) -> Entry:
    """Return the content of a grid, paths of data sets, models and tables seen from the working directory."""
    found = dict(tree.value)
    for axis, paths in (("datasets", precision.data.path_options), ("architectures", file_options)):
        if axis not in found:
            continue
        entries = found[axis]
        if isinstance(entries.value, list):
            found[axis] = entries.with_value([_choice(entry, paths) for entry in entries.value])
        else:
            found[axis] = _choice(entries, paths)
    table = found["report"].entries.get("energy_table") if "report" in found else None
    if table is not None and str(table.value).endswith((".yaml", ".yml")):
        found["report"] = found["report"].with_value(
            {**found["report"].value, "energy_table": _from_here(table)}
        )
    return tree.with_value(found)


def _choice(entry: Entry, paths: Callable[[str], set[str]]) -> Entry:
    name = entry.entries.get("name")
    if name is None or not isinstance(name.value, str):
        return entry
    options = paths(name.value)
    return entry.with_value(
        {key: _from_here(value) if key in options else value for key, value in entry.value.items()}
    )


def _from_here(entry: Entry) -> Entry:
    if not isinstance(entry.value, str) or not entry.value or entry.value.startswith("~"):
        return entry
    whole = entry.mark.folder / Path(entry.value)
    short = os.path.normpath(whole)
    # What a link leads to has another folder above it.
    same = os.path.exists(whole) and os.path.exists(short) and os.path.samefile(whole, short)
    return entry.with_value(short if same else str(whole))


def portable(path: Path) -> str:
    """Return a path as a reader elsewhere can use it: from the working directory, or the name alone."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.name
