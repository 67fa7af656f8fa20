"""From what a validation refuses to sentences, each with the file and the line of its entry."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from precision.errors import LocatedError, MistakesError, PrecisionError, each, shown
from precision.grid.file.source import Source

Suggest = Callable[[tuple[Any, ...]], str]


def refusals(source: Source, error: ValidationError, suggest_key: Suggest) -> PrecisionError:
    """Return the errors of a validation, one for each entry, in the order of the file.

    Args:
        suggest_key: returns the repair of an unknown key, by the way to it.
    """
    problems = error.errors()
    misspelt = {problem["loc"][:-1] for problem in problems if problem["type"] == "extra_forbidden"}
    found: dict[Any, tuple[Any, PrecisionError]] = {}
    for problem in problems:
        if problem["type"] == "missing" and problem["loc"][:-1] in misspelt:
            continue  # a misspelt key explains the missing one beside it
        cause = problem.get("ctx", {}).get("error")
        for one in each(cause) if isinstance(cause, PrecisionError) else (None,):
            inside = one.location if isinstance(one, LocatedError) else ()
            location = _as_written(source, (*problem["loc"], *inside))
            # The branches of a union are tried one after another, and each may have something to say.
            entry = location if problem["type"] == "missing" else source.nearest(location)
            mark = source.mark(location)
            line = (str(mark.path or ""), mark.line)
            found.setdefault(entry, (line, _located(source, problem, location, one, suggest_key)))
    errors = [sentence for _, sentence in sorted(found.values(), key=lambda pair: pair[0])]
    return errors[0] if len(errors) == 1 else MistakesError(errors)


def _as_written(source: Source, location: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a location without the place in a list, where the file has one value for a list of itself."""
    found: tuple[Any, ...] = ()
    for part in location:
        alone = isinstance(part, int) and found in source.lines and (*found, part) not in source.lines
        found = found if alone else (*found, part)
    return found


def _located(
    source: Source,
    problem: ErrorDetails,
    location: tuple[Any, ...],
    cause: PrecisionError | None,
    suggest_key: Suggest,
) -> PrecisionError:
    """Return one error of a validation as a sentence with its file and line."""
    # Where pydantic tried the branches of a union its location goes on past what the file has.
    parts = [part for part in location if isinstance(part, str) and _in_file(source, location, part)]
    words = ".".join(part if part.isprintable() else repr(part) for part in parts)
    if problem["type"] == "extra_forbidden":
        return source.error(location, f"unknown key {shown(location[-1])}; {suggest_key(location)}")
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
