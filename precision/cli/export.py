"""The command ``precision export``: what a trial trained, as a model, packed codes or a file to deploy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.data_option import DataOption, data_options
from precision.cli.echo import echo
from precision.cli.export_model import Asked, export_model, is_model
from precision.cli.options import RUNS, DataDir, Force, PluginFiles, StoreDir
from precision.errors import PrecisionError, shown, suggest

if TYPE_CHECKING:
    from precision.methods.restored import Restoring
    from precision.trial import TrialResult

DIALECTS = ("qdq", "qonnx")


def export(
    trial: Annotated[
        str,
        typer.Argument(
            metavar="TRIAL", help="Its id, or the first digits of it; or a model file, with --policy."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="The .keras, .safetensors, .tflite or .onnx file to write."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file to write, instead of MODEL.", metavar="FILE")
    ] = None,
    rounded: Annotated[
        bool, typer.Option("--rounded", help="With the rounded weights, not those before rounding.")
    ] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="Of a model file: a preset such as int8, a format, or slots such as '{weights: float16, "
            "biases: float16}'.",
            metavar="POLICY",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", help="Of a model file: data to calibrate on, as of precision audit.", metavar="DATA"
        ),
    ] = None,
    data_option: DataOption = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            "--dialect",
            help="Of a .onnx file: qdq, which runtimes run, or qonnx, for any number of bits [default: qdq].",
            metavar="NAME",
        ),
    ] = None,
    int32_biases: Annotated[
        bool,
        typer.Option("--int32-biases", help="Of a .onnx file: biases as integers, as integer kernels want."),
    ] = False,
    scales: Annotated[
        str | None,
        typer.Option(
            "--scales",
            help="Of a model file in integers, as .tflite: ours or converter [default: ours].",
            metavar="WHOSE",
        ),
    ] = None,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write the network that TRIAL trained, or started from, to MODEL.

    The model is plain Keras, without rounding in its graph, and returns logits. With --rounded its weights
    lie on the values of the policy's formats, with the scales that training chose. A .safetensors file holds
    these as packed codes, as precision pack writes them; of a trial of method integer it holds the integers
    of weights and biases, with all scales and steps of the network. A .tflite file is what LiteRT runs: of a
    trial of method lite the very file, of one in integers a file with its codes and scales. A .onnx file
    rounds where the trial rounded. A model file is folded and calibrated as the policy says, and written as
    .tflite or .onnx.
    """
    from precision import plugins
    from precision.data.files.locate import data_directory
    from precision.deploy import model_file
    from precision.grid import Store
    from precision.grid.execution.rerun import find, stored
    from precision.startup import start_backend

    plugins.load(plugin or ())
    path = _one(output, to)
    _check(path, rounded, dialect, int32_biases)
    model_file.check_free(path, force=force)
    if is_model(trial):
        options = data_options(data_option or [])
        asked = Asked(Path(trial), policy, data, options, scales, dialect or "qdq", int32_biases)
        export_model(asked, path, data_dir, force)
        return
    if any(given is not None for given in (policy, data, data_option, scales)):
        raise PrecisionError("--policy, --data and --scales are of a model file; a trial has all of them")
    found = Store(store)
    result = stored(found, find(found, trial))
    start_backend()
    from precision.methods.restored import Restoring, coded, exported

    bench = Restoring(data_directory(data_dir), found.weights)
    if path.suffix == ".tflite":
        from precision.deploy.lite.contents import listed
        from precision.methods.deployed import as_tflite

        content = as_tflite(result, bench)
        model_file.write(path, content, force=force)
        echo(f"{path}: the LiteRT file of trial {result.trial.id} in {len(content):,} bytes")
        echo(f"operators of real numbers: {listed(content)}")
        return
    if path.suffix == ".onnx":
        content, what = _onnx(result, bench, dialect or "qdq", int32_biases)
        model_file.write(path, content, force=force)
        echo(f"{path}: {what} of trial {result.trial.id} in {len(content):,} bytes")
        return
    if path.suffix == ".safetensors":
        content, count, size = coded(result, bench)
        model_file.write(path, content, force=force)
        what = "tensors of integers" if result.trial.method.name == "integer" else "variables"
        echo(f"{path}: {count} {what} of trial {result.trial.id} in {size:,} bytes")
        return
    model = exported(result, bench, rounded=rounded)
    model_file.save_model(model, path, force=force)
    kind = "rounded weights" if rounded else "float32 weights"
    echo(f"{path}: {model.count_params():,} {kind} of trial {result.trial.id}")


def _one(output: Path | None, to: Path | None) -> Path:
    """Return the file to write, which is named once."""
    if (output is None) == (to is None):
        raise PrecisionError("name the file to write once: as the second argument, or by --to")
    found = output if to is None else to
    assert found is not None
    return found


def _check(path: Path, rounded: bool, dialect: str | None, int32_biases: bool) -> None:
    """Refuse options that have no effect on a file of this kind."""
    if rounded and path.suffix != ".keras":
        raise PrecisionError(f"{path}: what is in this file is rounded already; leave --rounded out")
    for word, given in (("--dialect", dialect), ("--int32-biases", int32_biases)):
        if given and path.suffix != ".onnx":
            raise PrecisionError(f"{path}: {word} is for .onnx files; leave it out")
    if dialect is not None and dialect not in DIALECTS:
        raise PrecisionError(f"unknown --dialect {shown(dialect)}; {suggest(dialect, DIALECTS)}")


def _onnx(result: TrialResult, bench: Restoring, dialect: str, int32_biases: bool) -> tuple[bytes, str]:
    """Return the content of the file of a trial, and what is in it."""
    from precision.methods.deployed import as_onnx

    file = as_onnx(result, bench, dialect=dialect, int32_biases=int32_biases)
    return file.to_bytes(), file.words
