"""The commands ``precision run`` and ``precision report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from precision.cli.echo import echo
from precision.cli.options import (
    RUNS,
    DataDir,
    FigureFiles,
    GridFile,
    HtmlPage,
    OnlyOption,
    OutputDir,
    PluginFiles,
    Replace,
    SeedsOption,
    SetOptions,
    StoreDir,
)

if TYPE_CHECKING:
    from precision.analysis.results import Results
    from precision.grid.execution.options import RunOptions

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Trials at a time.", metavar="N")]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", help="Most that a trial may take: 90, 45s, 10min, 1h30m.", metavar="TIME"),
]
Retries = Annotated[
    int, typer.Option("--retries", min=0, help="Further attempts at a trial without a result.", metavar="N")
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first trial without a result.")]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        help="Most that one worker may hold, such as 4GiB [default: 0.9 of the machine's memory / jobs].",
        metavar="SIZE",
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option("--checkpoint", help="How often a training is saved, between epochs.", metavar="TIME"),
]
Executor = Annotated[
    Literal["local", "ray"], typer.Option("--executor", help="Processes here, or a Ray cluster.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Of the cluster, such as auto [default: one on this machine].",
        metavar="ADDRESS",
    ),
]
Cpus = Annotated[
    float | None,
    typer.Option("--cpus", help="With Ray: cores that a trial reserves [default: its threads].", metavar="N"),
]
Gpus = Annotated[float, typer.Option("--gpus", help="With Ray: GPUs that a trial reserves.", metavar="N")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help="tensorboard, wandb, mlflow or a plugin's; may be given several times.",
        metavar="TOOL",
    ),
]


def run(
    grid: GridFile,
    data_dir: DataDir = None,
    store: StoreDir = RUNS,
    output: OutputDir = None,
    plugin: PluginFiles = None,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    jobs: Jobs = 1,
    timeout: Timeout = None,
    retries: Retries = 0,
    fail_fast: FailFast = False,
    memory_limit: MemoryLimit = None,
    checkpoint: Checkpoint = "60s",
    executor: Executor = "local",
    ray_address: RayAddress = None,
    cpus: Cpus = None,
    gpus: Gpus = 0.0,
    track: Track = None,
    force: Replace = False,
    html: HtmlPage = False,
    figures: FigureFiles = None,
) -> None:
    """Run the trials of GRID that have no result yet, and write the report."""
    import precision
    from precision.grid.execution.options import RunOptions, seconds, size
    from precision.report import pivot_text

    options = RunOptions(
        jobs=jobs,
        timeout=None if timeout is None else seconds(timeout, "--timeout"),
        retries=retries,
        fail_fast=fail_fast,
        memory_limit=None if memory_limit is None else size(memory_limit, "--memory-limit"),
        checkpoint_seconds=seconds(checkpoint, "--checkpoint"),
        executor=executor,
        ray_address=ray_address,
        cpus=cpus,
        gpus=gpus,
    )
    _check(options)
    try:
        results = precision.run(
            grid,
            data_dir=data_dir,
            store=store,
            output=output,
            plugins=plugin or (),
            changes=changes or (),
            seeds=seeds,
            only=only or (),
            options=options,
            track=track or (),
            force=force,
            html=html,
            figures=() if figures is None else figures.split(","),
        )
    except KeyboardInterrupt:
        echo(
            "precision: interrupted; finished trials are kept, and the same command goes on from there",
            err=True,
        )
        raise typer.Exit(130) from None
    echo(pivot_text(results))
    echo(f"\nreport: {_path(output, results)}")
    _conclude(results, selected=bool(only))
    _gates(results)


def _gates(results: Results) -> None:
    """Say which requirements of the grid are not met, and end with exit code 1 when there are any."""
    from precision.analysis.gates import broken
    from precision.cli.compare import conclude

    settings = results.settings
    conclude(broken(settings.gates, results.summary(), settings.baseline))


def _check(options: RunOptions) -> None:
    from precision.errors import PrecisionError

    for option, given in (("--ray-address", options.ray_address), ("--cpus", options.cpus)):
        if given is not None and options.executor != "ray":
            raise PrecisionError(f"{option} belongs to --executor ray, but the executor is local")


def _conclude(results: Results, selected: bool) -> None:
    """Say which trials gave no result, and end with exit code 1 when there are any; skipped ones are none."""
    from precision.analysis.columns import UNRUN

    cells = results.cells()
    pending = [row for row in cells.itertuples() if row.status == "pending"]
    skipped = [row for row in cells.itertuples() if row.status == "skipped"]
    bad = [row for row in cells.itertuples() if row.status not in ("ok", *UNRUN)]
    if skipped:
        reasons = "; ".join(dict.fromkeys(str(row.reason) for row in skipped))
        echo(f"{len(skipped)} of {len(cells)} trials were skipped: {reasons}", err=True)
    if pending and selected:
        echo(f"{len(pending)} of {len(cells)} trials were not run (--only)", err=True)
    elif pending:
        bad += pending
    if bad:
        echo(f"{len(bad)} of {len(cells)} trials gave no result; the report lists why", err=True)
        raise typer.Exit(1)


def report(
    grid: GridFile,
    store: StoreDir = RUNS,
    output: OutputDir = None,
    plugin: PluginFiles = None,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    force: Replace = False,
    html: HtmlPage = False,
    figures: FigureFiles = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Write the tables for a paper, too: tables.tex, for booktabs.")
    ] = False,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Show it to browsers of this machine, follow a run, until Ctrl-C; write no file.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=1,
            max=65535,
            help="With --serve: the port [default: one that is free].",
            metavar="N",
        ),
    ] = None,
) -> None:
    """Write the report of GRID from the results there are; run nothing.

    The exit code is 1 when a requirement of GRID is not met, see report.require.
    """
    import precision
    from precision.errors import PrecisionError
    from precision.report import pivot_text

    if serve:
        written = {
            "--output": output,
            "--force": force,
            "--html": html,
            "--latex": latex,
            "--figures": figures,
        }
        if given := [name for name, value in written.items() if value]:
            raise PrecisionError(f"{given[0]} is about files, and --serve writes none; leave one out")
        _serve(grid, store, plugin, changes, seeds, port or 0)
        return
    if port is not None:
        raise PrecisionError("--port belongs to --serve, which is not given")

    results = precision.write_report(
        grid,
        store=store,
        output=output,
        plugins=plugin or (),
        changes=changes or (),
        seeds=seeds,
        force=force,
        html=html,
        latex=latex,
        figures=() if figures is None else figures.split(","),
    )
    echo(pivot_text(results))
    echo(f"\nreport: {_path(output, results)}")
    _gates(results)


def _serve(
    grid: Path,
    store: Path,
    plugin: list[Path] | None,
    changes: list[str] | None,
    seeds: str | None,
    port: int,
) -> None:
    """Show the report until Ctrl-C."""
    from precision.api.serving import server_of

    server = server_of(grid, store=store, plugins=plugin or (), changes=changes or (), seeds=seeds, port=port)
    echo(f"report: {server.address}")
    echo("for browsers on this machine that know the whole address; Ctrl-C ends it")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            echo("")


def _path(output: Path | None, results: Results) -> Path:
    """Return where the report of a grid lies."""
    return (output or Path("reports") / results.name) / "report.md"
