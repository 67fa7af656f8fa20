"""The command ``precision policy``: what a policy means for a network, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precision.cli.echo import echo
from precision.cli.groups import Groups, example
from precision.cli.options import PluginFiles, SetOptions
from precision.errors import PrecisionError, shown, suggest

if TYPE_CHECKING:
    from precision.quantization import Policy
    from precision.quantization.sites import Site

app = typer.Typer(name="policy", cls=Groups, help="See what a policy does.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """See what a policy does."""


@app.command(epilog=example("policy show my-grid.yaml --policy fixed8"))
def show(
    grid: Annotated[Path, typer.Argument(metavar="GRID", help="YAML file of the grid.")],
    policy: Annotated[str, typer.Option("--policy", help="Name of a policy of the grid.", metavar="NAME")],
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture", help="Label of a network of the grid [default: every one].", metavar="A"
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Label of a data set [default: the first one].", metavar="D"),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder of the data sets.", metavar="DIR")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List the layers that have nothing to round, too.")
    ] = False,
    costs: Annotated[
        bool, typer.Option("--costs", help="List what each layer computes, stores and holds for an image.")
    ] = False,
    changes: SetOptions = None,
    plugin: PluginFiles = None,
) -> None:
    """Print how POLICY rounds every layer and slot of a network, and why it leaves the others as they are."""
    from precision.grid import Changes, load_grid

    parsed, _ = load_grid(grid, plugin or (), Changes(changes or ()))
    if policy not in parsed.policies:
        raise PrecisionError(f"{grid}: unknown policy {shown(policy)}; {suggest(policy, parsed.policies)}")
    networks = _chosen(grid, "architecture", parsed.architectures, architecture)
    images = _chosen(grid, "dataset", parsed.datasets, dataset)[0]

    from precision import data
    from precision.data.files.locate import data_directory
    from precision.startup import start_backend

    start_backend()
    import architectures

    loaded = data.load(images.choice.name, data_dir=data_directory(data_dir), **images.choice.options)
    for network in networks:
        shape, outputs = loaded.input_shape, loaded.classes
        options = network.choice.options
        model = architectures.build(network.choice.name, shape, outputs, loaded.task, **options)
        title, chosen = f"{policy} on {network.label}", parsed.policies[policy]
        echo(_costs(title, model, chosen) if costs else _table(title, model, chosen, everything))


def _chosen(grid: Path, kind: str, entries: list[Any], label: str | None) -> list[Any]:
    found = [entry for entry in entries if label is None or entry.label == label]
    if not found:
        raise PrecisionError(
            f"{grid}: unknown {kind} {shown(label)}; {suggest(label, [e.label for e in entries])}"
        )
    return found


def _table(title: str, model: Any, policy: Policy, everything: bool) -> str:
    from tabulate import tabulate

    from precision.quantization import SLOTS
    from precision.quantization.sites import resolve, unreached, untouched
    from precision.quantization.transforms.folding import fold

    lines = [f"{title}: {policy}"]
    if policy.fold_batch_norm:
        folded = fold(model)
        model = folded.model
        lines += [f"folded: {norm} into {layer}" for norm, layer in folded.folded.items()]
        lines += [f"not folded: {norm}, {reason}" for norm, reason in folded.kept.items()]
    named = {slot for slot, _ in policy.settings()}
    sites = [site for site in resolve(model, policy) if site.slot in named]
    rows = [
        (site.layer, site.kind, site.slot, site.setting or "-", site.reason)
        for site in sites
        if everything or not site.empty
    ]
    header = ("layer", "class", "slot", "rounded to", "why not")
    if rows:
        lines += ["", tabulate([[str(cell) for cell in row] for row in rows], headers=header)]
    lines += [] if everything else _folded(sites)
    if hidden := unreached(model, policy):
        lines += ["", "not rounded inside layers:", *(f"  {name}: {what}" for name, what in hidden.items())]
    if left := untouched(model, policy):
        lines += ["", "stays as it is in layers that are rounded:"]
        lines += [f"  {_who(names, everything)}: {what}" for what, names in left.items()]
    rest = [slot for slot in SLOTS if slot not in named]
    lines += ["", f"float32 in every layer: {', '.join(rest)}", ""] if rest else [""]
    return "\n".join(lines)


def _costs(title: str, model: Any, policy: Policy) -> str:
    """Return what each layer computes, stores and holds for one image, and the sums."""
    from tabulate import tabulate

    from precision.measure.counted.by_layer import by_layer
    from precision.quantization.transforms.folding import fold

    found = by_layer(fold(model).model if policy.fold_batch_norm else model, policy)
    rows = [
        (row.layer, row.kind, _number(row.macs), _number(row.bops), row.weights, row.activations)
        for row in found.rows
    ]
    bits = None if any(row.bops is None for row in found.rows) else sum(row.bops or 0 for row in found.rows)
    macs = None if bits is None else sum(row.macs or 0 for row in found.rows)
    rows.append(("all", "", _number(macs), _number(bits), found.weights, found.peak))
    header = ("layer", "class", "MACs", "BOPs", "weights, bytes", "activations, bytes")
    about = (
        "Activations are what a layer returns, 0 where it takes the place of what it reads; of all layers "
        "together the most that is held at once, the image included."
    )
    return "\n".join([f"{title}: {policy}", "", tabulate(rows, headers=header), "", about, ""])


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0f}"


def _folded(sites: Sequence[Site]) -> list[str]:
    """Return one line for each slot and reason of the layers that have nothing to round."""
    layers: dict[tuple[str, str], list[str]] = {}
    for site in sites:
        if site.empty:
            reason = "one step with the next layer" if site.reason.startswith("one step") else site.reason
            layers.setdefault((site.slot, reason), []).append(site.layer)
    if not layers:
        return []
    lines = ["", "nothing to round (--all lists each layer):"]
    for (slot, reason), names in layers.items():
        lines.append(f"  {slot} of {_who(names, False)}: {reason}")
    return lines


def _who(names: Sequence[str], everything: bool) -> str:
    return ", ".join(names) if everything or len(names) == 1 else f"{len(names)} layers"
