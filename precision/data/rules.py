"""Rules for the values of options: integers, fractions, paths, sizes.

A rule takes the place (for its message) and the received value, and returns the value in its final
type. A dataset names the rule of an option in its annotation, by one of the types at the end:

    @DATASETS.register("mine")
    def mine(data_dir, *, path: FilePath, test_fraction: Fraction = 0.2) -> Dataset: ...
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

from precision.errors import PrecisionError

Rule = Callable[[str, Any], Any]


def is_integer(value: object) -> bool:
    """Tell whether a value is an integer; ``true`` is not, though Python says so."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether a value is an integer or a float; ``true`` is neither."""
    return is_integer(value) or isinstance(value, float)


def count(place: str, value: Any) -> int:
    """Rule: a positive integer."""
    if not is_integer(value) or value < 1:
        raise PrecisionError(f"{place} must be a positive integer, but got {value!r}")
    return int(value)


def fraction(place: str, value: Any) -> float:
    """Rule: a number above 0 and below 1."""
    if not is_number(value) or not 0 < value < 1:
        raise PrecisionError(f"{place} must be a number above 0 and below 1, such as 0.2, but got {value!r}")
    return float(value)


def flag(place: str, value: Any) -> bool:
    """Rule: true or false."""
    if not isinstance(value, bool):
        raise PrecisionError(f"{place} must be true or false, but got {value!r}")
    return value


def path(place: str, value: Any) -> Path:
    """Rule: the path of a file or folder; in a grid it counts from the grid's file, ``~`` is the home."""
    if not isinstance(value, str | PathLike) or not str(value):
        raise PrecisionError(f"{place} must be a path, but got {value!r}")
    try:
        return Path(value).expanduser()
    except RuntimeError:  # ~name of nobody
        raise PrecisionError(f"{place} begins with the home of nobody here, but got {value!r}") from None


def size(place: str, value: Any) -> tuple[int, int]:
    """Rule: ``[height, width]``, positive integers."""
    height, width = _positive(place, value, (2,), "[height, width], two positive integers")
    return height, width


def shape(place: str, value: Any) -> tuple[int, int, int]:
    """Rule: ``[height, width]`` or ``[height, width, channels]``, positive integers."""
    form = "[height, width] or [height, width, channels], positive integers"
    height, width, *channels = _positive(place, value, (2, 3), form)
    return height, width, channels[0] if channels else 1


def _positive(place: str, value: Any, lengths: tuple[int, ...], form: str) -> list[int]:
    items = list(value) if isinstance(value, list | tuple) else []
    if len(items) not in lengths or not all(is_integer(item) and item > 0 for item in items):
        raise PrecisionError(f"{place} must be {form}, but got {value!r}")
    return items


def column(place: str, value: Any) -> str | int:
    """Rule: the name or the index of a column; index -1 is the last one."""
    if not is_integer(value) and not isinstance(value, str):
        raise PrecisionError(f"{place} must be the name or the index of a column, but got {value!r}")
    return value


def color(place: str, value: Any) -> str:
    """Rule: ``rgb`` or ``gray``."""
    if value not in ("rgb", "gray"):
        raise PrecisionError(f"{place} must be 'rgb' or 'gray', but got {value!r}")
    return str(value)


def classes(place: str, value: Any) -> tuple[int | str, ...]:
    """Rule: two or more different classes, each by label or by name."""
    items = tuple(value) if isinstance(value, list | tuple) else ()
    if len(items) < 2 or not all(is_integer(item) or isinstance(item, str) for item in items):
        raise PrecisionError(f"{place} must be a list of at least 2 class labels or names, but got {value!r}")
    if len(set(items)) < len(items):
        raise PrecisionError(f"{place} must name each class once, but got {value!r}")
    return items


Flag = Annotated[bool, flag]
Fraction = Annotated[float, fraction]
FilePath = Annotated[Path, path]
Size = Annotated[tuple[int, int], size]
Shape = Annotated[tuple[int, int, int], shape]
Column = Annotated[str | int, column]
Color = Annotated[str, color]
