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
GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="YAML file of the grid.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the data sets.", metavar="DIR")]
StoreDir = Annotated[Path, typer.Option("--store", help="Folder of the results.", metavar="DIR")]
OutputDir = Annotated[
    Path | None,
    typer.Option("--output", help="Folder of the report [default: reports/<grid name>].", metavar="DIR"),
]
RUNS = Path("runs")
