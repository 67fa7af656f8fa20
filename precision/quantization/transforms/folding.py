"""Folding of batch normalisations into the layers before them, which deployed networks do.

In inference a batch normalisation is an affine function of each channel. After a linear layer the two are
one linear layer (B. Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018, section 3.2):

    s = gamma / sqrt(variance + epsilon),    kernel' = s * kernel,    bias' = s * (bias - mean) + beta

computed in float64 and stored in float32, which is the only rounding: to half an ulp of each kernel' and
bias' (of the largest term of a bias' whose terms cancel to nearly nothing, then in float64). Where the
normalisation was, an ``Activation("linear")`` of its name stays: layers keep their names, and activations
are rounded at the same places (see ``layers.points``).

A folded network has no batch statistics any more: training it trains kernel' and bias', and regularisers and
constraints of the layer act on these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.quantization.layers.axes import LINEAR, Channels, channels
from precision.quantization.layers.copying import cloned, copied
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph, distinct, parts, producer, take
from precision.quantization.layers.operation import kind
from precision.quantization.wrapper import Quantized


@dataclass(frozen=True)
class Folded:
    """A network whose batch normalisations are folded as far as they can be.

    Attributes:
        model: functional or sequential, as its source; it shares no variable with it.
        folded: from the name of each folded normalisation to that of the layer it is now part of.
        kept: from the name of each other normalisation to the reason why it could not be folded. One inside a
            layer is called by its path, ``layer/normalisation``.
    """

    model: Any
    folded: dict[str, str]
    kept: dict[str, str]


@dataclass(frozen=True)
class _Pair:
    norm: Any
    layer: Any
    channels: Channels


def fold(model: Any) -> Folded:
    """Return a copy of a Keras model with its batch normalisations folded into the layers before them.

    A normalisation folds into a dense, einsum, convolution, depthwise, separable or transposed convolution
    layer without activation function that feeds nothing else, if it normalises the output channels of that
    layer. A pair that is called several times, always one after the other, folds too.

    Args:
        model: a functional or sequential float32 model that is built; it is not changed.

    Raises:
        PrecisionError: when the model is of another kind, not built, or quantised already, a layer cannot be
            copied, or a folded number is not finite.
    """
    model = flat(model)
    pairs, kept = _plan(model)
    graph = Graph(model)
    by_norm = {id(pair.norm): pair for pair in pairs}
    by_layer = {id(pair.layer): pair for pair in pairs}

    def clone(layer: Any) -> Any:
        if id(layer) in by_norm:
            return keras.layers.Activation("linear", name=layer.name, dtype=layer.dtype_policy)
        changes = by_layer[id(layer)].channels.config if id(layer) in by_layer else {}
        return copied(layer, graph.calls(layer), **changes)

    def call(layer: Any, images: set[int], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if type(layer) is keras.layers.Activation:  # knows no mask and no training, as normalisations do
            return layer(positional[0] if positional else named["inputs"])
        return layer(*positional, **named)

    copy = cloned(model, clone, call)
    _write(model, copy, pairs)
    return Folded(copy, {address(pair.norm): address(pair.layer) for pair in pairs}, kept)


def _plan(model: Any) -> tuple[list[_Pair], dict[str, str]]:
    """Return which normalisations of a model fold, and why the others do not, in the order of its layers."""
    graph = Graph(model)
    pairs, kept = [], {}
    for layer in model.layers:
        if isinstance(layer, Quantized):
            raise PrecisionError(
                f"a quantised model cannot be folded, but its layer {address(layer)!r} is quantised already; "
                "fold the float32 model, then apply the policy"
            )
        if isinstance(layer, keras.layers.BatchNormalization):
            found = _pair(graph, layer)
            if isinstance(found, str):
                kept[address(layer)] = found
            else:
                pairs.append(found)
            continue
        for inner in parts(layer)[1:]:
            if isinstance(inner, keras.layers.BatchNormalization):
                kept[f"{address(layer)}/{inner.name}"] = (
                    f"it is inside {address(layer)!r} ({type(layer).__name__})"
                )
    return pairs, kept


def _pair(graph: Graph, norm: Any) -> _Pair | str:
    """Return a normalisation with the layer that it folds into, or the reason why it does not."""
    calls = graph.calls(norm)
    parents = distinct(producer(call.inputs[0]).layer for call in calls)  # a mask may come second
    layer, children = parents[0], graph.consumers(parents[0])
    axis, rank = norm.axis, len(calls[0].inputs[0].shape)
    if type(norm) is not keras.layers.BatchNormalization:
        return f"its class {type(norm).__name__} may compute something else"
    if any(call.options.get("training") for call in calls):
        return "it is called with training=True, so it uses the statistics of each batch"
    if len(parents) > 1:
        return "it normalises the outputs of several layers: " + _names(parents)
    if type(layer) not in LINEAR:
        return f"the layer before it, {address(layer)!r}, is no linear layer with weights but {kind(layer)}"
    if layer.activation not in (None, keras.activations.linear):
        activation = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        return f"the layer before it, {address(layer)!r}, has the activation function {activation}"
    if len(children) > 1:
        more = _names(child for child in children if child is not norm)
        return f"the layer before it, {address(layer)!r}, also feeds {more}"
    if graph.returns(layer):
        return f"the layer before it, {address(layer)!r}, is an output of the network as well"
    for one in (layer, norm):
        if one.dtype_policy.name != "float32":
            return f"{address(one)!r} computes in {one.dtype_policy.name}, not float32"
    if getattr(layer, "lora_enabled", False):
        return f"the layer before it, {address(layer)!r}, has LoRA weights"
    found = channels(layer, axis % rank, rank)
    if found is None:
        return f"it normalises axis {axis}, which is not that of the channels of {address(layer)!r}"
    return _Pair(norm, layer, found)


def _names(layers: Iterable[Any]) -> str:
    return ", ".join(repr(address(layer)) for layer in layers)


def _folded_weights(pair: _Pair) -> list[np.ndarray]:
    """Return the weights of the layer of a pair with its normalisation in them, float32, the bias last."""
    norm, layer, shape = pair.norm, pair.layer, pair.channels.bias

    def exact(variable: Any, default: float) -> np.ndarray:
        return np.array(default if variable is None else variable.numpy(), np.float64)

    weights = layer.get_weights()
    bias = pair.channels.align(weights.pop() if layer.bias is not None else np.zeros(1)).astype(np.float64)
    with np.errstate(all="ignore"):  # what is not finite is refused below, with its name
        gain = exact(norm.gamma, 1) / np.sqrt(exact(norm.moving_variance, 1) + norm.epsilon)
        shift = exact(norm.beta, 0) * np.ones_like(gain)
        kernel = weights[-1].astype(np.float64) * gain.reshape(pair.channels.kernel)
        bias = (bias - exact(norm.moving_mean, 0).reshape(shape)) * gain.reshape(shape) + shift.reshape(shape)
        folded = [kernel.astype(np.float32), bias.astype(np.float32)]
    if not all(np.isfinite(values).all() for values in folded):
        least, most = np.min(norm.moving_variance.numpy()), np.max(norm.moving_variance.numpy())
        raise PrecisionError(
            f"folded weights must be finite, but those of {address(layer)!r} with {address(norm)!r} are not "
            f"(its variances lie between {least:g} and {most:g}); has the training diverged?"
        )
    return [*weights[:-1], *folded]


def _write(source: Any, target: Any, pairs: list[_Pair]) -> None:
    """Set the weights of the copy of a model to its own, those of pairs folded."""
    by_layer = {id(pair.layer): pair for pair in pairs}
    norms = {id(pair.norm) for pair in pairs}
    for layer in source.layers:
        if id(layer) in norms:
            continue
        copy = target.get_layer(layer.name)
        weights = _folded_weights(by_layer[id(layer)]) if id(layer) in by_layer else layer.get_weights()
        shapes, room = [w.shape for w in weights], [tuple(w.shape) for w in copy.weights]
        if id(layer) in by_layer:  # leading axes of length 1, of a bias that was aligned to the output
            shapes[-1] = shapes[-1][len(shapes[-1]) - len(room[-1]) :]
        if shapes != room:
            raise PrecisionError(
                f"layer {address(layer)!r} ({type(layer).__name__}) cannot be copied (its weights have the "
                f"shapes {shapes}, those of the copy {room}); its class needs a get_config() that returns "
                "all arguments of __init__()"
            )
        take(copy, [w.reshape(shape) for w, shape in zip(weights, shapes, strict=True)])
