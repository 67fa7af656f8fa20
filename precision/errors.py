"""The one exception for mistakes in what the user gave, and how it suggests a repair."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable

LONGEST = 300  # characters of an exception's text that are repeated


class PrecisionError(ValueError):
    """Something the user gave is wrong: YAML, a format text, a data file, a path, a tensor.

    Its text is one sentence: the location, the rule, the received value and a suggestion. The command
    line prints it without a traceback and exits with code 2.

    >>> from precision import PrecisionError, formats
    >>> try:
    ...     formats.parse("float61")
    ... except PrecisionError as error:
    ...     print(error)
    unknown format 'float61'; did you mean 'float16'?
    """


class LocatedError(PrecisionError):
    """A mistake inside a nested value; ``location`` is the way to it: keys and indices, outermost first."""

    def __init__(self, location: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.location = location


def suggest(received: object, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for a near miss, otherwise the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(str(received).lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    if close:
        return f"did you mean '{next(n for n in names if n.lower() == close[0])}'?"
    return f"known: {', '.join(names)}" if names else "none is known"


def unknown(kind: str, received: object, known: Iterable[str]) -> PrecisionError:
    """Return the error for a name that is not in a closed list, for example a misspelt architecture."""
    return PrecisionError(f"unknown {kind} {received!r}; {suggest(received, known)}")


def trouble(error: BaseException) -> str:
    """Return an exception on one line: its type, and what it says."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:LONGEST]}" if text else type(error).__name__


def line_in(error: BaseException, file: str) -> int | None:
    """Return the innermost line of a file on the way to an exception; None when the way avoids the file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
