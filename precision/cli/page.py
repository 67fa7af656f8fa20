"""The page docs/cli.md: the help of every command, as the program prints it.

python -m precision.cli.page > docs/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import typer

from precision.cli.echo import echo

WIDTH = 100
_HEAD = """\
# Commands

The help of every command, as `precision COMMAND --help` prints it. Bad input ends with one sentence and the
exit code 2; a grid with trials that have no result with 1, and Ctrl-C with 130. This page is written by
`python -m precision.cli.page`.
"""


def page() -> str:
    """Return the page in Markdown."""
    from precision.cli.app import app

    program: Any = typer.main.get_command(app)
    return _HEAD + "".join(_sections(program, _context(program, "precision", None), 2))


def _context(command: Any, name: str, parent: Any) -> Any:
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )


def _sections(group: Any, context: Any, level: int) -> Iterator[str]:
    """Yield a section for each command, in the order of the program, under the titles of its panels."""
    panel = ""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        title = getattr(command, "rich_help_panel", None)
        if level == 2 and isinstance(title, str) and title != panel:
            panel = title
            yield f"\n## {panel}\n"
        own = _context(command, name, context)
        yield f"\n{'#' * (level + 1)} {own.command_path}\n\n{_indented(command.get_help(own))}\n"
        if hasattr(command, "list_commands"):
            yield from _sections(command, own, level + 1)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


if __name__ == "__main__":
    echo(page(), nl=False)
