"""The one exception for mistakes in what the user gave, and how it suggests a repair."""

from __future__ import annotations

import difflib
import math
import reprlib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from precision.printable import printable

MOST = 500  # characters of a message
LONGEST = 300  # characters of an exception's text that are repeated
_LISTED = 300  # characters of a list of what is known
_END = 160  # characters of a message that stay at its end, where the suggestion is
_COMPARED = 100  # characters of a name for which others are looked up


class PrecisionError(ValueError):
    """Something the user gave is wrong: YAML, a format text, a data file, a path, a tensor.

    Its text is one sentence: the location, the rule, the received value and a suggestion. It is one line of
    at most 500 characters, whatever was received: see :func:`precision.printable.printable`, and what is too
    long is left out of the middle. The command line prints it without a traceback and exits with code 2.

    >>> from precision import PrecisionError, formats
    >>> try:
    ...     formats.parse("float61")
    ... except PrecisionError as error:
    ...     print(error)
    unknown format 'float61'; did you mean 'float16'?
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(_one_line(text))


class AbsentError(PrecisionError):
    """This machine lacks what a trial asks for, such as a GPU: it is skipped, and no fault of it."""


class LocatedError(PrecisionError):
    """A mistake inside a nested value; ``location`` is the way to it: keys and indices, outermost first."""

    def __init__(self, location: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.location = location

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.location, str(self))


class MistakesError(PrecisionError):
    """Several mistakes of one file, so that one run tells them all.

    Attributes:
        errors: each with a sentence of its own; the text is the first one, and how many there are.
    """

    def __init__(self, errors: Iterable[PrecisionError]) -> None:
        self.errors = tuple(errors)
        more = len(self.errors) - 1
        super().__init__(f"{self.errors[0]} (and {more} more {'mistake' if more == 1 else 'mistakes'})")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors,)


def each(error: PrecisionError) -> tuple[PrecisionError, ...]:
    """Return the errors that one stands for: itself, or several."""
    return error.errors if isinstance(error, MistakesError) else (error,)


class Mistakes:
    """Gathers the mistakes of several checks, so that all of them are told at once.

    mistakes = Mistakes()
    with mistakes.noted():
        check(first)
    with mistakes.noted():
        check(second)
    mistakes.tell()
    """

    def __init__(self) -> None:
        self._errors: list[PrecisionError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep what is raised inside for later."""
        try:
            yield
        except PrecisionError as error:
            self._errors += each(error)

    def tell(self) -> None:
        """Raise what was noted.

        Raises:
            PrecisionError: the one mistake.
            MistakesError: all of them.
        """
        if len(self._errors) > 1:
            raise MistakesError(self._errors)
        if self._errors:
            raise self._errors[0]


class _Short(reprlib.Repr):
    """``repr`` of anything in bounded time: the ends of long texts, the first entries of long lists."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 12
        self.maxstring = self.maxlong = self.maxother = 120

    def repr_int(self, x: int, level: int) -> str:
        """Return an integer, or how many digits one has that nobody would read."""
        digits = int(abs(x).bit_length() * math.log10(2)) + 1
        return repr(x) if digits <= self.maxlong else f"an integer of about {digits} digits"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Return a mapping in its own order."""
        if level <= 0:
            return "{...}" if x else "{}"
        words = [
            f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}"
            for _, key in zip(range(self.maxdict), x, strict=False)
        ]
        return f"{{{', '.join([*words, *(['...'] if len(x) > self.maxdict else [])])}}}"


_short = _Short()


def shown(value: object) -> str:
    """Return what was received as a message repeats it: its ``repr``, shortened where it is long.

    >>> from precision.errors import shown
    >>> shown([1, "x"]), shown(10**5000)
    ("[1, 'x']", 'an integer of about 5000 digits')
    """
    return _cut(_short.repr(value), LONGEST)


def short(text: str, most: int = 80) -> str:
    """Return a text as it is, or its beginning where it is long."""
    return text if len(text) <= most else f"{text[:most]}..."


def _one_line(text: str) -> str:
    text = _cut(text, 4 * MOST)  # so that the rest costs nothing
    return _cut(printable(text).rstrip(), MOST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - _END - 5]} ... {text[-_END:]}"


def suggest(received: object, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for a near miss, otherwise the list of what is known."""
    names = sorted(known)
    word = received if isinstance(received, str) else shown(received)
    word = word[:_COMPARED].lower()
    close = difflib.get_close_matches(word, [n.lower() for n in names], n=1, cutoff=0.6)
    if close:
        return f"did you mean {shown(next(n for n in names if n.lower() == close[0]))}?"
    if not names:
        return "none is known"
    while len(", ".join(names)) > _LISTED and len(names) > 1:
        names = [*names[: len(names) * 3 // 4], "..."]
    return f"known: {', '.join(names)}"


def unknown(kind: str, received: object, known: Iterable[str]) -> PrecisionError:
    """Return the error for a name that is not in a closed list, for example a misspelt architecture."""
    return PrecisionError(f"unknown {kind} {shown(received)}; {suggest(received, known)}")


def trouble(error: BaseException) -> str:
    """Return an exception on one line: its type, and what it says."""
    text, name = said(error), type(error).__name__
    return name if text == name else f"{name}: {text}"


def said(error: BaseException) -> str:
    """Return what an exception says on one line; its type where it says nothing."""
    return _cut(" ".join(printable(error).split()), LONGEST) or type(error).__name__


def line_in(error: BaseException, file: str) -> int | None:
    """Return the innermost line of a file on the way to an exception; None when the way avoids the file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
