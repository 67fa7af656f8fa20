"""The commands with which a grid begins: init and schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precision import received
from precision.cli.echo import echo
from precision.cli.options import Force
from precision.errors import PrecisionError

STARTER = Path(__file__).with_name("starter.yaml")
SCHEMA = "grid.schema.json"  # which the first line of the starter names


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="File to write.")] = Path("grid.yaml"),
    force: Force = False,
) -> None:
    """Write a grid to start from, every line of it explained, and beside it the schema for editors.

    It runs in about a minute, on images that come with the installation.
    """
    received.check_name(file)
    if file.exists() and not force:
        raise PrecisionError(f"{file}: exists already; give another file, or --force to replace it")
    schema = file.with_name(SCHEMA)
    if force or not schema.exists():
        _write(schema, _schema())
    _write(file, STARTER.read_bytes())
    echo(f"{file}: change it as you like; precision run {file} runs it")


def schema(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write a file instead of printing it.", metavar="FILE"),
    ] = None,
) -> None:
    """Print the JSON schema of grid files, by which an editor completes and checks them."""
    if output is None:
        echo(_schema(), nl=False)
        return
    _write(output, _schema())
    echo(f"{output}: name it in the first line of a grid: # yaml-language-server: $schema={output}")


def _schema() -> bytes:
    import json

    from precision.grid.editor import json_schema

    return (json.dumps(json_schema(), indent=1) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    from precision import files

    with files.refused(path, "cannot be written", "give another file"):
        files.write(path, content)
