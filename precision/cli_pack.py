"""The commands ``precision pack`` and ``precision unpack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from precision.cli_options import PluginFiles
from precision.errors import PrecisionError

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Keras model, a .keras file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]


def pack(
    model: Model,
    format_text: Annotated[
        str, typer.Argument(metavar="FORMAT", help="Format of the weights and biases, such as 'fixed(8,6)'.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="File to write [default: MODEL.safetensors].", metavar="FILE"),
    ] = None,
    biases: Annotated[
        str | None, typer.Option("--biases", help="Format of the biases, if another.", metavar="FORMAT")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            help="Another format for the layers of a name or pattern; may be repeated, later wins.",
            metavar="NAME=FORMAT",
        ),
    ] = None,
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write the quantised weights of MODEL to a safetensors file of packed codes.

    A 6-bit value takes 6 bits, shared scales are included, statistics of batch normalisation stay float32.
    """
    from precision import plugins
    from precision.quantization import model_file, parse_policy

    plugins.load(plugin or ())
    policy = parse_policy(_policy(format_text, biases, layer or []))
    output = output or model.with_suffix(".safetensors")
    model_file.check_free(output, force=force)
    network = model_file.load_model(model)
    for part in network._flatten_layers():  # a frozen layer has weights too
        part.trainable = True
    from precision.quantization import packing

    packed = packing.pack_model(network, policy)
    content = packing.to_bytes(packed, policy)
    model_file.write(output, lambda draft: draft.write_bytes(content), force=force)
    values = sum(variable.size for variable in packed.entries.values())
    typer.echo(
        f"{output}: {values:,} values in {packed.payload_bytes:,} bytes, "
        f"{8 * packed.payload_bytes / max(values, 1):.3g} bits each, and a header of "
        f"{len(content) - packed.payload_bytes:,} bytes; as float32 they take {4 * values:,} bytes"
    )


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that precision pack wrote.")],
    model: Model,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .keras file to write.")],
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write MODEL with the quantised weights of FILE to OUTPUT, without an optimizer."""
    from precision import plugins
    from precision.quantization import model_file

    plugins.load(plugin or ())
    model_file.check_free(output, force=force)
    network = model_file.load_model(model)
    from precision.quantization import packing

    packed = packing.read(file)
    packing.load_into(network, packed, file)
    model_file.save_model(network, output, force=force)
    typer.echo(f"{output}: {len(packed.entries)} variables from {file}")


def _policy(text: str, biases: str | None, layers: list[str]) -> dict[str, Any]:
    overrides = {}
    for option in layers:
        pattern, equals, override = option.partition("=")
        if not equals:
            raise PrecisionError(
                f"--layer is written NAME=FORMAT, such as 'conv*=fixed(6,5)', but got {option!r}"
            )
        overrides[pattern] = {"weights": override, "biases": override}
    return {"weights": text, "biases": text if biases is None else biases, "layers": overrides}
