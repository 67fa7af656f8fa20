"""The commands that read a grid and run nothing: plan and validate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.grids import cells_of
from precision.cli.options import (
    RUNS,
    DataDir,
    GridFile,
    Networks,
    OnlyOption,
    PlannedNetworks,
    PluginFiles,
    SeedsOption,
    SetOptions,
    StoreDir,
)
from precision.cli.tables import print_table
from precision.errors import PrecisionError, each

if TYPE_CHECKING:
    from precision.grid import Cell
    from precision.grid.file.source import Source
    from precision.grid.forecast.estimator import Forecast

MOST_ROWS = 50
WIDTH = 100  # of the values of an axis


def plan(
    grid: GridFile,
    store: StoreDir = RUNS,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Trials beside each other, for the estimate.", metavar="N")
    ] = 1,
    everything: Annotated[
        bool, typer.Option("--all", help=f"List every cell, not only the first {MOST_ROWS}.")
    ] = False,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
    networks: PlannedNetworks = None,
    data_dir: DataDir = None,
) -> None:
    """Say what GRID asks for, what of it has a result, and how long the rest will take; run nothing."""
    from precision.grid import Store, schedule
    from precision.grid.execution.preflight import place_in
    from precision.grid.forecast.counted import Counted, estimator

    parsed, source, cells = cells_of(grid, plugin, changes, seeds, only)
    if networks:
        _check_networks(cells, source, data_dir)
    trials = schedule(cells)
    counted = Counted()
    never_loaded = [] if networks is False else counted.check(trials, place_in(source, cells))
    results = Store(store)
    done = results.done(trials)
    header = ("trial", "dataset", "architecture", "policy", "method", "training", "seed", "state")
    shown = cells if everything else cells[:MOST_ROWS]
    print_table(header, [(cell.trial.id, *cell.labels, _state(cell, done)) for cell in shown])
    if not everything and len(cells) > MOST_ROWS:
        echo(f"... and {len(cells) - MOST_ROWS} more cells; --all lists them")
    echo(f"\n{_axes(cells, parsed.repeats)}\n")
    left = [trial for trial in trials if trial.id not in done]
    echo(
        f"{len(cells)} cells, {len(trials)} trials with their baselines: {len(done)} done, {len(left)} to run"
    )
    if left:
        forecast = estimator(left, results, counted, jobs=jobs, measure=networks is not False).forecast()
        echo(_in_words(forecast, len(left), jobs))
    for name in never_loaded:
        echo(f"{name}: never loaded here, so its networks are not counted or checked; --networks does that")


def validate(
    grids: Annotated[list[Path], typer.Argument(metavar="GRID...", help="YAML files of grids.")],
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
    networks: Networks = False,
    data_dir: DataDir = None,
) -> None:
    """Check every GRID; say how many cells and trials it has, or what is wrong with it."""
    from precision.grid import schedule

    wrong = 0
    for grid in grids:
        try:
            _, source, cells = cells_of(grid, plugin, changes, seeds, only)
            if networks:
                _check_networks(cells, source, data_dir)
            echo(f"{grid}: ok, {len(cells)} cells, {len(schedule(cells))} trials")
        except PrecisionError as error:
            wrong += 1
            for one in each(error):
                echo(f"precision: {one}", err=True)
    if wrong:
        raise typer.Exit(2)


def _check_networks(cells: Sequence[Cell], source: Source, data_dir: Path | None) -> None:
    from precision.data.files.locate import data_directory
    from precision.grid.execution.preflight import check_grid

    check_grid(cells, source, data_directory(data_dir))


def _state(cell: Cell, done: Collection[str]) -> str:
    states = [trial.id in done for trial in cell.trials()]
    if all(states):
        return "done"
    return f"{sum(states)} of {len(states)} done" if any(states) else "to run"


def _axes(cells: Sequence[Cell], repeats: int) -> str:
    """Return one line for each axis: how many values it has, and which."""
    lines = []
    for axis in ("dataset", "architecture", "policy", "method", "training", "seed"):
        values = [str(value) for value in dict.fromkeys(map(attrgetter(axis), cells))]
        if values != [""]:
            lines.append(f"{axis:<13} {len(values):>6}  {_listed(values)}")
    if repeats > 1:
        lines.append(f"{'repeats':<13} {repeats:>6}")
    return "\n".join(lines)


def _listed(values: Sequence[str]) -> str:
    """Return the values as one line; where there are too many, the first of them."""
    text = values[0]
    for value in values[1:]:
        if len(text) + len(value) > WIDTH:
            return f"{text}, ..."
        text += f", {value}"
    return text


def _in_words(found: Forecast, trials: int, jobs: int) -> str:
    """Return how long the trials will take, and how that is known."""
    from precision.grid.progress.duration import between, roughly

    if found.unknown == trials:
        return "time: unknown, because nothing like these trials has a result yet"
    least = "at least " if found.unknown else "about "
    beside = f" with {jobs} trials beside each other" if jobs > 1 else ""
    lines = [f"time: {least}{roughly(found.elapsed(jobs))} ({between(*found.between(jobs))}){beside}"]
    lines += [f"  {count:>6} trials from {basis}" for basis, count in found.bases.items()]
    if found.unknown:
        lines.append(f"  {found.unknown:>6} trials unknown: nothing like them has a result yet")
    return "\n".join(lines)
