"""The commands ``precision formats list | show | check | compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.groups import Groups, example
from precision.cli.options import PluginFiles
from precision.errors import PrecisionError

app = typer.Typer(
    name="formats",
    cls=Groups,
    help="List, show, check and compare number formats.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

FormatText = Annotated[str, typer.Argument(metavar="FORMAT", help="For example 'fixed(8,4)' or posit(8,2).")]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the table of properties that the documentation has.")
]


@app.callback()
def formats(context: typer.Context, plugin: PluginFiles = None) -> None:
    """List, show, check and compare number formats; alone, list them."""
    _load(plugin)
    if context.invoked_subcommand is None:
        _list(markdown=False)


@app.command(name="list", epilog=example("formats list"))
def list_formats(markdown: Markdown = False, plugin: PluginFiles = None) -> None:
    """List the number formats."""
    _load(plugin)
    _list(markdown)


@app.command(epilog=example("formats show 'posit(8,2)'"))
def show(
    text: FormatText,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Draw the number line in this file too, .png.", metavar="FILE"),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Print the properties of FORMAT and draw its number line."""
    from precision.formats import parse

    _load(plugin)
    number_format = parse(text)
    from precision.report.formats.description import show_text

    if figure is not None:
        from precision.report.formats.figure import write_number_line

        write_number_line(number_format, figure)
    echo(show_text(number_format), nl=False)


@app.command(epilog=example("formats check 'posit(8,2)'"))
def check(
    text: FormatText,
    tensors: Annotated[
        bool, typer.Option("--tensors/--no-tensors", help="Check on tensors of the Keras backend too.")
    ] = True,
    plugin: PluginFiles = None,
) -> None:
    """Run the conformance kit on FORMAT: one line for each check; exit code 1 when one is broken."""
    from precision import startup
    from precision.formats import conformance, parse

    _load(plugin)
    number_format = parse(text)
    if tensors:
        startup.start_backend()
    results = conformance.check(number_format, tensors=tensors)
    width = max(len(result.check) for result in results)
    for result in results:
        reason = f": {result.text}" if result.text else ""
        echo(f"{result.check:<{width}}  {result.state}{reason}")
    broken = sum(result.broken for result in results)
    held = sum(result.state == conformance.OK for result in results)
    rest = len(results) - held - broken
    echo(f"\n{number_format}: {held} checks hold, {broken} broken, {rest} not applicable")
    if broken:
        raise typer.Exit(1)


@app.command(epilog=example("formats compare 'int(8)' nf4 --fit max"))
def compare(
    texts: Annotated[list[str], typer.Argument(metavar="FORMAT...", help="Two formats or more.")],
    dist: Annotated[
        str,
        typer.Option(
            "--dist",
            help="normal, uniform, laplace, lognormal, student, or a .npy file.",
            metavar="NAME|FILE",
        ),
    ] = "normal",
    scale: Annotated[float, typer.Option("--scale", help="Factor on the samples.")] = 1.0,
    count: Annotated[
        int | None,
        typer.Option("--samples", help="How many [default: 100000, or all of a file].", metavar="N"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw.")] = 0,
    fit: Annotated[
        str,
        typer.Option(
            "--fit",
            help="max: scale the samples so that their largest meets the format's.",
            metavar="none|max",
        ),
    ] = "none",
    plugin: PluginFiles = None,
) -> None:
    """Round the same samples to each FORMAT and print what it costs."""
    from precision.formats import comparison, parse

    _load(plugin)
    formats = [parse(text) for text in texts]
    if len(formats) < 2:
        raise PrecisionError(f"compare needs two formats or more, but got {texts[0]!r} alone")
    for i, number_format in enumerate(formats):
        if number_format in formats[:i]:
            raise PrecisionError(f"compare needs different formats, but {number_format} is given twice")
    if fit not in comparison.FITS:
        raise PrecisionError(f"unknown --fit {fit!r}; write --fit none or --fit max")
    x = comparison.samples(dist, count, scale, seed)
    from precision.report.formats.description import compare_text

    source = dist if dist not in comparison.DISTRIBUTIONS else f"{dist} ({comparison.DISTRIBUTIONS[dist][0]})"
    source += f", times {scale:g}" if scale != 1 else ""
    source += f", seed {seed}" if dist in comparison.DISTRIBUTIONS else ""
    rows = [comparison.compare(f, x, fit) for f in formats]
    echo(compare_text(rows, f"samples: {x.size:,}, {source}", fit), nl=False)


def _list(markdown: bool) -> None:
    from precision.registry import FORMATS
    from precision.report.formats.description import formats_document, summaries_text

    if markdown:
        echo(formats_document())
        return
    FORMATS.load_all()
    echo(summaries_text(), nl=False)


def _load(plugin: list[Path] | None) -> None:
    if plugin:  # given before or after the command's name
        from precision import plugins

        plugins.load(plugin)
