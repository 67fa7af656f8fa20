"""The command ``precision certify``: does a device compute what was evaluated?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precision.cli.echo import echo
from precision.cli.options import RUNS, DataDir, Force, PluginFiles, StoreDir
from precision.cli.tables import print_table

if TYPE_CHECKING:
    from precision.deploy.certificate.agreement import Certificate


def certify(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, or the first digits of it.")],
    runtime: Annotated[str, typer.Option("--runtime", help="What runs the file: litert or onnx.")] = "litert",
    images: Annotated[
        int, typer.Option("--images", help="Test images whose codes are compared.", metavar="N")
    ] = 200,
    kernels: Annotated[
        str | None,
        typer.Option(
            "--kernels",
            help="Of litert: reference, plain loops whose rounding is documented, or default, those of a "
            "device [default: reference]; of onnx: fused, as of a device, or as_written [default: fused].",
            metavar="NAME",
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Of the run-time.", metavar="N")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="JSON file to write [default: TRIAL-RUNTIME-KERNELS.json].", metavar="FILE"
        ),
    ] = None,
    store: StoreDir = RUNS,
    data_dir: DataDir = None,
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Say how far a run-time computes what TRIAL evaluated, and write that as a certificate.

    Predictions are compared on all test images. Of a network of integers every code of every tensor is
    compared too, on N images: how many differ, in which layer first, by how much, and why, as far as that is
    known.
    """
    from precision import plugins
    from precision.data.files.locate import data_directory
    from precision.deploy import model_file
    from precision.grid import Store
    from precision.grid.execution.rerun import find, stored
    from precision.methods.certified import certificate_of, chosen
    from precision.startup import start_backend

    plugins.load(plugin or ())
    found = Store(store)
    kernels = chosen(runtime, kernels, images, threads)
    trial_id = find(found, trial)
    output = output or Path(f"{trial_id}-{runtime}-{kernels}.json")
    model_file.check_free(output, force=force)
    result = stored(found, trial_id)
    start_backend()
    from precision.methods.restored import Restoring

    bench = Restoring(data_directory(data_dir), found.weights)
    made = certificate_of(result, bench, runtime, kernels=kernels, threads=threads, images=images)
    model_file.write(output, (json.dumps(made.to_json(), indent=1) + "\n").encode(), force=force)
    _print(made)
    echo(f"certificate: {output}")


def _print(made: Certificate) -> None:
    told = made.runtime
    echo(f"trial {made.subject['trial']}: {made.subject['architecture']}, {made.subject['policy']}")
    echo(f"run-time: {told['runtime']}, threads {told['threads']}")
    echo(f"kernels: {told['kernels']} ({told['about_kernels']})")
    echo(f"file: {int(told['file_bytes']):,} bytes, sha256 {told['file_sha256']}")
    if "real_operators" in told:
        echo(f"operators of real numbers: {told['real_operators']}")
    echo(
        f"predictions: {made.equal:,} of {made.images:,} equal ({100 * made.equal / made.images:.4g} %), "
        f"outputs at most {made.logits:.6g} apart"
    )
    if not made.tensors:
        return
    rows = [
        (t.name, f"{t.codes:,}", f"{t.differing:,}", t.largest, f"{t.alone:,}", t.why(made.rule))
        for t in made.tensors
    ]
    echo(f"\ncodes of {made.coded:,} images, against '{made.rule}':")
    print_table(("tensor", "codes", "differing", "largest", "alone", "why"), rows)
    if made.first is None:
        echo(
            f"\nno code differs: {sum(t.codes for t in made.tensors):,} codes of {len(made.tensors)} tensors"
        )
    else:
        echo(f"\n{made.differing:,} codes differ, first in {made.first.name}; {made.reason}")
