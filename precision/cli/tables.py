"""Tables on the terminal, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from precision.cli.echo import echo
from precision.printable import printable


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a header; each cell is one line."""
    from tabulate import tabulate

    echo(tabulate([[printable(cell) for cell in row] for row in rows], headers=header, disable_numparse=True))
