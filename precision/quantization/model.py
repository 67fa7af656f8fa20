"""Apply a policy to a Keras model, and change the policy of a model that is already traced."""

from __future__ import annotations

from typing import Any

import keras

from precision.errors import PrecisionError
from precision.formats import NumberFormat
from precision.quantization.points import reads_input, rounds_output
from precision.quantization.policy import Policy
from precision.quantization.quantizer import kind
from precision.quantization.wrapper import Quantized

Sites = dict[str, dict[str, NumberFormat]]


def sites(model: Any, policy: Policy) -> Sites:
    """Return, for every layer of a model that rounds anything, the format of each of its slots.

    Raises:
        PrecisionError: when the policy names a layer that the model lacks, or the model is not functional.
    """
    if not isinstance(model, keras.Sequential | keras.src.models.Functional):
        raise PrecisionError(
            f"a policy applies to functional and sequential Keras models, but got {type(model).__name__}"
        )
    policy.check_layers(layer.name for layer in model.layers)
    found: Sites = {}
    for layer in model.layers:
        slots = policy.for_layer(layer.name)
        wanted = {
            "weights": slots.weights if layer.trainable_variables else None,
            "biases": slots.biases if layer.trainable_variables else None,
            "activations": slots.activations if rounds_output(layer) else None,
            "inputs": slots.inputs if reads_input(layer) else None,
        }
        formats = {slot: f for slot, f in wanted.items() if f is not None}
        if formats:
            found[layer.name] = formats
    return found


def structure(model: Any, policy: Policy) -> tuple[Any, ...]:
    """Return what two policies must share so that one traced model serves both.

    These are the sites, and at each of them how its format is computed.
    """
    return tuple(
        (name, tuple((slot, kind(f, policy.rounding)) for slot, f in formats.items()))
        for name, formats in sites(model, policy).items()
    )


def apply(model: Any, policy: Policy, seed: int = 0) -> Any:
    """Return a copy of a Keras model, weights included, that computes under a policy.

    Layers keep their names; a layer that rounds something sits in a ``Quantized`` of the same name.

    Args:
        model: a functional or sequential model; it is not changed.
        seed: of stochastic rounding.
    """
    found = sites(model, policy)

    def wrap(layer: Any) -> Any:
        copy = layer.__class__.from_config(layer.get_config())
        if layer.name not in found:
            return copy
        return Quantized(copy, {slot: f.name for slot, f in found[layer.name].items()}, policy.rounding)

    quantised = keras.models.clone_model(model, clone_function=wrap)
    copy_weights(model, quantised)
    _seed(quantised, seed)
    return quantised


def assign(quantised: Any, source: Any, policy: Policy, seed: int = 0) -> None:
    """Give a model made by :func:`apply` another policy of the same structure, without a new trace.

    Args:
        quantised: the model to change.
        source: the unquantised model with the weights to take over.
    """
    found = sites(source, policy)
    copy_weights(source, quantised)
    for layer in _wrapped(quantised):
        layer.assign(found[layer.name])
    _seed(quantised, seed)


def _seed(quantised: Any, seed: int) -> None:
    """Start the noise of every site from the seed and the place of the site."""
    for index, layer in enumerate(_wrapped(quantised)):
        for number, quantizer in enumerate(layer.quantizers.values()):
            quantizer.seed(seed, index, number)


def copy_weights(source: Any, target: Any) -> None:
    """Copy the weights between two models of one architecture, wrapped or not."""
    for a, b in zip(source.layers, target.layers, strict=True):
        _inner(b).set_weights(_inner(a).get_weights())


def _inner(layer: Any) -> Any:
    return layer.layer if isinstance(layer, Quantized) else layer


def _wrapped(model: Any) -> list[Quantized]:
    return [layer for layer in model.layers if isinstance(layer, Quantized)]
