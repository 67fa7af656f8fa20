"""Which trials of a store something refers to: grids, and the journals of explorations.

When in doubt a trial is kept. A grid keeps what it listed when it was last run and what its file says now;
only for a grid that is named does the file alone count. A registered file that is gone or no longer valid
keeps what it listed, and a note says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precision import received
from precision.errors import PrecisionError, suggest
from precision.grid.file.load import load_grid
from precision.grid.plan.expand import expand
from precision.grid.plan.schedule import schedule
from precision.grid.store.registered import Registration, registrations
from precision.trial import Trial


@dataclass(frozen=True)
class References:
    """What is referred to.

    Attributes:
        ids: of the trials, baselines and repeats included.
        forgotten: the entries of grids that no longer count.
        notes: sentences about grids that could not be read.
    """

    ids: frozenset[str]
    forgotten: tuple[Registration, ...]
    notes: tuple[str, ...]


def references(
    root: Path, named: Sequence[Path] = (), forget: Sequence[str] = (), plugins: Sequence[Path] = ()
) -> References:
    """Return what the named grids, the registered ones and the journals of a store refer to.

    Args:
        named: grid files.
        forget: paths or names of registered grids that are not to count.
        plugins: plugin files (see ``precision.plugins``), besides those that the grids name.

    Raises:
        PrecisionError: when a named grid is wrong, a forgotten one is not registered, a registration cannot
            be read, and when there is no grid at all.
    """
    ids = {trial_id for path in named for trial_id in _listed(path, plugins)}
    registered = registrations(root)
    forgotten = _forgotten(registered, forget)
    counting = [registration for registration in registered if registration not in forgotten]
    if not named and not counting:
        raise PrecisionError(
            f"{root}: no grid is registered in this store; name those whose results are to stay, "
            "or remove the whole folder"
        )
    resolved = {path.resolve() for path in named}
    notes = []
    for registration in counting:
        plain = not registration.options
        if plain and registration.path in resolved:
            continue
        ids |= registration.ids
        if not registration.path.exists():
            notes.append(
                f"{registration}: this grid is gone; the {len(registration.ids)} trials of its last run "
                f"stay, unless you give --forget {registration.path}"
            )
        elif plain:
            try:
                ids |= _listed(registration.path, plugins)
            except PrecisionError as error:
                notes.append(f"{error}; the {len(registration.ids)} trials of its last run stay")
    return References(frozenset(ids | _explored(root)), tuple(forgotten), tuple(notes))


def _listed(path: Path, plugins: Sequence[Path]) -> set[str]:
    """Return the ids of all trials of a grid, and of every baseline that they are compared with."""
    trials = schedule(expand(*load_grid(path, plugins)))
    return {trial.id for trial in trials} | {trial.baseline.id for trial in trials}


def _forgotten(registered: list[Registration], forget: Sequence[str]) -> list[Registration]:
    found = []
    for word in forget:
        path = Path(word).resolve()
        matching = [r for r in registered if path == r.path or word == r.name]
        if not matching:
            known = {r.name for r in registered} | {str(r.path) for r in registered}
            raise PrecisionError(f"--forget {word}: no such grid is registered; {suggest(word, known)}")
        found += matching
    return found


def _explored(root: Path) -> set[str]:
    """Return the ids of the trainings that explorations went out from, and may go on from.

    See ``precision.exploration.journal``: the first line of each file says what its rows are about.
    """
    found = set()
    for path in sorted(root.glob("*/*.jsonl")):
        try:
            about = json.loads(received.stored(path)[1].partition(b"\n")[0])["about"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        for content in _mappings(about.get("content") if isinstance(about, dict) else None):
            try:
                trial = Trial.from_json(content)
                found |= {trial.id, trial.baseline.id}
            except (KeyError, TypeError, AttributeError):
                continue
    return found


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    yield from (entry for entry in values if isinstance(entry, dict))
