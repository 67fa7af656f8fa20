"""The command line: thin, and quick to answer because every import waits for its command."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from precision.cli import (
    clean,
    datasets,
    explore,
    formats,
    init,
    pack,
    plan,
    plugins,
    policy,
    rerun,
    results,
    run,
)
from precision.cli.tables import print_table
from precision.errors import PrecisionError, each

app = typer.Typer(
    name="precision",
    help="Find out which number format a neural network can use, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        import precision

        typer.echo(f"precision {precision.__version__}")
        raise typer.Exit


@app.callback()
def _before_the_command(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Take what stands before the name of a command; the help of the program is that of ``app``."""


@app.command(name="architectures")
def list_architectures() -> None:
    """List the networks and their options."""
    import architectures

    rows = [
        (row["name"], ", ".join(f"{key}={value}" for key, value in row["options"].items()), row["summary"])
        for row in architectures.describe()
    ]
    print_table(("name", "options", "summary"), rows)


app.command()(datasets.datasets)
app.command()(init.init)
app.command()(run.run)
app.command()(run.report)
app.command()(rerun.rerun)
app.command()(plan.plan)
app.command()(plan.validate)
app.command()(init.schema)
app.add_typer(formats.app)
app.add_typer(policy.app)
app.command(name="plugins")(plugins.list_plugins)
app.command()(pack.pack)
app.command()(pack.unpack)
app.command()(explore.sensitivity)
app.command()(explore.search)
app.command()(results.results)
app.command()(results.status)
app.command()(clean.clean)


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"precision: warning: {message}", file=sys.stderr)


def main() -> None:
    """Run a command; what the user can correct ends with one sentence and exit code 2."""
    warnings.showwarning = _print_warning
    try:
        app()
    except PrecisionError as error:
        for one in each(error):
            print(f"precision: {one}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:  # a full disk or a folder that was taken away
        print(f"precision: {error}; finished trials are kept", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        from precision.plugins import blame

        text = blame(error)
        if text is None:
            raise
        print(f"precision: {text}", file=sys.stderr)
        sys.exit(2)
