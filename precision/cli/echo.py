"""What a command says: every line goes out here."""

from __future__ import annotations

import typer

from precision.printable import printable


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text, which may have several lines, and nothing that steers a terminal.

    Args:
        err: to the standard error.
        nl: end the line.
    """
    typer.echo(printable(text, lines=True), err=err, nl=nl)
