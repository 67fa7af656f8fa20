"""The table of energies that a grid names: one that ships with the package, or a YAML file of the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from precision.errors import PrecisionError, suggest
from precision.grid.file.reader import read_file
from precision.grid.file.refusals import refusals
from precision.grid.file.source import Source
from precision.measure.counted.energy_table import (
    DEFAULT,
    EnergyTable,
    Memory,
    Point,
    Widths,
    shipped,
    shipped_table,
)
from precision.options import Options

_WHAT = ("an energy table", "title, source, multiply, add, memories and memory")
_PARTS: dict[str, type[Options]] = {"multiply": Widths, "add": Widths, "integer": Point, "float": Point}


def energy_table(name: str | None) -> EnergyTable:
    """Return a table by its name, or from the file of a path that ends in ``.yaml`` or ``.yml``; None is the
    default.

    Raises:
        PrecisionError: one sentence with file, line, rule, received value and a suggestion.

    >>> from precision.grid.file.energy import energy_table
    >>> energy_table("jouppi2021").title
    'Jouppi 2021, 7 nm'
    """
    if name is None or not name.endswith((".yaml", ".yml")):
        return shipped_table(name or DEFAULT)
    path = Path(name)
    source = Source.of(path, read_file(path, _WHAT))
    try:
        return EnergyTable.model_validate(source.data)
    except ValidationError as error:
        raise refusals(source, error, _suggest_key) from None


def check_name(name: str) -> str:
    """Return the name of a table, which can be read.

    Raises:
        PrecisionError: as :func:`energy_table`, and in other words for what may be meant as a path.
    """
    try:
        energy_table(name)
    except PrecisionError as error:
        if name in shipped() or name.endswith((".yaml", ".yml")):
            raise
        raise PrecisionError(f"{error}, or name a file such as my-chip.yaml") from None
    return name


def _suggest_key(location: tuple[Any, ...]) -> str:
    words = [part for part in location[:-1] if isinstance(part, str)]
    inner = Memory if words[:1] == ["memories"] else _PARTS.get(words[-1]) if words else None
    model: type[Options] = inner or EnergyTable
    return suggest(location[-1], model.model_fields)
