"""The commands ``precision multipliers list | show | compare | published``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.groups import Groups, example
from precision.cli.options import PluginFiles
from precision.errors import PrecisionError

if TYPE_CHECKING:
    from precision.arithmetic.multipliers import Multiplier
    from precision.report.multipliers.description import Measured

app = typer.Typer(
    name="multipliers",
    cls=Groups,
    help="List, show and compare exact and approximate multipliers.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

Samples = Annotated[
    int, typer.Option("--samples", help="Pairs to draw above 20 bits of both operands.", metavar="N")
]
Seed = Annotated[int, typer.Option("--seed", help="Of the draw.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Write a .csv, .json, .md, .parquet or .sqlite file.", metavar="FILE"),
]
SAMPLES = 1 << 20


@app.callback()
def multipliers(context: typer.Context, plugin: PluginFiles = None) -> None:
    """List, show and compare exact and approximate multipliers; alone, list them."""
    _load(plugin)
    if context.invoked_subcommand is None:
        list_multipliers(plugin)


@app.command(name="list", epilog=example("multipliers list"))
def list_multipliers(plugin: PluginFiles = None) -> None:
    """List the families of multipliers."""
    _load(plugin)
    from precision.registry import MULTIPLIERS
    from precision.report.multipliers.description import summaries_text

    MULTIPLIERS.fill()
    MULTIPLIERS.load_all()
    echo(summaries_text(), nl=False)


@app.command(epilog=example("multipliers show 'drum(8,4)' --figure errors.png"))
def show(
    text: Annotated[
        str, typer.Argument(metavar="MULTIPLIER", help="For example 'drum(8,4)' or 'table(mul8u_2AC.bin)'.")
    ],
    figure: Annotated[
        Path | None,
        typer.Option("-o", "--figure", help="Draw its errors in this file too, .png.", metavar="FILE"),
    ] = None,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    plugin: PluginFiles = None,
) -> None:
    """Print the properties of MULTIPLIER and how far its products are from the exact ones."""
    from precision.arithmetic.multipliers import parse_multiplier

    _load(plugin)
    multiplier = parse_multiplier(text)
    from precision.report.multipliers.description import show_text

    found = _measured(multiplier, samples, seed)
    if figure is not None:
        from precision.report.multipliers.figure import write_error_map

        write_error_map(multiplier, figure)
    echo(show_text(found, seed), nl=False)


@app.command(epilog=example("multipliers compare 'exact(8)' 'drum(8,4)' 'mitchell(8)'"))
def compare(
    texts: Annotated[
        list[str], typer.Argument(metavar="MULTIPLIER...", help="Two or more, or folders of tables.")
    ],
    output: Output = None,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    plugin: PluginFiles = None,
) -> None:
    """Print the figures of error of several multipliers, or write them to a file."""
    from precision import received
    from precision.arithmetic.multipliers import of_folder, parse_multipliers

    _load(plugin)
    chosen: list[Multiplier] = []
    for text in texts:
        chosen += of_folder(text) if received.is_folder(text) else parse_multipliers(text)
    if len(chosen) < 2:
        raise PrecisionError(f"compare needs two multipliers or more, but got {texts[0]!r} alone")
    for i, multiplier in enumerate(chosen):
        if multiplier in chosen[:i]:
            raise PrecisionError(f"compare needs different multipliers, but {multiplier} is given twice")
    from precision.report.multipliers.description import FIELDS, compare_text, frame_of

    found = [_measured(multiplier, samples, seed) for multiplier in chosen]
    if output is None:
        echo(compare_text(found, seed), nl=False)
        return
    from precision.report.render.export import export

    export(frame_of(found), FIELDS, output)
    echo(f"{output}: {len(found)} multipliers")


@app.command(epilog=example("multipliers published errors.yaml"))
def published(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML file of figures, each with how far ours may be away.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the report into this .md file.", metavar="FILE")
    ] = None,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    plugin: PluginFiles = None,
) -> None:
    """Print the errors of multipliers that others published beside ours.

    The exit code is 1 when one of ours is further away than its margin.
    """
    from precision import received
    from precision.report.multipliers.published import compared

    _load(plugin)
    if output is not None:
        received.check_name(output)
        if output.suffix != ".md":
            raise PrecisionError(f"{output}: the report is Markdown; give --output a name that ends in .md")
    found = compared(path, samples, seed)
    echo(found.text(), nl=False)
    if output is not None:
        found.write(output)
        echo(f"report: {output}")
    if not found.passed:
        raise typer.Exit(1)


def _measured(multiplier: Multiplier, samples: int, seed: int) -> Measured:
    from precision.arithmetic.multipliers import errors_of
    from precision.report.multipliers.description import Measured

    return Measured(multiplier, errors_of(multiplier, samples, seed))


def _load(plugin: list[Path] | None) -> None:
    if plugin:  # given before or after the command's name
        from precision import plugins

        plugins.load(plugin)
