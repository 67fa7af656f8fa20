"""What the reports in a folder were made from, so that none is replaced by another without being asked.

    made_from.json    {"report.md": {"grid": "my-grid.yaml", "options": ["--seeds=3"], "results": 12}}

A report that an older version wrote has no entry, and is replaced.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from precision import received
from precision.errors import PrecisionError

FILE = "made_from.json"


@dataclass(frozen=True)
class MadeFrom:
    """What decides a report.

    Attributes:
        grid: the grid file, as ``Source.origin`` names it.
        options: of the command line, that ask for other trials than the file does.
        results: how many rows with a result it shows; None where that is not known, or says nothing.
    """

    grid: str
    options: tuple[str, ...]
    results: int | None = None

    def __str__(self) -> str:
        return shlex.join((self.grid, *self.options))


def check(path: Path, new: MadeFrom, force: bool = False) -> None:
    """Refuse to replace a report by that of another grid, or by one that shows fewer results.

    Args:
        path: of the report.
        new: what would be shown instead.

    Raises:
        PrecisionError: saying what is there, and what to do.
    """
    old = _entries(path.parent).get(path.name) if path.exists() else None
    if force or old is None:
        return
    ways = "give another --output, or --force to replace it"
    if (old.grid, old.options) != (new.grid, new.options):
        raise PrecisionError(f"{path}: this is the report of {old}, not of {new}; {ways}")
    if old.results is not None and new.results is not None and new.results < old.results:
        raise PrecisionError(
            f"{path}: this report has {old.results} results, and there are only {new.results} now; {ways}"
        )


def recorded(path: Path, new: MadeFrom) -> str:
    """Return the content of the file beside a report, with a new entry for it."""
    entries = {**_entries(path.parent), path.name: new}
    return json.dumps({name: asdict(entry) for name, entry in sorted(entries.items())}, indent=1) + "\n"


def _entries(folder: Path) -> dict[str, MadeFrom]:
    """Return what is known of the reports in a folder; nothing where the file is not one of ours."""
    try:
        content: Any = json.loads(received.stored(folder / FILE)[1])
        return {str(name): _entry(**entry) for name, entry in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _entry(grid: str, options: list[str], results: int | None) -> MadeFrom:
    return MadeFrom(str(grid), tuple(map(str, options)), None if results is None else int(results))
