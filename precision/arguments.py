"""Checks of the arguments of a text such as ``fixed(8,4)``: one sentence for each rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from precision.errors import PrecisionError, shown, suggest


def integer(form: str, name: str, value: object, least: int, most: int) -> int:
    """Return an integer argument.

    Args:
        form: how the whole is written, for example ``posit(n,es)``.

    Raises:
        PrecisionError: when it is no integer or not in least..most.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise PrecisionError(
            f"{form}: {name} must be an integer with {least} <= {name} <= {most}, but got {shown(value)}"
        )
    return value


def flag(form: str, name: str, value: object) -> bool:
    """Return a True or False argument; ``yes`` and ``1`` are neither."""
    word = {"true": True, "false": False}.get(shown(value).strip("'").lower())
    if word is None:
        raise PrecisionError(f"{form}: {name} must be True or False, but got {shown(value)}")
    return word


def choice(form: str, name: str, value: object, known: Iterable[str]) -> str:
    """Return a word out of a closed list."""
    known = list(known)
    if value not in known:
        raise PrecisionError(f"{form}: unknown {name} {shown(value)}; {suggest(value, known)}")
    return str(value)


def written(name: str, positional: Iterable[Any], options: Mapping[str, tuple[Any, Any]]) -> str:
    """Return a canonical text: the arguments, then the options that differ from what is usual.

    Args:
        options: name of an option to (value, usual value).
    """
    words = [str(value) for value in positional]
    words += [f"{key}={value}" for key, (value, usual) in options.items() if value != usual]
    return f"{name}({','.join(words)})" if words else name
