"""Tables on the terminal, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a header; cells stand as they are."""
    from tabulate import tabulate

    typer.echo(tabulate([[str(cell) for cell in row] for row in rows], headers=header, disable_numparse=True))
