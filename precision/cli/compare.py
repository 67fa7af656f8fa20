"""The command ``precision compare``: two sets of results, and whether what changed is more than noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, PluginFiles, StoreDir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from precision.analysis.gates import Broken

_SIDE = "A grid file, the folder of a store or of a report, or a results.csv."


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same, compared with A.")],
    grid: Annotated[
        Path | None,
        typer.Option(
            "--grid", help="Grid of which stores are compared, with its requirements.", metavar="GRID"
        ),
    ] = None,
    store: StoreDir = RUNS,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder for compare.md, compare.csv and compare.json.", metavar="DIR"),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Say what changed from one set of results to another, beyond noise or not.

    The exit code is 1 when B does not meet a requirement of the grid, see report.require.
    """
    import precision
    from precision.report.pages.compare import comparison_text

    found = precision.compare(a, b, store=store, output=output, plugins=plugin or (), of_grid=grid)
    echo(comparison_text(found.found))
    if output is not None:
        echo(f"comparison: {output / 'compare.md'}")
    conclude(found.broken)


def conclude(broken: Sequence[Broken]) -> None:
    """Say which requirements are not met, and end with exit code 1 when there are any."""
    if not broken:
        return
    for one in broken:
        echo(f"requirement broken: {one}", err=True)
    raise typer.Exit(1)
