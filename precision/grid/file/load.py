"""Read and check a grid file: from a path to a :class:`Grid`, or to one sentence that says what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from precision import plugins
from precision.errors import LocatedError, Mistakes, MistakesError, PrecisionError, each, shown, suggest
from precision.grid.file.changes import Changes
from precision.grid.file.extends import KEY
from precision.grid.file.schema import (
    Exclusion,
    Grid,
    Inclusion,
    PublishedFigures,
    ReportOptions,
    RuntimeAxes,
    TrainingAxes,
)
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
        raise _all(source, error) from None


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


def _all(source: Source, error: ValidationError) -> PrecisionError:
    """Return the errors of a validation, one for each entry, in the order of the file."""
    problems = error.errors()
    misspelt = {problem["loc"][:-1] for problem in problems if problem["type"] == "extra_forbidden"}
    found: dict[Any, tuple[Any, PrecisionError]] = {}
    for problem in problems:
        if problem["type"] == "missing" and problem["loc"][:-1] in misspelt:
            continue  # a misspelt key explains the missing one beside it
        cause = problem.get("ctx", {}).get("error")
        for one in each(cause) if isinstance(cause, PrecisionError) else (None,):
            location = (*problem["loc"], *(one.location if isinstance(one, LocatedError) else ()))
            # The branches of a union are tried one after another, and each may have something to say.
            entry = location if problem["type"] == "missing" else source.nearest(location)
            mark = source.mark(location)
            line = (str(mark.path or ""), mark.line)
            found.setdefault(entry, (line, _located(source, problem, location, one)))
    errors = [sentence for _, sentence in sorted(found.values(), key=lambda pair: pair[0])]
    return errors[0] if len(errors) == 1 else MistakesError(errors)


def _located(
    source: Source, problem: ErrorDetails, location: tuple[Any, ...], cause: PrecisionError | None
) -> PrecisionError:
    """Return one error of a validation as a sentence with its file and line."""
    # Where pydantic tried the branches of a union its location goes on past what the file has.
    parts = [part for part in location if isinstance(part, str) and _in_file(source, location, part)]
    words = ".".join(part if part.isprintable() else repr(part) for part in parts)
    if problem["type"] == "extra_forbidden":
        return source.error(location, f"unknown key {shown(location[-1])}; {_suggest_key(location)}")
    if problem["type"] == "missing":
        return source.error(location[:-1], f"the key {shown(location[-1])} is missing")
    if isinstance(cause, PrecisionError):
        return source.error(location, f"{words}: {cause}")
    text = problem["msg"][0].lower() + problem["msg"][1:]
    hint = ""
    if problem["type"] == "literal_error":
        known = [word.strip(" '") for word in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
        close = difflib.get_close_matches(str(problem["input"]), known, n=1)
        hint = f"; did you mean {shown(close[0])}?" if close else ""
    return source.error(location, f"{words}: {text}, but got {shown(problem['input'])}{hint}")


def _in_file(source: Source, location: tuple[Any, ...], part: str) -> bool:
    return any(location[: i + 1] in source.lines for i, p in enumerate(location) if p == part)


_PARTS: dict[str, type[BaseModel]] = {
    "training": TrainingAxes,
    "runtime": RuntimeAxes,
    "exclude": Exclusion,
    "include": Inclusion,
    "report": ReportOptions,
    "published": PublishedFigures,
}


def _suggest_key(location: tuple[Any, ...]) -> str:
    parents = [part for part in location[:-1] if isinstance(part, str) and part in _PARTS]
    model = _PARTS[parents[-1]] if parents else Grid
    return suggest(location[-1], [*model.model_fields, *([] if parents else [KEY])])
