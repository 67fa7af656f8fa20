"""The command ``precision rerun``: does a stored result come out the same once more?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, DataDir, PluginFiles, StoreDir
from precision.cli.tables import print_table

if TYPE_CHECKING:
    from precision.grid.execution.same_numbers import Comparison

STATES = {True: "same", False: "differs", None: "not compared"}


def rerun(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, or the first digits of it.")],
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    plugin: PluginFiles = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train the float32 baseline again, too.")
    ] = False,
) -> None:
    """Run a stored trial again and compare every number; the stored result stays as it is.

    The exit code is 0 when all numbers are the same, and 1 when some differ or could not be compared.
    """
    from rich.console import Console

    from precision import plugins
    from precision.data.files.locate import data_directory
    from precision.grid import Store
    from precision.grid.execution.rerun import find
    from precision.grid.execution.rerun import rerun as run_again
    from precision.grid.progress import ConsoleWatcher

    plugins.load(plugin or ())
    found = Store(store)
    trial_id = find(found, trial)
    console = Console(stderr=True)
    try:
        comparison = run_again(
            found,
            trial_id,
            data_directory(data_dir),
            lambda trials: ConsoleWatcher(trials, [], console),
            from_scratch,
        )
    except KeyboardInterrupt:
        echo("precision: interrupted; the stored result is as it was", err=True)
        raise typer.Exit(130) from None
    _print(trial_id, comparison)
    if not comparison.same:
        raise typer.Exit(1)


def _print(trial_id: str, comparison: Comparison) -> None:
    rows = [(row.name, row.before, row.again, STATES[row.same]) for row in comparison.numbers]
    print_table(("number", "before", "again", ""), rows)
    if comparison.surroundings:
        echo("\nIt ran elsewhere, or with something else:\n")
        print_table(
            ("", "before", "again"), [(row.name, row.before, row.again) for row in comparison.surroundings]
        )
    different, left_out = len(comparison.different), comparison.left_out
    number = len(comparison.numbers) - len(left_out)
    verdict = f"{different} of {number} differ" if different else f"{number} are the same"
    if left_out:
        verdict += f", {len(left_out)} could not be compared ({', '.join(row.name for row in left_out)})"
    elif not different:
        verdict = f"all {verdict}"
    echo(f"\ntrial {trial_id}: {verdict}")
