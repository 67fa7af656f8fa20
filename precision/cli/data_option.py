"""The option ``--data-option KEY=VALUE``: what a command is told of the data that it is given."""

from __future__ import annotations

from typing import Annotated, Any

import typer

DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data-option",
        help="Option of the data, such as scale=none or label_column=kind; may be repeated. "
        "'precision datasets NAME' lists them.",
        metavar="KEY=VALUE",
    ),
]


def data_options(texts: list[str]) -> dict[str, Any]:
    """Return what KEY=VALUE texts say; a value is YAML.

    Raises:
        PrecisionError: for a text of another form, and a key that is given twice.
    """
    from precision.errors import PrecisionError, short, shown
    from precision.grid.file.entry import Mark
    from precision.grid.file.reader import read_value

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise PrecisionError(
                f"--data-option is written KEY=VALUE, such as scale=none, but got {shown(text)}"
            )
        if key.strip() in found:
            raise PrecisionError(f"--data-option {short(key.strip())} is given twice; leave one out")
        found[key.strip()] = read_value(value, Mark(None, option=f"--data-option {short(text)}")).plain()
    return found
