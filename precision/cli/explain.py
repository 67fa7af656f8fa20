"""The command ``precision explain``: why the format of a trial loses what it loses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.explore import exploring
from precision.cli.options import RUNS, DataDir, PluginFiles, Replace, StoreDir


def explain(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, or the first digits of it.")],
    images: Annotated[
        int | None, typer.Option("--images", help="The first N test images [default: all].", metavar="N")
    ] = None,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the report [default: reports/<id of TRIAL>-explain].", metavar="DIR"
        ),
    ] = None,
    plugin: PluginFiles = None,
    force: Replace = False,
) -> None:
    """Say which error of which layer takes the points that TRIAL loses.

    Overflow, underflow, rounding and sums of each layer are switched on alone, and off alone. The parts add
    up to the whole loss, with what errors do together as a row of its own.
    """
    import precision
    from precision.report.pages.explain import EXPLAIN, explanation_text

    with exploring():
        found = precision.explain(
            trial,
            data_dir=data_dir,
            store=store,
            output=output,
            force=force,
            plugins=plugin or (),
            images=images,
        )
    echo(explanation_text(found), nl=False)
    folder = output or Path("reports") / f"{found.trial}-explain"
    echo(f"\nreport: {folder / EXPLAIN}")
