"""The commands ``precision sensitivity`` and ``precision search``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import (
    RUNS,
    DataDir,
    GridFile,
    OnlyOption,
    PluginFiles,
    Replace,
    SeedsOption,
    SetOptions,
    StoreDir,
)


def sensitivity(
    grid: GridFile,
    slot: Annotated[
        list[str] | None,
        typer.Option(
            "--slot",
            help="weights, biases, activations or inputs; may be repeated [default: all].",
            metavar="SLOT",
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="Policy of the grid; may be repeated [default: all].", metavar="NAME"),
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", help="The first N test images [default: all].", metavar="N")
    ] = None,
    data_dir: DataDir = None,
    store: StoreDir = RUNS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the report [default: reports/<grid name>-sensitivity].", metavar="DIR"
        ),
    ] = None,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
    force: Replace = False,
) -> None:
    """Round one slot of one layer of each network of GRID at a time, and report what that alone costs."""
    import precision
    from precision.report.pages.sensitivity import worst_text

    with exploring():
        found = precision.sensitivity(
            grid,
            data_dir=data_dir,
            store=store,
            output=output,
            plugins=plugin or (),
            changes=changes or (),
            seeds=seeds,
            only=only or (),
            policies=policy or (),
            slots=slot or (),
            images=images,
            force=force,
        )
    echo(worst_text(found.frame), nl=False)
    for text in found.left_out:
        echo(f"left out: {text}", err=True)
    folder = output or Path("reports") / f"{found.name}-sensitivity"
    echo(f"\nreport: {folder / 'sensitivity.md'}")


def search(
    grid: GridFile,
    policies: Annotated[
        str | None,
        typer.Option(
            "--policies", help="Policies of the grid, the choices of a layer [default: all].", metavar="A,B,C"
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            help="Accuracy that may be lost, percentage points; of a regression, rise of the RMSE in %.",
            metavar="T",
        ),
    ] = 1.0,
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="What is to be least; energy is a model.",
            metavar="memory|energy|activations|bops",
        ),
    ] = "memory",
    method: Annotated[
        str, typer.Option("--method", help="nsga2 needs optuna.", metavar="greedy|nsga2")
    ] = "greedy",
    images: Annotated[int, typer.Option("--images", help="Training images that decide.", metavar="N")] = 5000,
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="Evaluations at most [default: no limit; nsga2: 200].", metavar="N"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of nsga2.", metavar="S")] = 0,
    data_dir: DataDir = None,
    store: StoreDir = RUNS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the report [default: reports/<grid name>-search].", metavar="DIR"
        ),
    ] = None,
    changes: SetOptions = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    plugin: PluginFiles = None,
    force: Replace = False,
) -> None:
    """Choose a policy for each layer of each network of GRID that keeps its accuracy at least cost."""
    import precision
    from precision.report.pages.search import found_text

    options = precision.SearchOptions(tolerance, objective, method, images, trials, seed)
    with exploring():
        found = precision.search(
            grid,
            data_dir=data_dir,
            store=store,
            output=output,
            plugins=plugin or (),
            changes=changes or (),
            seeds=seeds,
            only=only or (),
            options=options,
            policies=[word.strip() for word in policies.split(",")] if policies is not None else (),
            force=force,
        )
    echo(found_text(found.networks, objective), nl=False)
    folder = output or Path("reports") / f"{found.name}-search"
    echo(f"\nreport: {folder / 'search.md'}")
    echo(f"policies: {folder / 'policy.yaml'}")


@contextlib.contextmanager
def exploring() -> Iterator[None]:
    """Say what is kept on Ctrl-C."""
    # TensorFlow warns of many traces; here each is a model of its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        yield
    except KeyboardInterrupt:
        echo(
            "precision: interrupted; what is finished is kept, and the same command goes on from there",
            err=True,
        )
        raise typer.Exit(130) from None
