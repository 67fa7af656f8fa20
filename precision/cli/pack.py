"""The commands ``precision pack`` and ``precision unpack``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precision.cli.echo import echo
from precision.cli.options import Force, PluginFiles
from precision.errors import PrecisionError, shown, suggest

if TYPE_CHECKING:
    from precision.deploy.packed.entry import Entry
    from precision.deploy.packed.loss import Loss
    from precision.quantization import Policy

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Keras model, a .keras file.")]


def pack(
    model: Model,
    format_text: Annotated[
        str | None,
        typer.Argument(
            metavar="[FORMAT]",
            help="Format of the weights and biases, such as 'fixed(8,6)', or a preset such as int8.",
        ),
    ] = None,
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
    grid: Annotated[
        Path | None,
        typer.Option("--grid", help="Grid file with the policy, instead of FORMAT.", metavar="GRID"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--policy", help="Name of the policy in GRID.", metavar="NAME")
    ] = None,
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write the quantised weights of MODEL to a safetensors file of packed codes.

    FORMAT (or int8, int4_weights: integers with scales), or the policy NAME of GRID, says how they are
    rounded. A 6-bit value takes 6 bits, scales are included, statistics of batch normalisation stay float32.
    What rounding did to each variable is printed.
    """
    from precision.deploy import model_file

    policy = _policy(format_text, biases, layer or [], grid, name, plugin or [])
    output = output or model.with_suffix(".safetensors")
    model_file.check_free(output, force=force)
    network = model_file.load_model(model)
    from precision.deploy.packed import file as packing

    packed = packing.pack_model(network, policy)
    content = packing.to_bytes(packed, policy)
    model_file.write(output, content, force=force)
    values = sum(variable.size for variable in packed.entries.values())
    echo(
        f"{output}: {values:,} values in {packed.payload_bytes:,} bytes, "
        f"{8 * packed.payload_bytes / max(values, 1):.3g} bits each, and a header of "
        f"{len(content) - packed.payload_bytes:,} bytes; as float32 they take {4 * values:,} bytes"
    )
    if packed.losses:
        echo(_lost(packed.losses, packed.entries))


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that precision pack wrote.")],
    model: Model,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .keras file to write.")],
    force: Force = False,
    plugin: PluginFiles = None,
) -> None:
    """Write MODEL with the quantised weights of FILE to OUTPUT, without an optimizer.

    Batch normalisations that were folded when FILE was packed are folded in OUTPUT too.
    """
    from precision import plugins
    from precision.deploy import model_file

    plugins.load(plugin or ())
    model_file.check_free(output, force=force)
    network = model_file.load_model(model)
    from precision.deploy.packed import file as packing

    packed = packing.read(file)
    network = packing.unpack_model(network, packed, file)
    model_file.save_model(network, output, force=force)
    echo(f"{output}: {len(packed.entries)} variables from {file}")


def _lost(losses: Mapping[str, Loss], entries: Mapping[str, Entry]) -> str:
    """Return what rounding did to the variables, the worst first, and to all of them."""
    from precision.deploy.packed.loss import total
    from precision.report.document import Column, Table, Unit, note
    from precision.report.render import terminal

    columns = (
        Column("variable"),
        Column("format"),
        Column("values", Unit.COUNT),
        Column("clipped", Unit.SHARE),
        Column("to zero", Unit.SHARE),
        Column("SQNR dB", Unit.DECIBELS, decimals=2),
    )
    rows = []
    for name, loss in sorted(losses.items(), key=lambda found: found[1].sqnr):
        rows.append((name, str(entries[name].number_format), *_shares(loss)))
    left = len(rows) - _SHOWN
    rows = [*rows[:_SHOWN], ("all", "", *_shares(total(losses.values())))]
    more = (note(f"The {left} others have a higher SQNR."),) if left > 0 else ()
    return terminal.render([Table(columns, tuple(rows), notes=more)])


_SHOWN = 20  # variables: those that rounding hurts most


def _shares(loss: Loss) -> tuple[Any, ...]:
    sqnr = "exact" if loss.sqnr == math.inf else loss.sqnr
    return (loss.values, loss.clipped / loss.values, loss.zeroed / loss.values, sqnr)


def _policy(
    text: str | None,
    biases: str | None,
    layers: list[str],
    grid: Path | None,
    name: str | None,
    plugin: list[Path],
) -> Policy:
    """Return the policy that the words of the command describe; plugins are loaded first."""
    from precision import plugins
    from precision.quantization import parse_policy
    from precision.quantization.policy.presets import expanded
    from precision.quantization.policy.slots import is_bare

    if grid is not None or name is not None:
        for word, given in (("FORMAT", text), ("--biases", biases), ("--layer", layers)):
            if given:
                raise PrecisionError(f"--grid and --policy say how each slot is rounded; leave {word} out")
        return _of_grid(grid, name, plugin)
    if text is None:
        raise PrecisionError(
            "say how to round: a FORMAT such as 'fixed(8,6)', or a policy: --grid GRID --policy NAME"
        )
    plugins.load(plugin)
    for word, given in (("FORMAT", text), ("--biases", biases)):
        if given is not None and is_bare(given):
            raise PrecisionError(
                f"{word} {given} without a scale rounds to whole numbers, which makes most weights 0; write "
                "int8 or int4_weights, which have a scale for each channel, or name a policy of a grid by "
                "--grid and --policy"
            )
    whole = expanded(text)
    slots = dict(whole) if isinstance(whole, dict) else {"weights": text, "biases": text}
    if biases is not None:
        slots["biases"] = biases
    overrides: dict[str, Any] = {}
    for option in layers:
        pattern, equals, override = option.partition("=")
        if not equals:
            raise PrecisionError(
                f"--layer is written NAME=FORMAT, such as 'conv*=fixed(6,5)', but got {shown(option)}"
            )
        # An integer takes the scale of what it overrides, wherever there is one.
        overrides[pattern] = override if is_bare(override) else {"weights": override, "biases": override}
    return parse_policy({**slots, "layers": overrides})


def _of_grid(grid: Path | None, name: str | None, plugin: list[Path]) -> Policy:
    from precision.grid import load_grid

    if grid is None:
        raise PrecisionError(f"--policy {name} is looked up in a grid file; add --grid GRID")
    parsed, _ = load_grid(grid, plugin)
    if name is None:
        raise PrecisionError(f"--grid needs --policy NAME; {grid} has {', '.join(parsed.policies)}")
    if name not in parsed.policies:
        raise PrecisionError(f"{grid}: unknown policy {shown(name)}; {suggest(name, parsed.policies)}")
    return parsed.policies[name]
