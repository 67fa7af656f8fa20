"""The command ``precision export``: what a trial trained, as a Keras model or as packed codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, DataDir, Force, PluginFiles, StoreDir
from precision.errors import PrecisionError


def export(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, or the first digits of it.")],
    output: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The .keras or .safetensors file to write.")
    ],
    rounded: Annotated[
        bool, typer.Option("--rounded", help="With the rounded weights, not those before rounding.")
    ] = False,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write the network that TRIAL trained, or started from, to FILE.

    The model is plain Keras, without rounding in its graph, and returns logits. With --rounded its weights
    lie on the values of the policy's formats, with the scales that training chose. A .safetensors file holds
    these as packed codes, as precision pack writes them; of a trial of method integer it holds the integers
    of weights and biases, with all scales and steps of the network.
    """
    from precision import plugins
    from precision.data.files.locate import data_directory
    from precision.deploy import model_file
    from precision.grid import Store
    from precision.grid.execution.rerun import find, stored
    from precision.startup import start_backend

    plugins.load(plugin or ())
    packs = output.suffix == ".safetensors"
    if packs and rounded:
        raise PrecisionError(f"{output}: packed codes are rounded already; leave --rounded out")
    model_file.check_free(output, force=force)
    found = Store(store)
    result = stored(found, find(found, trial))
    start_backend()
    from precision.methods.restored import Restoring, coded, exported

    bench = Restoring(data_directory(data_dir), found.weights)
    if packs:
        content, count, size = coded(result, bench)
        model_file.write(output, content, force=force)
        what = "tensors of integers" if result.trial.method.name == "integer" else "variables"
        echo(f"{output}: {count} {what} of trial {result.trial.id} in {size:,} bytes")
        return
    model = exported(result, bench, rounded=rounded)
    model_file.save_model(model, output, force=force)
    kind = "rounded weights" if rounded else "float32 weights"
    echo(f"{output}: {model.count_params():,} {kind} of trial {result.trial.id}")
