"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", help="Python file with number formats; may be given several times.", metavar="FILE"
    ),
]
