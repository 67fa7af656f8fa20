"""The commands that look into the store: results and status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.grids import cells_of
from precision.cli.options import (
    RUNS,
    GridFile,
    OnlyOption,
    PluginFiles,
    SeedsOption,
    SetOptions,
    StoreDir,
)
from precision.cli.tables import print_table

if TYPE_CHECKING:
    import pandas as pd

    from precision.analysis import Column
    from precision.grid import Cell, Store
    from precision.grid.file.schema import Grid
    from precision.grid.file.source import Source

DESCRIBED = ("dataset", "architecture", "policy", "method", "training", "seed")
FURTHER = ("depends_on", "repeat", "runtime.device", "runtime.threads", "finished")
"""What else tells rows apart: an older plugin, another file of data, another run, or at least the time."""
OUTCOME = ("status", "loss", "weight_bytes", "trial")

GridOrAll = Annotated[
    Path | None, typer.Argument(metavar="GRID", help="YAML file of the grid; without it all results.")
]


def results(
    grid: GridOrAll = None,
    store: StoreDir = RUNS,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Rows to show: 'policy=fixed*,half', 'accuracy>=0.9'; several are combined by 'and'.",
            metavar="CONDITION",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--columns", help="Columns to show: a,b; or 'all'.", metavar="NAMES")
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option("--sort", help="Order of the rows: a,-b has the largest b first.", metavar="NAMES"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write a .csv, .json, .md, .parquet or .sqlite file.", metavar="FILE"),
    ] = None,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
) -> None:
    """Show or export results: of GRID, or all that the store has."""
    from precision.analysis import query
    from precision.analysis.stored import STORED_COLUMNS, stored
    from precision.errors import PrecisionError
    from precision.grid import Store
    from precision.grid.store.own import store_of
    from precision.report.render.export import cell_text, export

    found = Store(store)
    if output is not None and (root := store_of(output, found.root)):
        raise PrecisionError(f"{output}: this would be a file of the store {root}; give another --output")
    if grid is None:
        if changes or seeds or only:
            raise PrecisionError("--set, --seeds and --only change a grid, but none is given; use --where")
        if not found.root.is_dir():
            raise PrecisionError(f"{found.root}: there is no such store; give another --store")
        frame, known = stored(found), dict(STORED_COLUMNS)
    else:
        parsed, source, cells = cells_of(grid, plugin, changes, seeds)
        frame, known = _of_grid(parsed, source, cells, found, only or ())
    names = query.words(columns or ())
    if names == ["all"] or (not names and output is not None):
        names = list(known)
    elif not names:  # what can tell rows apart, and what came of them
        described = [name for name in DESCRIBED if name != "training" or any(frame[name] != "")]
        more = query.telling(frame, described, [name for name in FURTHER if name in known])
        status, *others = OUTCOME
        names = [*described, *more, status, *(n for n in (*_scores(frame), *others) if n in known)]
    chosen = query.pick(names, known)
    total = len(frame)
    frame = query.sort(query.where(frame, where or (), known), query.words(sort or ()), known)
    if output is not None:
        export(frame, chosen, output)
        echo(f"{output}: {len(frame)} of {total} results")
        return
    values = frame[names].itertuples(index=False)
    print_table(names, [[cell_text(value) for value in row] for row in values])
    echo(f"\n{len(frame)} of {total} results")


def status(
    grid: GridFile,
    store: StoreDir = RUNS,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
) -> None:
    """Say how many trials of GRID are done, failed and pending, and why the failed ones failed."""
    from collections import Counter

    from precision.grid import Store
    from precision.printable import printable

    _, _, cells = cells_of(grid, plugin, changes, seeds, only)
    trials = {trial.id: trial for cell in cells for trial in cell.trials()}
    results = Store(store).results(trials.keys())
    counts = Counter(results[name].status if name in results else "pending" for name in trials)
    echo(", ".join(f"{count} {name}" for name, count in counts.most_common()) + f" of {len(trials)} trials")
    for cell in cells:
        for number, trial in enumerate(cell.trials()):
            result = results.get(trial.id)
            if result is not None and result.status != "ok":
                words = [str(label) for label in cell.labels[:-1] if label != ""] + [f"seed {cell.seed}"]
                words += [f"repeat {number}"] if number else []
                echo(printable(f"{' '.join(words)}: {result.status}: {result.reason}"))


def _of_grid(
    grid: Grid, source: Source, cells: list[Cell], store: Store, only: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Column]]:
    """Return the cells of a grid, and the columns that they have."""
    import pandas as pd

    from precision.analysis import COLUMNS
    from precision.analysis.collect import collect
    from precision.analysis.stored import MORE, more
    from precision.grid import select

    chosen = {cell.labels for cell in select(cells, only)}
    # All are collected, so that a cell has its difference to a baseline that is not among the chosen.
    frame = collect(grid, source, cells, store).cells()
    trials = [cell.trial for cell in cells]
    frame = pd.concat([frame, more(trials, store.results({trial.id for trial in trials}))], axis="columns")
    return frame[[cell.labels in chosen for cell in cells]].reset_index(drop=True), {**COLUMNS, **MORE}


def _scores(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the scores that some row has, and of their differences to the baseline."""
    from precision.tasks import CLASSIFICATION, TASKS

    found = [task for task in TASKS.values() if task.score in frame and frame[task.score].notna().any()]
    return list(dict.fromkeys(n for task in found or [CLASSIFICATION] for n in (task.score, task.difference)))
