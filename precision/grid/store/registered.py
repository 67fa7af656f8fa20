"""The grids that were run with a store: what none of them refers to may be removed.

    <root>/grids/<hash>.json    path, name and options of a run, and the ids of its trials

A grid that was run with other options (``--set``, ``--seeds``, ``--only``, ``--plugin``) has an entry of its
own for each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from precision import files, received
from precision.errors import PrecisionError
from precision.grid.store.locks import Lock

VERSION = 1
LOCK = "grids"  # the name of the lock under which entries are written


@dataclass(frozen=True)
class Registration:
    """A grid file as it was when it was last run.

    Attributes:
        entry: the file of this entry in the store.
        path: the grid file, absolute; it may be gone, or say something else by now.
        options: of the command that ran it, as text; empty for the file as it stands.
        ids: of its trials, baselines and repeats included.
    """

    entry: Path
    path: Path
    name: str
    options: str
    ids: frozenset[str]

    def __str__(self) -> str:
        return f"{self.path} {self.options}".strip()


def register(root: Path, path: Path, name: str, ids: Iterable[str], options: str) -> None:
    """Write the entry of a grid instead of its former one."""
    where = str(path.resolve())
    digest = hashlib.sha256(json.dumps([where, options]).encode()).hexdigest()[:12]
    entry = root / "grids" / f"{digest}.json"
    content = {
        "version": VERSION,
        "path": where,
        "name": name,
        "options": options,
        "trials": sorted(set(ids)),
    }
    text = json.dumps(content, indent=1).encode()
    try:
        if received.stored(entry)[1] == text:
            return
    except (OSError, ValueError):
        pass
    files.make_folder(entry.parent)
    files.make_folder(root / "locks")
    with Lock(root / "locks" / f"{LOCK}.lock"):
        files.write(entry, text)


def registrations(root: Path) -> list[Registration]:
    """Return every entry of a store, in the order of the paths of the grids.

    Raises:
        PrecisionError: for an entry that cannot be read: nobody knows what it refers to.
    """
    found = []
    for entry in sorted((root / "grids").glob("[!.]*.json")):  # no draft
        try:
            content = json.loads(received.stored(entry)[1])
            if content["version"] != VERSION:
                raise ValueError(f"its version is {content['version']!r}, not {VERSION}")
            texts = [content["path"], content["name"], content["options"], *content["trials"]]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("it holds something else than texts")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise PrecisionError(
                f"{entry}: which trials this grid refers to cannot be read ({type(error).__name__}: "
                f"{error}); "
                "run the grid again, or remove this file if none of its results is needed"
            ) from None
        path, name, options, *ids = texts
        found.append(Registration(entry, Path(path), name, options, frozenset(ids)))
    return sorted(found, key=lambda registration: (str(registration), registration.entry))
