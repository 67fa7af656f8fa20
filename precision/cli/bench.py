"""The command ``precision bench convolution``: the race of convolutions on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.groups import Groups, example
from precision.errors import PrecisionError, unknown

app = typer.Typer(
    name="bench",
    cls=Groups,
    help="Measure what this machine takes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def bench() -> None:
    """Measure what this machine takes."""


@app.command(epilog=example("bench convolution -o race"))
def convolution(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the page, which is made.", metavar="FOLDER")
    ] = Path("race"),
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "--algorithm", help="One to race; repeat it for several. All without it.", metavar="NAME"
        ),
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", min=1, help="Images of a step; repeatable.", metavar="N")
    ] = None,
    workers: Annotated[
        list[int] | None,
        typer.Option(
            "--workers", min=1, help="Cores of a step; repeatable. 1 and all without it.", metavar="N"
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="In which each has its turn.")] = 9,
) -> None:
    """Race the algorithms of convolution: training steps, layers, the roof of the machine, and errors."""
    from precision.arithmetic.convolutions import CONVOLUTIONS
    from precision.measure.machine.processor import cores

    for name in algorithm or ():
        if name not in CONVOLUTIONS:
            raise unknown("convolution", name, CONVOLUTIONS)
    there = len(cores())
    counts = sorted(set(workers or (1, there)))
    if counts[-1] > there:
        raise PrecisionError(
            f"--workers: each worker has a core of its own, but got {counts[-1]} and this process may use "
            f"{there}"
        )
    batches = list(dict.fromkeys(batch or (64, 32)))
    if min(batches) < counts[-1]:
        raise PrecisionError(
            f"--batch: a batch of {min(batches)} images cannot be shared among {counts[-1]} workers; take "
            f"fewer "
            "workers or a larger batch"
        )
    output.mkdir(parents=True, exist_ok=True)
    from precision.race.everything import race
    from precision.race.steps import Setting
    from precision.report.race.page import write_race

    names, setting = tuple(dict.fromkeys(algorithm or CONVOLUTIONS)), Setting(rounds=rounds)
    found = race(names, batches, counts, setting, lambda text: echo(text, err=True))
    echo(str(write_race(found, ["precision", *sys.argv[1:]], output)))
