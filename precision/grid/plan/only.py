"""Choose cells of a grid by the values of its axes: ``--only 'policy=fixed*,half'``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

from precision.errors import PrecisionError, short, shown, suggest
from precision.grid.file.entry import Mark
from precision.grid.file.reader import read_value
from precision.grid.plan.cell import Cell
from precision.trial import Runtime, Training

LABELS = ("dataset", "architecture", "policy", "method", "seed")
AXES = (
    *LABELS,
    *(f"training.{field.name}" for field in fields(Training)),
    *(f"runtime.{field.name}" for field in fields(Runtime)),
)
_COMMA = re.compile(r",(?![^()]*\))")  # those in fixed(8,4) belong to the format


def select(cells: Iterable[Cell], only: Sequence[str]) -> list[Cell]:
    """Return the cells that every condition admits.

    Args:
        only: texts such as ``policy=fixed*,half``: an axis, and the values of which it has one; a value may
            be a wildcard. Axes are dataset, architecture, policy, method, seed, training.X and runtime.X.

    Raises:
        PrecisionError: for an unknown axis, a value that no cell has, and conditions that no cell meets.

    >>> from precision.grid import expand, load_grid, select
    >>> cells = expand(*load_grid("grid.yaml"))
    >>> [cell.policy for cell in select(cells, ["policy=fixed*", "seed=0"])]
    ['fixed8', 'fixed4']
    """
    if isinstance(only, str):
        raise PrecisionError(f"only takes a list of texts such as policy=fixed*, but got {shown(only)}")
    cells = list(cells)
    left = cells
    for text in only:
        mark = Mark(None, option=f"--only {short(text)}")
        axis, equals, wanted = text.partition("=")
        axis = axis.strip()
        if not equals or not wanted.strip():
            raise mark.error(f"is written AXIS=VALUE, such as 'policy=fixed*', but got {shown(text)}")
        if axis not in AXES:
            raise mark.error(f"unknown axis {shown(axis)}; {suggest(axis, AXES)}")
        values: dict[str, Any] = {}
        for cell in cells:
            value = value_of(cell, axis)
            values.setdefault(word(value), value)
        admitted = _admitted(wanted, values, axis, mark)
        left = [cell for cell in left if word(value_of(cell, axis)) in admitted]
    if cells and not left:
        raise PrecisionError(f"--only {' --only '.join(only)}: no cell of the grid meets all of these")
    return left


def value_of(cell: Cell, axis: str) -> Any:
    """Return the value that a cell has on an axis, one of ``AXES``."""
    if axis in LABELS:
        return getattr(cell, axis)
    part, _, name = axis.partition(".")
    return getattr(getattr(cell.trial, part), name)


def word(value: Any) -> str:
    """Return a value as the tables show it."""
    return "default" if value is None else str(value)


def _admitted(wanted: str, values: dict[str, Any], axis: str, mark: Mark) -> set[str]:
    """Return the words of the values that one of the patterns stands for."""
    found: set[str] = set()
    # A label may have a comma of its own.
    patterns = [wanted.strip()] if wanted.strip() in values else _COMMA.split(wanted)
    for pattern in (pattern.strip() for pattern in patterns):
        meets = _test(pattern, mark)
        admitted = {text for text, value in values.items() if meets(text, value)}
        if not admitted:
            raise mark.error(f"no cell has the {axis} {shown(pattern)}; {suggest(pattern, values)}")
        found |= admitted
    return found


def _test(pattern: str, mark: Mark) -> Callable[[str, Any], bool]:
    """Return whether a pattern stands for a value: by its text, as a wildcard, or as the same number."""
    number: Any = None
    if re.fullmatch(r"[-+.0-9eE]+", pattern):
        number = read_value(pattern, mark).value

    def meets(text: str, value: Any) -> bool:
        if isinstance(value, int | float) and isinstance(number, int | float) and value == number:
            return True
        return text == pattern or fnmatchcase(text, pattern)

    return meets
