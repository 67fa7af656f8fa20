"""The commands ``precision bundle`` and ``precision results import``: another machine is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precision.cli.echo import echo
from precision.cli.grids import cells_of
from precision.cli.options import RUNS, DataDir, OnlyOption, PluginFiles, StoreDir
from precision.cli.tables import print_table
from precision.errors import PrecisionError, short

if TYPE_CHECKING:
    from precision.deploy.bundle.folder import Model
    from precision.grid import Store
    from precision.grid.store.bundles import Elsewhere
    from precision.methods.restored import Restoring
    from precision.trial import TrialResult

Images = Annotated[int, typer.Option("--images", min=1, help="How many test images go along.", metavar="N")]


def bundle(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TRIAL... DIR",
            help="Ids of trials, or their first digits, or the file of a grid for its finished trials of "
            "methods lite and onnx; and a new folder.",
        ),
    ],
    images: Images = 500,
    only: OnlyOption = None,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    plugin: PluginFiles = None,
) -> None:
    """Write a folder that measures another machine: the networks of TRIALs, test images and a program.

    A trial of method lite or onnx goes along as the file that it evaluated, others as both kinds of files.

    Copy the folder to the machine and start python3 run.py there, which needs NumPy and a LiteRT interpreter
    or ONNX Runtime. Bring its results.json home with precision results import.
    """
    from precision import plugins
    from precision.data.files.locate import data_directory
    from precision.deploy.bundle import folder
    from precision.grid import Store
    from precision.grid.execution.rerun import find, stored
    from precision.grid.store import bundles
    from precision.grid.store.own import store_of
    from precision.startup import start_backend

    plugins.load(plugin or ())
    *trials, last = names
    path, found = Path(last), Store(store)
    if not trials:
        raise PrecisionError("name at least one trial and then the folder: precision bundle 3e5228d43ca1 DIR")
    if root := store_of(path, found.root):
        raise PrecisionError(f"{path}: this would be a folder of the store {root}; name another")
    folder.check_free(path)
    grids = [name for name in trials if Path(name).suffix in (".yaml", ".yml")]
    if only and not grids:
        raise PrecisionError("--only chooses cells of a grid, but none is given; name its file")
    ids = {find(found, trial): None for trial in trials if trial not in grids}
    ids |= dict.fromkeys(name for grid in grids for name in _finished(Path(grid), found, plugin, only))
    results = [stored(found, name) for name in ids]
    choices = {repr(result.trial.dataset) for result in results}
    if len(choices) > 1:
        raise PrecisionError("the trials of a bundle share its images, but these have different data sets")
    start_backend()
    from precision.methods.restored import Restoring

    bench = Restoring(data_directory(data_dir), found.weights)
    models = [model for result in results for model in _models(result, bench)]
    content = folder.write(path, models, bench.dataset(results[0].trial.dataset), images)
    name = bundles.remember(found.root, content)
    size = sum(len(model.content) for model in models)
    echo(f"{path}: bundle {name[:12]} of {len(models)} models in {size:,} bytes; start its run.py there")


def _finished(grid: Path, store: Store, plugin: list[Path] | None, only: list[str] | None) -> list[str]:
    """Return the ids of the finished trials of a grid: of those that evaluated a file, where it has any.

    How many are not finished is told.

    Raises:
        PrecisionError: when none is.
    """
    from precision.methods.deployed import EVALUATED

    _, _, cells = cells_of(grid, plugin, None, None, only)
    trials = [cell.trial for cell in cells if cell.trial.method.name in EVALUATED]
    asked = dict.fromkeys(trial.id for trial in trials or [cell.trial for cell in cells])
    results = store.results(asked.keys())
    done = [name for name in asked if name in results and results[name].status == "ok"]
    if not done:
        raise PrecisionError(f"{grid}: none of its {len(asked)} trials is finished; run it first")
    if left := len(asked) - len(done):
        echo(f"{grid}: {left} of its {len(asked)} trials are not finished, and are left out", err=True)
    return done


def _models(result: TrialResult, bench: Restoring) -> list[Model]:
    """Return the files of a trial; what one kind of file cannot say is told where another can.

    Raises:
        PrecisionError: when there is no kind of file for it.
    """
    from precision.deploy.bundle.folder import Model
    from precision.methods.deployed import EVALUATED, WRITERS
    from precision.quantization import Policy

    trial, found, refused = result.trial, [], []
    facts: dict[str, Any] = {
        "architecture": trial.architecture.words,
        "policy": str(Policy.from_json(trial.policy)),
        "method": trial.method.words,
        "accuracy": result.metrics.get("accuracy"),
    }
    own = EVALUATED.get(trial.method.name)
    for suffix, write in WRITERS.items():
        if own not in (None, suffix):
            continue
        try:
            found.append(Model(f"{trial.id}{suffix}", write(result, bench), trial.id, facts))
        except PrecisionError as error:
            refused.append(f"{suffix}: {error}")
    if not found:
        raise PrecisionError(f"trial {trial.id} has no file that can be deployed; {'; '.join(refused)}")
    for reason in refused:
        echo(f"trial {trial.id}: left out {reason}", err=True)
    return found


def import_results(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The results.json that run.py wrote.")],
    store: StoreDir = RUNS,
) -> None:
    """Take home what another machine measured with a bundle, and show it beside what others did with it.

    It is kept apart from the results of trials: times of other machines never stand beside those of this one.
    """
    from precision.grid import Store
    from precision.grid.store import bundles

    root = Store(store).root
    found = bundles.take(root, file)
    others = [other for other in bundles.stored(root) if other.bundle == found.bundle]
    print_table(HEAD, [row for other in others for row in rows(other)])
    machines = {other.machine.get("name") for other in others}
    of = "one machine" if len(machines) == 1 else f"{len(machines)} machines"
    echo(f"\nbundle {found.bundle[:12]}: results of {of}")


HEAD = (
    *(
        "machine",
        "processor",
        "model",
        "network",
        "accuracy",
        "same bits",
        "ms by threads: median / p95",
        "peak MiB",
    ),
    *("runtime", "logits"),
)


def rows(found: Elsewhere) -> list[tuple[str, ...]]:
    """Return a row for each model; machines whose logits have the same bits show the same digits."""
    cells: list[tuple[str, ...]] = []
    for model, told in zip(found.models, found.described["models"], strict=True):
        times = [f"{t['threads']}: {t['median_ms']:.3g} / {t['p95_ms']:.3g}" for t in model["latency"]]
        peak, agrees = (model.get("resident_kb") or {}).get("peak"), model.get("agreement")
        cells.append(
            (
                str(found.machine.get("name", "")),
                "emulated" if found.emulated else str(found.machine.get("architecture", "")),
                str(model["file"]),
                short(f"{told.get('architecture', '')} {told.get('policy', '')}", 40),
                f"{100 * model['accuracy']:.2f} %",
                f"{agrees['bits']} of {agrees['images']}" if agrees else "",
                "" if found.emulated else ", ".join(times),
                f"{peak / 1024:.0f}" if isinstance(peak, int | float) and peak else "",
                short(str(model.get("runtime", "")), 40),
                str(model.get("logits_sha256", ""))[:12],
            )
        )
    return cells
