"""The commands ``precision sensitivity`` and ``precision search``."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from precision.cli.options import (
    RUNS,
    DataDir,
    GridFile,
    OnlyOption,
    PluginFiles,
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
) -> None:
    """Round one slot of one layer of each network of GRID at a time, and report what that alone costs."""
    from precision.api import report_folder
    from precision.data.files.locate import data_directory
    from precision.grid import Changes, load_grid

    changed = Changes(tuple(changes or ()), seeds)
    name = load_grid(grid, plugin or (), changed)[0].name
    folder = report_folder(output, f"{name}-sensitivity")
    with _exploring():
        from precision.exploration import sensitivity as exploration

        found = exploration.sensitivity(
            grid,
            slots=slot or (),
            policies=policy or (),
            images=images,
            data_dir=data_directory(data_dir),
            store=store,
            plugins=plugin or (),
            changes=changed,
            only=only or (),
        )
    from precision.report.pages.sensitivity import worst_text, write_sensitivity

    command = ["precision", "sensitivity", str(grid), *(f"--slot={word}" for word in slot or ())]
    command += [f"--policy={word}" for word in policy or ()]
    command += [] if images is None else [f"--images={images}"]
    command += [*changed.words(), *(f"--only={text}" for text in only or ())]
    path = write_sensitivity(found.frame, found.name, command, folder, found.left_out, found.environment)
    typer.echo(worst_text(found.frame), nl=False)
    for text in found.left_out:
        typer.echo(f"left out: {text}", err=True)
    typer.echo(f"\nreport: {path}")


def search(
    grid: GridFile,
    policies: Annotated[
        str | None,
        typer.Option(
            "--policies", help="Policies of the grid, the choices of a layer [default: all].", metavar="A,B,C"
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Accuracy that may be lost, percentage points.", metavar="T")
    ] = 1.0,
    objective: Annotated[
        str,
        typer.Option("--objective", help="What is to be least; energy is a model.", metavar="memory|energy"),
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
) -> None:
    """Choose a policy for each layer of each network of GRID that keeps its accuracy at least cost."""
    from precision.api import report_folder
    from precision.data.files.locate import data_directory
    from precision.exploration.settings import Settings
    from precision.grid import Changes, load_grid

    settings = Settings(tolerance, objective, method, images, trials, seed)
    changed = Changes(tuple(changes or ()), seeds)
    name = load_grid(grid, plugin or (), changed)[0].name
    folder = report_folder(output, f"{name}-search")
    with _exploring():
        from precision.exploration import search as exploration

        found = exploration.search(
            grid,
            settings,
            policies=[word.strip() for word in policies.split(",")] if policies is not None else (),
            data_dir=data_directory(data_dir),
            store=store,
            plugins=plugin or (),
            changes=changed,
            only=only or (),
        )
    from precision.measure.machine.environment import together
    from precision.report.pages.search import found_text, write_search

    path = write_search(
        found,
        name=name,
        command=[
            *("precision", "search", str(grid), *settings.words(policies), *changed.words()),
            *(f"--only={text}" for text in only or ()),
        ],
        objective=objective,
        method=settings.method_in_words,
        tolerance=tolerance,
        output=folder,
        environment=together(one.environment for one in found),
    )
    typer.echo(found_text(found, objective), nl=False)
    typer.echo(f"\nreport: {path}")
    typer.echo(f"policies: {path.with_name('policy.yaml')}")


@contextlib.contextmanager
def _exploring() -> Iterator[None]:
    """Start TensorFlow quietly, and end on Ctrl-C with what is kept."""
    from precision.startup import start_backend

    try:
        start_backend()
        # It warns of many traces; here each is a model of its own.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        yield
    except KeyboardInterrupt:
        print(
            "precision: interrupted; what is finished is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
