"""Apply a policy to a Keras model, and change the policy of a model that is already traced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.quantization.calibration.observers import Statistics
from precision.quantization.layers.axes import channel_axis
from precision.quantization.layers.copying import cloned, copied
from precision.quantization.layers.flat import address, flat, named
from precision.quantization.layers.graph import Graph, take
from precision.quantization.layers.points import rounds_output
from precision.quantization.layers.variables import VARIABLES
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import PLAIN, Backward, Scale
from precision.quantization.scales.choice import kind
from precision.quantization.scales.ranges import chosen_range, weight_range
from precision.quantization.sites import sites
from precision.quantization.wrapper import Quantized, unwrapped

Observed = Mapping[tuple[str, str], Statistics]


def structure(model: Any, policy: Policy) -> tuple[Any, ...]:
    """Return what two policies must share so that one traced model serves both.

    These are the sites, at each of them how its format is computed, and whether gradients are rounded on
    their way back into a layer.

    >>> import architectures
    >>> from precision.quantization import parse_policy, structure
    >>> model = architectures.build("mlp", width=0.25)
    >>> eight, four = parse_policy("fixed(8,6)"), parse_policy("fixed(4,3)")
    >>> structure(model, eight) == structure(model, four)
    True
    """

    def shared(slot: str, setting: Any) -> Any:
        if isinstance(setting, Setting):
            return kind(setting, weight=slot in VARIABLES), setting.per_channel
        return setting

    model = flat(model)
    graph = Graph(model)
    return tuple(
        (
            name,
            tuple((slot, shared(slot, setting)) for slot, setting in settings.items()),
            "gradients" in settings and rounds_output(graph, named(model, name), policy.exempt),
        )
        for name, settings in sites(model, policy).items()
    )


def calibrated(model: Any, policy: Policy) -> dict[tuple[str, str], bool]:
    """Return the layers and slots whose range is calibrated on images, and whether it is one per channel.

    >>> import architectures
    >>> from precision.quantization import calibrated, parse_policy
    >>> policy = parse_policy({"activations": {"format": "int(8)", "scaling": "real"}})
    >>> calibrated(architectures.build("mlp", width=0.25), policy)
    {('dense1', 'activations'): False, ('logits', 'activations'): False}
    """
    return {
        (name, slot): setting.per_channel
        for name, settings in sites(model, policy).items()
        for slot, setting in settings.items()
        if slot in ("activations", "inputs") and setting.calibrated
    }


def apply(
    model: Any,
    policy: Policy,
    seed: int = 0,
    *,
    observed: Observed | None = None,
    backward: Backward = PLAIN,
    switchable: bool = False,
) -> Any:
    """Return a copy of a Keras model, weights included, that computes under a policy.

    The copy is flat (see ``layers.flat``). Layers keep their names; a layer that rounds something sits in a
    ``Quantized`` of the same name.

    Args:
        model: a functional or sequential model; it is not changed.
        seed: of stochastic rounding.
        observed: what calibration saw of the tensors that :func:`calibrated` names.
        backward: what training adds.
        switchable: whether every quantizer can be switched off by its variable ``enabled``.

    Raises:
        PrecisionError: when the policy does not fit the model, or needs a calibration that is not given.

    >>> import architectures, numpy as np
    >>> from precision.quantization import apply, parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> quantised = apply(model, parse_policy({"activations": "fixed(8,3)"}))
    >>> logits = quantised.predict_on_batch(np.ones((1, 28, 28, 1)))
    >>> bool((logits * 8 == np.round(logits * 8)).all())  # every one is a multiple of 2^-3
    True
    """
    if given := policy.in_integers:
        slot, setting = next(iter(given.items()))
        raise PrecisionError(
            f"{slot} in {setting} are computed by a network of integers: use method integer, or "
            "precision.deploy.integer"
        )
    source = flat(model)
    found, graph = sites(source, policy), Graph(source)

    def wrap(layer: Any) -> Any:
        copy = copied(layer, graph.calls(layer))
        settings = {
            s: v.to_json() for s, v in found.get(address(layer), {}).items() if s != "optimizer_state"
        }
        if not settings:
            return copy
        return Quantized(
            copy,
            settings,
            asdict(backward),
            channels={
                "activations": _channels(graph.outputs(layer)),
                "inputs": _channels(graph.images(layer)),
            },
            hands_on=rounds_output(graph, layer, policy.exempt),
            switchable=switchable,
        )

    def call(layer: Any, images: set[int], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if isinstance(layer, Quantized):
            return layer.in_graph(images, positional, named)
        return layer(*positional, **named)

    quantised = cloned(source, wrap, call)
    assign(quantised, source, policy, seed, observed=observed)
    return quantised


def _channels(tensors: list[Any]) -> int:
    """Return the last size that tensors have in common; 1 where they differ."""
    sizes = {tensor.shape[-1] if len(tensor.shape) else 1 for tensor in tensors}
    size = sizes.pop() if len(sizes) == 1 else None
    return 1 if size is None else int(size)


def assign(
    quantised: Any, source: Any, policy: Policy, seed: int = 0, *, observed: Observed | None = None
) -> None:
    """Give a model made by :func:`apply` another policy of the same structure, without a new trace.

    Args:
        quantised: the model to change.
        source: the unquantised model with the weights to take over.
        observed: as of :func:`apply`.

    >>> import architectures
    >>> from precision.quantization import apply, assign, parse_policy
    >>> model = architectures.build("mlp", width=0.25)
    >>> quantised = apply(model, parse_policy("fixed(8,6)"))
    >>> assign(quantised, model, parse_policy("fixed(4,3)"))  # no new trace, no new compilation
    """
    source = flat(source)
    found = sites(source, policy)
    copy_weights(source, quantised)
    for layer in wrapped(quantised):
        settings = found[address(layer)]
        for site, quantizer in layer.quantizers.items():
            slot = layer.slot_of(site)
            setting = settings.get(slot)
            gradient = None if slot == "inputs" else settings.get("gradients")
            low, high = _range(layer, site, quantizer.scale, setting, observed or {})
            quantizer.assign(setting, gradient, low, high)
        layer.settings = {slot: s for slot, s in settings.items() if slot != "optimizer_state"}
    _seed(quantised, seed)


def _range(
    layer: Quantized, site: str, scale: Scale | None, setting: Setting | None, observed: Observed
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return the range of each channel that a scale is for; none where it needs none."""
    slot = layer.slot_of(site)
    if setting is None or not setting.scaled or scale is None:
        return None, None
    if (address(layer), slot) in observed:
        return chosen_range(setting, observed[address(layer), slot])
    if not scale.needs_range:
        return None, None
    location = f"the {slot} of layer {address(layer)!r}"
    if slot in VARIABLES:
        variable = layer.variable_of(site)
        return weight_range(setting, variable.numpy(), channel_axis(layer.layer, variable), location)
    raise PrecisionError(
        f"{location} have a scale that must be calibrated: pass observed=..., see quantization.calibration"
    )


def _seed(quantised: Any, seed: int) -> None:
    """Start the noise of every site from the seed and the place of the site."""
    for index, layer in enumerate(wrapped(quantised)):
        layer.seed(seed, index)


def copy_weights(source: Any, target: Any) -> None:
    """Copy the weights between two models of one architecture, wrapped or not."""
    for a, b in zip(source.layers, target.layers, strict=True):
        take(unwrapped(b), unwrapped(a).get_weights())


def wrapped(model: Any) -> list[Quantized]:
    """Return the layers of a model that round something, in its order."""
    return [layer for layer in model.layers if isinstance(layer, Quantized)]
