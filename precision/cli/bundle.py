"""The commands ``precision bundle`` and ``precision results import``: another machine is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, DataDir, PluginFiles, StoreDir
from precision.cli.tables import print_table
from precision.errors import PrecisionError, short

if TYPE_CHECKING:
    from precision.deploy.bundle.folder import Model
    from precision.grid.store.bundles import Elsewhere
    from precision.methods.restored import Restoring
    from precision.trial import TrialResult

Images = Annotated[int, typer.Option("--images", min=1, help="How many test images go along.", metavar="N")]


def bundle(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TRIAL... DIR", help="Ids of trials, or their first digits, and a new folder."
        ),
    ],
    images: Images = 500,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    plugin: PluginFiles = None,
) -> None:
    """Write a folder that measures another machine: the networks of TRIALs, test images and a program.

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
    results = [stored(found, find(found, trial)) for trial in dict.fromkeys(trials)]
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


def _models(result: TrialResult, bench: Restoring) -> list[Model]:
    """Return the files of a trial; what one kind of file cannot say is told where another can.

    Raises:
        PrecisionError: when there is no kind of file for it.
    """
    from precision.deploy.bundle.folder import Model
    from precision.methods.deployed import WRITERS
    from precision.quantization import Policy

    trial, found, refused = result.trial, [], []
    facts: dict[str, Any] = {
        "architecture": trial.architecture.words,
        "policy": str(Policy.from_json(trial.policy)),
        "method": trial.method.words,
        "accuracy": result.metrics.get("accuracy"),
    }
    for suffix, write in WRITERS.items():
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
    echo(f"\nbundle {found.bundle[:12]}: results of {len(machines)} machines")


HEAD = (
    *("machine", "processor", "model", "network", "accuracy", "ms by threads: median / p95", "peak MiB"),
    *("runtime", "logits"),
)


def rows(found: Elsewhere) -> list[tuple[str, ...]]:
    """Return a row for each model; machines whose logits have the same bits show the same digits."""
    cells: list[tuple[str, ...]] = []
    for model, told in zip(found.models, found.described["models"], strict=True):
        times = [f"{t['threads']}: {t['median_ms']:.3g} / {t['p95_ms']:.3g}" for t in model["latency"]]
        peak = (model.get("resident_kb") or {}).get("peak")
        cells.append(
            (
                str(found.machine.get("name", "")),
                "emulated" if found.emulated else str(found.machine.get("architecture", "")),
                str(model["file"]),
                short(f"{told.get('architecture', '')} {told.get('policy', '')}", 40),
                f"{100 * model['accuracy']:.2f} %",
                "" if found.emulated else ", ".join(times),
                f"{peak / 1024:.0f}" if isinstance(peak, int | float) and peak else "",
                short(str(model.get("runtime", "")), 40),
                str(model.get("logits_sha256", ""))[:12],
            )
        )
    return cells
