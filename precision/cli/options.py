"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        help="Python file that registers something, such as a number format; may be given several times.",
        metavar="FILE",
    ),
]
GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="YAML file of the grid.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the data sets.", metavar="DIR")]
StoreDir = Annotated[Path, typer.Option("--store", help="Folder of the results.", metavar="DIR")]
OutputDir = Annotated[
    Path | None,
    typer.Option("--output", help="Folder of the report [default: reports/<grid name>].", metavar="DIR"),
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Another value for an entry of GRID, such as training.epochs=3; may be given several times.",
        metavar="KEY=VALUE",
    ),
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", help="5 for the seeds 0 to 4, or a list: 3,5.", metavar="N|LIST")
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="Cells of one axis, such as 'policy=fixed*,half'; several are combined by 'and'.",
        metavar="AXIS=VALUE",
    ),
]
Networks = Annotated[
    bool,
    typer.Option(
        "--networks",
        help="Load the images, build each network for them, see whether the policies fit; as run does.",
    ),
]
PlannedNetworks = Annotated[
    bool | None,
    typer.Option(
        "--networks/--no-networks",
        help="Load the images of data sets that were never loaded here, to build their networks as well; or "
        "build none. By default those are built of which the images are known.",
    ),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace the report of another grid or other options, or one with more results."
    ),
]
HtmlPage = Annotated[
    bool,
    typer.Option("--html", help="Write report.html too: one page to sort, filter, print and mail."),
]
FigureFiles = Annotated[
    str | None,
    typer.Option("--figures", help="Write every figure as svg, pdf or svg,pdf too.", metavar="KINDS"),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
RUNS = Path("runs")
