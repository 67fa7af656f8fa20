"""The command ``precision audit``: which number formats a model of the user's own can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precision.cli.data_option import DataOption, data_options
from precision.cli.echo import echo
from precision.cli.explore import exploring
from precision.cli.options import RUNS, DataDir, PluginFiles, Replace, StoreDir


def audit(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Keras model, a .keras or .h5 file.")],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Labelled data: a folder of images, a .npz, .npy or .csv file, or a data set's name.",
            metavar="DATA",
        ),
    ],
    data_option: DataOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", help="integer, fixed or float; may be repeated [default: all].", metavar="TARGET"
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Accuracy that may be lost, percentage points.", metavar="T")
    ] = 1.0,
    data_dir: DataDir = None,
    store: StoreDir = RUNS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the report [default: reports/<model name>-audit].", metavar="DIR"
        ),
    ] = None,
    force: Replace = False,
    plugin: PluginFiles = None,
) -> None:
    """Say for each kind of hardware which number format is the smallest that MODEL can use on its data.

    Formats from 16 bits to 4 are applied after training and compared with float32 on the same test images.
    Nothing is trained, and MODEL is not changed.
    """
    import precision
    from precision.report.pages.audit import AUDIT, GRID, audit_text

    with exploring():
        found = precision.audit(
            model,
            data=data,
            data_options=data_options(data_option or []),
            data_dir=data_dir,
            store=store,
            output=output,
            force=force,
            plugins=plugin or (),
            targets=target or (),
            tolerance=tolerance,
        )
    echo(audit_text(found), nl=False)
    folder = output or Path("reports") / found.name
    echo(f"\nreport: {folder / AUDIT}")
    echo(f"to refine and run: {folder / GRID}")
