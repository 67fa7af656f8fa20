"""The command line: thin, and quick to answer because every import waits for its command."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from precision.cli import (
    audit,
    bench,
    bundle,
    certify,
    check,
    clean,
    compare,
    datasets,
    explain,
    explore,
    export,
    formats,
    init,
    lists,
    multipliers,
    pack,
    plan,
    policy,
    rerun,
    results,
    run,
    show,
)
from precision.cli.echo import echo
from precision.cli.groups import Groups, example
from precision.errors import PrecisionError, each
from precision.printable import printable


class Program(Groups):
    """The program, whose commands stand in the order of ``_COMMANDS``.

    typer itself puts those last that have commands below them.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, panel by panel."""
        return [name for members in _COMMANDS.values() for _, name, _ in members]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the first words name; one of two words goes before that of the first."""
        name = " ".join(args[:2])
        if len(args) > 1 and name in self.commands:
            return name, self.commands[name], args[2:]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="precision",
    cls=Program,
    help="Find out which number format a neural network can use, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        import precision

        echo(f"precision {precision.__version__}")
        raise typer.Exit


@app.callback()
def _before_the_command(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Take what stands before the name of a command; the help of the program is that of ``app``."""


_COMMANDS: dict[str, list[tuple[Callable[..., None] | typer.Typer, str, str]]] = {
    "Run a grid": [
        (init.init, "init", "init my-grid.yaml"),
        (plan.validate, "validate", "validate my-grid.yaml"),
        (plan.plan, "plan", "plan my-grid.yaml --jobs 4"),
        (run.run, "run", "run my-grid.yaml"),
        (results.status, "status", "status my-grid.yaml"),
        (run.report, "report", "report my-grid.yaml"),
    ],
    "Look at what there is": [
        (results.results, "results", "results my-grid.yaml --sort -accuracy"),
        (compare.compare, "compare", "compare reports/before reports/after"),
        (bundle.import_results, "results import", "results import results.json"),
        (show.show, "show", "show 3e5228d43ca1"),
        (rerun.rerun, "rerun", "rerun 3e5228d43ca1"),
        (export.export, "export", "export 3e5228d43ca1 model.keras"),
        (certify.certify, "certify", "certify 3e5228d43ca1 --images 1000"),
        (bundle.bundle, "bundle", "bundle 3e5228d43ca1 a0b1c2d3e4f5 for-the-board"),
        (datasets.datasets, "datasets", "datasets csv"),
        (lists.architectures, "architectures", "architectures"),
        (lists.plugins, "plugins", "plugins --plugin takum8.py"),
    ],
    "Explore a network": [
        (audit.audit, "audit", "audit model.keras --data images.npz"),
        (policy.app, "policy", "policy show my-grid.yaml --policy fixed8"),
        (explore.sensitivity, "sensitivity", "sensitivity my-grid.yaml --slot weights"),
        (explore.search, "search", "search my-grid.yaml --tolerance 1"),
        (explain.explain, "explain", "explain 3e5228d43ca1 --images 2000"),
    ],
    "Number formats": [
        (formats.app, "formats", "formats show 'posit(8,2)'"),
        (pack.pack, "pack", "pack model.keras mxfp4_e2m1"),
        (pack.unpack, "unpack", "unpack model.safetensors model.keras rounded.keras"),
    ],
    "Arithmetic": [
        (multipliers.app, "multipliers", "multipliers show 'drum(8,4)'"),
        (bench.app, "bench", "bench convolution"),
    ],
    "Keep house": [
        (check.check, "check", "check"),
        (clean.clean, "clean", "clean --dry-run"),
        (init.schema, "schema", "schema -o grid.schema.json"),
    ],
}
"""Every command by its group of the help, with its name and an example."""

for _group, _members in _COMMANDS.items():
    for _command, _name, _words in _members:
        _shown = {"name": _name, "rich_help_panel": _group, "epilog": example(_words)}
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, **_shown)  # type: ignore[arg-type]
        else:
            app.command(**_shown)(_command)  # type: ignore[arg-type]


def _warner() -> Callable[..., None]:
    """Return what prints warnings, each sentence once."""
    told: set[str] = set()

    def warn(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            echo(f"precision: warning: {printable(message)}", err=True)

    return warn


def main() -> None:
    """Run a command; what the user can correct ends with one sentence and exit code 2."""
    warnings.showwarning = _warner()
    try:
        app()
    except PrecisionError as error:
        for one in each(error):
            echo(f"precision: {one}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:  # a full disk or a folder that was taken away
        from precision import room

        told = room.missing(error) or f"{error}; finished trials are kept"
        echo(f"precision: {told}", err=True)
        sys.exit(2)
    except Exception as error:
        from precision.plugins import blame

        text = blame(error)
        if text is None:
            raise
        echo(f"precision: {text}", err=True)
        sys.exit(2)
