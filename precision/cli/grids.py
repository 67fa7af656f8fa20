"""What the commands that take a grid do with the options that change or select its cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from precision.grid import Cell
    from precision.grid.file.schema import Grid
    from precision.grid.file.source import Source


def cells_of(
    grid: Path,
    plugins: Sequence[Path] | None,
    changes: Sequence[str] | None,
    seeds: str | None,
    only: Sequence[str] | None = None,
) -> tuple[Grid, Source, list[Cell]]:
    """Return a grid, where it comes from, and the cells that ``--only`` leaves of it."""
    from precision.grid import Changes, expand, load_grid, select

    parsed, source = load_grid(grid, plugins or (), Changes(changes or (), seeds))
    return parsed, source, select(expand(parsed, source), only or ())
