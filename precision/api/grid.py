"""Run a grid, write its report and load its results from Python: the same as the command line.

import precision
results = precision.run("experiments/quickstart.yaml")
results.cells()          # a DataFrame with one row per trial
results.histories        # loss and accuracy per epoch
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from precision.analysis.results import Results
from precision.api.folder import DEFAULT_STORE, report_folder
from precision.grid import Changes, load_grid

if TYPE_CHECKING:
    from precision.grid import Cell
    from precision.grid.execution.options import RunOptions


def run(
    grid: str | Path,
    *,
    data_dir: str | Path | None = None,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    html: bool = False,
    figures: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    options: RunOptions | None = None,
    quiet: bool = False,
    track: Sequence[str] = (),
) -> Results:
    """Run every trial of a grid file that the store lacks, write the report, and return the results.

    Args:
        grid: path of the YAML file.
        data_dir: folder of the data sets; None searches the usual places.
        store: folder of the results.
        output: folder of the report; None means reports/<name of the grid>.
        force: replace the report of another grid, or one with more results.
        html: write the report as one page of HTML too.
        figures: kinds of files that each figure has beside PNG: ``svg``, ``pdf``.
        plugins: plugin files (see ``precision.plugins``), besides those that the grid names.
        changes: other values for entries of the file, such as ``training.epochs=3``.
        seeds: instead of the file's: ``5`` for 0 to 4, or a list such as ``3,5``.
        only: run these cells alone, such as ``policy=fixed*``; the results are of the whole grid.
        options: jobs, time and memory limits, retries, where to run: ``precision.RunOptions(jobs=2)``.
        quiet: show no progress.
        track: tools that record every trial: tensorboard, wandb, mlflow, or a plugin's.

    Raises:
        PrecisionError: when the grid file, a plugin, a path or an option is wrong.
        KeyboardInterrupt: on Ctrl-C, when the trials in flight have ended, or on the second one at once;
            finished trials are kept.

    >>> import precision
    >>> two = precision.RunOptions(jobs=2)
    >>> results = precision.run("grid.yaml", output="report", options=two, quiet=True)
    >>> sorted(results.cells()["policy"].unique())
    ['fixed4', 'fixed8', 'float32']
    """
    from rich.console import Console

    from precision import report, tracking
    from precision.analysis.collect import collect
    from precision.data.files.locate import data_directory
    from precision.grid import Store, expand, schedule, select
    from precision.grid.execution import launch, preflight
    from precision.grid.execution.options import RunOptions
    from precision.grid.execution.scheduler import run_trials, setup, unfinished
    from precision.grid.execution.scratch import scratch
    from precision.grid.execution.watcher import Watchers
    from precision.grid.execution.worker import RUNNER
    from precision.grid.forecast.counted import Counted, estimator
    from precision.grid.progress import ConsoleWatcher
    from precision.quantization import Policy
    from precision.report.pages.folder import kinds_of
    from precision.report.pages.grid import REPORT, try_plugins
    from precision.report.pages.made_from import MadeFrom, check

    options = options or RunOptions()
    kinds = kinds_of(figures)
    named = Changes(changes, seeds)
    parsed, source = load_grid(grid, plugins, named)
    cells = expand(parsed, source)
    everything = schedule(cells)
    trials = schedule(select(cells, only)) if only else everything
    folder = data_directory(data_dir)
    results_store = Store(store)
    results_store.create()
    target = report_folder(output, parsed.name)
    left = unfinished(trials, results_store)
    asked = {trial.id for trial in trials}.union(results_store.done(everything) if only else ())
    possible = MadeFrom(source.origin, source.options, sum(cell.trial.id in asked for cell in cells))
    check(target / REPORT, possible, force)
    trackers = tracking.make(track, results_store, parsed.name, cells)
    if left and options.executor == "local":
        launch.server(RUNNER, left[0].runtime.backend)  # which imports Keras while this process loads images
    preflight.check_plugins(Policy.from_json(trial.policy) for trial in left)
    try_plugins(lambda: collect(parsed, source, cells, results_store))
    place = preflight.place_in(source, cells)
    console = Console(stderr=True, quiet=quiet)
    counted = Counted()
    with contextlib.ExitStack() as stack:
        images = stack.enter_context(scratch())
        datasets = preflight.share_data(left, trials, results_store, folder, images, place)
        ids = [trial.id for trial in everything]
        results_store.register(Path(grid), parsed.name, ids, " ".join(named.words()))
        counted.check(left)
        beside = options.jobs if options.executor == "local" else 1
        forecast = estimator(left, results_store, counted, jobs=beside)
        watchers = [ConsoleWatcher(left, cells, console, options.jobs, forecast), *trackers]
        watcher = Watchers([stack.enter_context(watcher) for watcher in watchers])
        run_trials(left, results_store, setup(results_store, folder, datasets), watcher, options)
    results = collect(parsed, source, cells, results_store)
    report.write(results, target, force, html=html, figures=kinds)
    return results


def write_report(
    grid: str | Path,
    *,
    store: str | Path = DEFAULT_STORE,
    output: str | Path | None = None,
    force: bool = False,
    html: bool = False,
    figures: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    latex: bool = False,
) -> Results:
    """Write the report of a grid file from the results that the store has, and return them; run nothing.

    The arguments are those of ``precision.run``; with ``latex``, tables.tex has the tables for a paper.

    >>> import precision
    >>> results = precision.write_report("grid.yaml", output="report")
    >>> len(results.cells())
    6
    """
    from precision import report
    from precision.report.pages.folder import kinds_of

    kinds = kinds_of(figures)
    results, _ = _stored(grid, store, plugins, Changes(changes, seeds))
    folder = report_folder(output, results.name)
    report.write(results, folder, force, html=html, latex=latex, figures=kinds)
    return results


def load_results(
    grid: str | Path,
    *,
    store: str | Path = DEFAULT_STORE,
    plugins: Sequence[str | Path] = (),
    changes: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the stored results of a grid file as a DataFrame with one row per cell, without running any.

    It is the frame that ``Results.cells()`` returns, with the columns of ``precision.analysis.COLUMNS``.
    The arguments are those of ``precision.run``; with ``only``, the rows are of these cells alone.

    >>> import precision
    >>> frame = precision.load_results("grid.yaml", only=["policy=fixed*"])
    >>> frame.groupby("policy", sort=False)["accuracy"].mean().round(2).to_dict()
    {'fixed8': 0.96, 'fixed4': 0.55}
    """
    from precision.grid import select

    results, cells = _stored(grid, store, plugins, Changes(changes, seeds))
    chosen = {cell.labels for cell in select(cells, only)}
    # All are collected, so that a row has its difference to a baseline that is not among the chosen.
    return results.cells()[[cell.labels in chosen for cell in cells]].reset_index(drop=True)


def _stored(
    grid: str | Path, store: str | Path, plugins: Sequence[str | Path], changes: Changes
) -> tuple[Results, list[Cell]]:
    """Return the results of a grid file that the store has, and its cells in the order of their rows."""
    from precision.analysis.collect import collect
    from precision.grid import Store, expand

    parsed, source = load_grid(grid, plugins, changes)
    cells = expand(parsed, source)
    return collect(parsed, source, cells, Store(store)), cells
