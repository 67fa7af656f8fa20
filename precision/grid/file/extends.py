"""A grid file together with the files that it extends."""

from __future__ import annotations

import os
from pathlib import Path

from precision import received
from precision.errors import shown
from precision.grid.file.entry import Entry, merge
from precision.grid.file.paths import assign, has, split
from precision.grid.file.reader import NEAR, read_file

MAX_CHAIN = 10
MAX_FILES = 100
KEY = "extends"
FREE = "x-"  # keys that begin so mean nothing: a place for YAML anchors


def read_grid(path: Path) -> Entry:
    """Return the content of a grid file laid over that of the files which it extends.

    Raises:
        PrecisionError: when a file cannot be read, extends itself, or is the end of too long a chain.
    """
    received.check(path, near=NEAR)
    return _Reader().read(path, ())


class _Reader:
    """Reads each file once, however many others extend it."""

    def __init__(self) -> None:
        self._done: dict[str, Entry] = {}

    def read(self, path: Path, chain: tuple[str, ...]) -> Entry:
        """Return a file with what it extends; ``chain`` are the files on the way to it."""
        real = os.path.realpath(path)  # unlike Path.resolve, it accepts a link to itself
        if real not in self._done:
            tree = read_file(path)
            own = {key: entry for key, entry in tree.value.items() if not key.startswith(FREE)}
            parents = self._parents(own.pop(KEY, Entry(None, tree.mark)), path, (*chain, real))
            self._done[real] = _combined(parents, tree.with_value(own))
        return self._done[real]

    def _parents(self, extends: Entry, path: Path, chain: tuple[str, ...]) -> list[Entry]:
        parents = []
        for named in extends.items:
            if not isinstance(named.value, str) or not named.value.strip() or not named.value.isprintable():
                raise named.mark.error(
                    f"extends: names a grid file such as common.yaml, or a list of them, "
                    f"but got {shown(named.plain())}"
                )
            parent = named.mark.folder / named.value
            if os.path.realpath(parent) in chain:
                raise named.mark.error(f"extends: {named.value} extends this file again; break the circle")
            if len(chain) >= MAX_CHAIN:
                raise named.mark.error(
                    f"extends: more than {MAX_CHAIN} files extend one another; merge some of them"
                )
            if len(self._done) >= MAX_FILES:
                raise named.mark.error(f"extends: more than {MAX_FILES} files make up this grid")
            if why := received.refusal(parent, near=NEAR):
                raise named.mark.error(f"extends: {parent}: {why}")
            parents.append(self.read(parent, chain))
        return parents


def _combined(parents: list[Entry], own: Entry) -> Entry:
    """Lay a file over its parents, of which a later one wins; then its dotted keys over that."""
    nested = {key: entry for key, entry in own.value.items() if "." not in key}
    whole = own.with_value(nested)
    for parent in reversed(parents):
        whole = merge(parent, whole, top=True)
    for key, entry in own.value.items():
        if key in nested:
            continue
        way = split(key, entry.mark)
        if has(own.with_value(nested), way):
            raise entry.mark.error(
                f"{shown(key)} stands twice: as a dotted key and as the entry that it means"
            )
        whole = assign(whole, way, entry, merged=True)
    return whole
