"""Cross-layer equalisation: channels between consecutive layers are scaled so that weights share a range.

M. Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv:1906.04721), section 4.1. Where f(s x) = s f(x) for every s > 0 lies between two linear layers, channel
i of the first may be divided by s_i and the second multiplied by it:

    kernel1'_i = kernel1_i / s_i,    bias1'_i = bias1_i / s_i,    kernel2'_i = kernel2_i * s_i

and with s_i = sqrt(r1_i / r2_i) the ranges r1_i and r2_i (largest magnitudes of the kernels in that channel)
become sqrt(r1_i * r2_i), both (equation 11). Layers in a row are scaled pair after pair until nothing moves.
A channel without weights on either side stays as it is. Numbers are computed in float64 and stored in
float32, so that the network computes the same to the rounding of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import activations, layers

from precision.errors import PrecisionError
from precision.formats.engine.program import Axis
from precision.quantization.layers.axes import CONVOLUTIONS, DEPTHWISE, TRANSPOSED, channel_axis
from precision.quantization.layers.channels import others, shape_along
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import Graph, distinct, take
from precision.quantization.layers.operation import kind

SWEEPS = 100  # over all pairs at most; a row of n layers takes about n
STILL = 1e-6  # relative change of a scale that is none

LAYERS = frozenset((*CONVOLUTIONS, *DEPTHWISE, *TRANSPOSED, layers.Dense))
# f(s x) = s f(x) channel by channel, in training too. Exactly these: a class derived from one may differ.
ALIKE = frozenset(
    (
        layers.Dropout,
        layers.Identity,
        *(getattr(layers, f"{what}{n}D") for n in "123" for what in ("MaxPooling", "AveragePooling")),
        *(getattr(layers, f"Global{what}Pooling{n}D") for n in "123" for what in ("Max", "Average")),
        *(
            getattr(layers, f"{what}{n}D")
            for n in "123"
            for what in ("ZeroPadding", "Cropping", "UpSampling")
        ),
        *(getattr(layers, f"SpatialDropout{n}D") for n in "123"),
    )
)
FUNCTIONS = (activations.linear, activations.relu, activations.leaky_relu)


@dataclass(frozen=True)
class Pair:
    """Two layers whose channels can be scaled against each other.

    Attributes:
        first: writes the channels.
        second: reads them, each ``repeats`` times: one after the other, then again from the first.
    """

    first: Any
    second: Any
    repeats: int = 1


def equalized(model: Any) -> Any:
    """Return a flat float32 model, changed in place, whose consecutive layers have channels of equal ranges.

    Pairs are dense, convolution, depthwise and transposed convolution layers with nothing but ReLU, leaky
    ReLU, pooling, padding, dropout and flattening between them.

    Raises:
        PrecisionError: when the model has no such pair, with what stands in the way.
    """
    pairs = pairs_of(model)
    scaled = distinct(layer for pair in pairs for layer in (pair.first, pair.second))
    weights = {id(layer): [w.astype(np.float64) for w in layer.get_weights()] for layer in scaled}
    for _ in range(SWEEPS):
        moved = [_scale(pair, weights[id(pair.first)], weights[id(pair.second)]) for pair in pairs]
        if max(moved) <= STILL:
            break
    for layer in scaled:
        take(layer, [w.astype(np.float32) for w in weights[id(layer)]])
    return model


def _scale(pair: Pair, first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """Scale the channels of a pair in its weights, kernel first; return how far that moved them."""
    written = channel_axis(pair.first, pair.first.kernel)
    read = -1 if isinstance(pair.second, TRANSPOSED) else -2
    here, there = _ranges(first[0], written), _ranges(second[0], read).reshape(pair.repeats, -1).max(0)
    alive = (here > 0) & (there > 0)
    scales = np.sqrt(np.where(alive, here, 1) / np.where(alive, there, 1))
    first[0] /= scales.reshape(shape_along(written, first[0].shape))
    for bias in first[1:]:
        bias /= scales
    second[0] *= np.tile(scales, pair.repeats).reshape(shape_along(read, second[0].shape))
    return float(np.abs(scales - 1).max())


def _ranges(kernel: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the largest magnitude of each channel along axes of a kernel, one after the other."""
    found: np.ndarray = np.abs(kernel).max(axis=tuple(others(axis, kernel.ndim))).ravel()
    return found


def pairs_of(model: Any) -> list[Pair]:
    """Return the pairs of a flat model, in the order of its layers.

    Raises:
        PrecisionError: when it has none.
    """
    graph = Graph(model)
    found = [_pair(graph, layer) for layer in model.layers if type(layer) in LAYERS]
    pairs = [one for one in found if isinstance(one, Pair)]
    if not pairs:
        reason = next((one for one in found if isinstance(one, str)), "it has no dense or convolution layer")
        raise PrecisionError(
            "equalize scales channels between two layers with only ReLU, pooling, padding, dropout or "
            f"flattening between them, but the network has no such two ({reason}); leave it out of "
            "'transforms'"
        )
    return pairs


def _pair(graph: Graph, first: Any) -> Pair | str:
    """Return the pair that a layer begins, or the reason why it begins none."""
    layer, repeats = first, 1
    if reason := _unfit(first) or _bends(first):
        return f"{address(first)!r} {reason}"
    while True:
        children = graph.consumers(layer)
        if graph.returns(layer) or len(children) != 1 or len(graph.calls(layer)) != 1:
            return f"what {address(layer)!r} returns is read by {len(children)} layers, or it is an output"
        layer = children[0]
        tensors = graph.inputs(layer)
        if len(tensors) != 1:
            return f"{address(first)!r} leads to {address(layer)!r}, which reads {len(tensors)} tensors"
        if type(layer) in LAYERS:
            reason = _unfit(layer) or ("is called several times" if len(graph.calls(layer)) != 1 else "")
            return f"{address(layer)!r} {reason}" if reason else Pair(first, layer, repeats)
        if type(layer) is layers.Flatten and _last(layer):
            repeats *= int(np.prod(tensors[0].shape[1:-1]))
        elif not _scales(layer):
            hint = "; 'fold_batch_norm: true' comes first" if _is_norm(layer) else ""
            return f"{address(first)!r} leads to {address(layer)!r}, which is {kind(layer)}{hint}"


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization)


def _last(layer: Any) -> bool:
    return getattr(layer, "data_format", None) in (None, "channels_last")


def _unfit(layer: Any) -> str:
    """Return why the weights of a layer cannot be scaled by channel; an empty text if they can."""
    if not _last(layer):
        return "has its channels first"
    if getattr(layer, "groups", 1) != 1:
        return "is a convolution in groups"
    if layer.dtype_policy.name != "float32" or getattr(layer, "lora_enabled", False):
        return "has other weights than one float32 kernel"
    return ""


def _bends(layer: Any) -> str:
    """Return why what a layer returns does not scale as its weights do; an empty text if it does."""
    function = getattr(layer, "activation", activations.linear)
    if function in FUNCTIONS:
        return ""
    return f"has the activation function {getattr(function, '__name__', type(function).__name__)}"


def _scales(layer: Any) -> bool:
    """Return whether f(s x) = s f(x) for a layer without weights, channel by channel."""
    if type(layer) is layers.ReLU:
        return layer.max_value is None and not layer.threshold
    if type(layer) is layers.Activation:
        return layer.activation in FUNCTIONS
    if type(layer) in (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D):
        return _last(layer) and getattr(layer, "interpolation", "nearest") in ("nearest", "bilinear")
    return type(layer) is layers.LeakyReLU or (type(layer) in ALIKE and _last(layer))
