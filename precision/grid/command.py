"""The command that does again what a report shows, as a reader elsewhere can type it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from precision.data.files.catalogue import ENTRIES
from precision.grid.file.source import Source, portable
from precision.grid.plan.cell import Cell

DATA = "DATA"
"""Stands in a command for the folder of the data sets, which is another one on every machine."""


def command_of(
    name: str, source: Source, cells: Iterable[Cell], words: Sequence[str] = (), only: Sequence[str] = ()
) -> list[str]:
    """Return the words of a command that is given this grid: the file, where data are, and what was changed.

    Args:
        name: of the command.
        source: the grid, as it was read.
        cells: whose data sets the command needs.
        words: options of the command itself.
        only: what was chosen with ``--only``.
    """
    folder = ["--data-dir", DATA] if from_folder({cell.trial.dataset.name for cell in cells}) else []
    selected = [f"--only={text}" for text in only]
    return ["precision", name, portable(source.path), *folder, *words, *source.options, *selected]


def from_folder(datasets: Collection[str]) -> list[str]:
    """Return the titles of those data sets that lie in the folder of the option ``--data-dir``."""
    return [entry.title for name, entry in ENTRIES.items() if entry.files and name in datasets]
