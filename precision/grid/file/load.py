"""Read and check a grid file: from a path to a :class:`Grid`, or to one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from precision import plugins
from precision.errors import Mistakes, PrecisionError, shown, suggest
from precision.grid.file.changes import Changes
from precision.grid.file.extends import KEY
from precision.grid.file.published import PublishedFigure, PublishedFigures
from precision.grid.file.refusals import refusals
from precision.grid.file.report import ReportOptions, Requirement
from precision.grid.file.schema import Exclusion, Grid, Inclusion, RuntimeAxes, TrainingAxes
from precision.grid.file.source import Location, Source, portable, read


def load_grid(
    path: str | Path, named: Iterable[str | Path] = (), changes: Changes | None = None
) -> tuple[Grid, Source]:
    """Read and check a grid file; the plugins that it names, and those named beside it, are loaded first.

    Args:
        named: plugin files, from the working directory; those in a grid count from the folder of its file.
        changes: other values for entries, for this call.

    Raises:
        PrecisionError: one sentence with file, line, rule, received value and a suggestion.

    >>> from precision.grid import load_grid
    >>> grid, source = load_grid("grid.yaml")
    >>> grid.name, grid.seeds, source.path.name
    ('grid', [0, 1], 'grid.yaml')
    """
    source, named = read(path, changes), list(named)
    plugins.load([*map(plugins.read, named), *_plugins(source)])
    further = [f"--plugin={portable(Path(file))}" for file in named]
    source = replace(source, options=(*further, *source.options))
    try:
        return Grid.model_validate(source.data), source
    except ValidationError as error:
        raise refusals(source, error, _suggest_key) from None


def _plugins(source: Source) -> list[plugins.Plugin]:
    """Return the plugin files of a grid, read and not run."""
    entries = source.data.get("plugins")
    if not isinstance(entries, list | None):
        raise source.error(
            ("plugins",),
            f"plugins: must be a list of Python files such as [takum8.py], but got {shown(entries)}",
        )
    found: list[plugins.Plugin] = []
    mistakes = Mistakes()
    for index, entry in enumerate(entries or []):
        with mistakes.noted():
            found.append(_plugin(source, ("plugins", index), entry))
    mistakes.tell()
    return found


def _plugin(source: Source, location: Location, entry: Any) -> plugins.Plugin:
    if not isinstance(entry, str):
        raise source.error(
            location,
            f"plugins: a plugin is the path of a Python file such as takum8.py, but got {shown(entry)}",
        )
    try:
        return plugins.read(source.mark(location).folder / entry)
    except PrecisionError as error:
        raise source.error(location, f"plugins: {error}") from None


_PARTS: dict[str, type[BaseModel]] = {
    "training": TrainingAxes,
    "runtime": RuntimeAxes,
    "exclude": Exclusion,
    "include": Inclusion,
    "report": ReportOptions,
    "published": PublishedFigures,
    "figures": PublishedFigure,
    "require": Requirement,
}


def _suggest_key(location: tuple[Any, ...]) -> str:
    parents = [part for part in location[:-1] if isinstance(part, str) and part in _PARTS]
    model = _PARTS[parents[-1]] if parents else Grid
    return suggest(location[-1], [*model.model_fields, *([] if parents else [KEY])])
