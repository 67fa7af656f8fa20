"""What a grid file says, with the location of every entry: the form in which files are merged and changed.

Entries are never changed in place, so that one may stand in several trees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from precision.errors import PrecisionError

Location = tuple[str | int, ...]


class Mark(NamedTuple):
    """Where an entry was written: on a line of a file, or in an option of the command line."""

    path: Path | None
    line: int = 1
    option: str = ""

    @property
    def folder(self) -> Path:
        """The folder from which the paths of the entry count."""
        return self.path.parent if self.path is not None else Path()

    def error(self, text: str) -> PrecisionError:
        """Return an error that names this location."""
        return PrecisionError(f"{self}: {text}")

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.path is not None else self.option


@dataclass(frozen=True)
class Entry:
    """A value of a grid file: a mapping or a list of entries, or a single value."""

    value: Any
    mark: Mark

    @property
    def entries(self) -> dict[str, Entry]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Entry]:
        """The entries of a list; a single value counts as a list of itself, null as an empty one."""
        if isinstance(self.value, list):
            return self.value
        return [] if self.value is None else [self]

    def with_value(self, value: Any) -> Entry:
        """Return another value in the same location."""
        return replace(self, value=value)

    def plain(self) -> Any:
        """Return the value as plain data."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def marks(self, location: Location = ()) -> dict[Location, Mark]:
        """Return the mark of every entry below, by the way to it: keys and indices from the outside in."""
        found = {location: self.mark}
        inner: Any = ()
        if isinstance(self.value, dict):
            inner = self.value.items()
        elif isinstance(self.value, list):
            inner = enumerate(self.value)
        for key, entry in inner:
            found.update(entry.marks((*location, key)))
        return found


def merge(base: Entry, over: Entry, *, top: bool = False) -> Entry:
    """Return ``over`` laid over ``base``; a key whose value is null there is removed.

    Options belong to the thing that they are given to: a mapping with another ``name`` takes the place of
    the whole, and so does a sweep.

    Args:
        top: whether these are whole grids, whose ``name`` means nothing of the kind.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if "each" in base.value or "each" in over.value or (not top and _renamed(base, over)):
        return over
    merged = dict(base.value)
    for key, entry in over.value.items():
        if key not in merged:
            merged[key] = entry
        elif entry.value is None:
            del merged[key]
        else:
            merged[key] = merge(merged[key], entry)
    return over.with_value(merged)


def _renamed(base: Entry, over: Entry) -> bool:
    return (
        "name" in base.value
        and "name" in over.value
        and base.value["name"].plain() != over.value["name"].plain()
    )
