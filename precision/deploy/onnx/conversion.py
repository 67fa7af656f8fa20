"""From a Keras model, quantised or not, to a graph of ONNX that rounds where the model rounds."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from precision.deploy.onnx import qdq, qonnx
from precision.deploy.onnx.context import Context, Dialect
from precision.deploy.onnx.elements import element_of, is_lattice
from precision.deploy.onnx.file import IMAGES, LOGITS, OnnxFile, assembled
from precision.deploy.onnx.functions import OPERATIONS, layer_function
from precision.deploy.onnx.linear import LINEAR, linear
from precision.deploy.onnx.moving import aligned, moved, normalised, rescaled
from precision.deploy.onnx.pooling import LARGEST, POOLS, pooled
from precision.deploy.onnx.refusals import check_installed, check_layer, unknown
from precision.deploy.onnx.writer import USUAL, WIDE, Tensor
from precision.errors import PrecisionError, shown, suggest
from precision.quantization.layers.arguments import constants
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Call, all_calls, ends, is_float, is_image
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.points import moves, role
from precision.quantization.layers.variables import VARIABLES
from precision.quantization.model import wrapped
from precision.quantization.policy.policy import Policy
from precision.quantization.wrapper import Quantized, unwrapped

DIALECTS: dict[str, Dialect] = {module.NAME: module for module in (qdq, qonnx)}
SAME = ("Dropout", "ActivityRegularization", "Identity", "StopGradient", "Copy", "GaussianNoise")
SAME_OF_IMAGES = tuple(f"SpatialDropout{n}D" for n in (1, 2, 3))
MERGES = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min"}
FUNCTIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", *OPERATIONS)


def onnx_file(
    model: Any, policy: Policy | None = None, *, dialect: str = "qdq", int32_biases: bool = False
) -> OnnxFile:
    """Return the graph of ONNX that a Keras model stands for.

    It takes images, float32 (N, H, W, C) as Keras has them, and gives logits. Weights are stored as codes
    with the scales that calibration or training chose, activations are rounded where the policy rounds them.

    Args:
        model: as :func:`precision.quantization.apply` made it, or trained on; or without any rounding.
        policy: that is noted in the file.
        dialect: ``qdq`` for QuantizeLinear and DequantizeLinear; ``qonnx`` for Quant nodes, which have any
            number of bits.
        int32_biases: biases as integers in the units of the sums, as integer kernels want them, wherever a
            layer multiplies integers of at most 8 bits; otherwise they are what the policy makes of them.

    Raises:
        PrecisionError: naming the layer or the format that cannot be written, and what can.

    >>> import architectures
    >>> from precision.deploy.onnx.conversion import onnx_file
    >>> from precision.quantization import apply, parse_policy
    >>> file = onnx_file(apply(architectures.build("mlp", width=0.25), parse_policy("fixed(8,5)")))
    >>> [point.name for point in file.points]
    ['flatten', 'dense1', 'logits']
    """
    if dialect not in DIALECTS:
        raise PrecisionError(f"unknown dialect {shown(dialect)}; {suggest(dialect, DIALECTS)}")
    if int32_biases and dialect != qdq.NAME:
        raise PrecisionError("integer biases are written in the dialect qdq alone; leave one of the two out")
    check_installed()
    model = flat(model)
    begin, end = (keras.tree.flatten(part) for part in ends(model))
    if len(begin) != 1 or len(end) != 1 or not is_float(begin[0]):
        raise PrecisionError(
            "a network that is written to ONNX takes images or vectors of numbers and gives one tensor, but "
            f"this one has {len(begin)} inputs and {len(end)} outputs"
        )
    context = Context(DIALECTS[dialect], _version(model), int32_biases)
    for name in (IMAGES, LOGITS):
        context.writer.free(name)
    tensors = {id(begin[0]): Tensor(IMAGES, len(begin[0].shape))}
    for call in all_calls(model):
        tensors[id(call.outputs[0])] = _written(context, call, tensors)
    last = context.last(tensors[id(end[0])])
    return assembled(context, policy or Policy(), dialect, begin[0], end[0], last)


def _version(model: Any) -> int:
    """Return the version of the operators that a model needs."""
    elements = [
        element_of(
            quantizer.scale.setting,
            f"the {(slot := wrapper.slot_of(site))} of layer {address(wrapper)!r}",
            stored=slot in VARIABLES,
        )
        for wrapper in wrapped(model)
        for site, quantizer in wrapper.quantizers.items()
        if quantizer.scale is not None
    ]
    return WIDE if any(element.wide for element in elements) else USUAL


def _written(context: Context, call: Call, tensors: dict[int, Tensor]) -> Tensor:
    """Write one call, with the rounding before and behind it."""
    wrapper, layer = call.layer, unwrapped(call.layer)
    quantizers = wrapper.quantizers if isinstance(wrapper, Quantized) else {}
    check_layer(layer)
    if len(call.outputs) != 1:
        raise unknown(layer, "it returns several tensors")
    reads = []
    for tensor in call.inputs:
        x = tensors[id(tensor)]
        if "inputs" in quantizers and quantizers["inputs"].scale is not None and is_image(tensor):
            if type(layer) in LINEAR and type(layer) is not keras.layers.Dense:
                x = context.second(
                    x
                )  # before it is rounded, so that nothing stands between that and the sums
            x = context.rounded(layer, x, quantizers["inputs"], tensor, images=True)
        reads.append(x)
    rounds = quantizers.get("activations")
    if rounds is None or rounds.scale is None:
        return _computed(context, call, layer, reads)
    largest = role(layer).rstrip("123D") in LARGEST and is_lattice(rounds.scale.setting)
    if largest and reads[0].name not in context.written:
        # Rounding keeps the order of numbers: codes pool alike, and runtimes fuse a rounding with the sums.
        x = context.second(reads[0])
        reads = [context.rounded(layer, x, rounds, call.outputs[0], images=False)]
        return context.pooled(_computed(context, call, layer, reads))
    y = _computed(context, call, layer, reads)
    return context.rounded(layer, y, rounds, call.outputs[0], images=False)


def _computed(context: Context, call: Call, layer: Any, reads: list[Tensor]) -> Tensor:
    name = role(layer)
    x, spatial = reads[0], tuple(call.inputs[0].shape[1:-1])
    if type(layer) in LINEAR:
        return linear(context, call.layer, x, spatial)
    if name in SAME or name in SAME_OF_IMAGES:
        return x
    if len(reads) == 1 and _only_moves(layer):
        return moved(context, layer, x, call)
    if name == "BatchNormalization":
        return _normalised(context, call.layer, x)
    if name in FUNCTIONS:
        function = layer_function(layer)
        return x if function is None else _keeping(context, layer, x, function)
    if name.rstrip("123D") in POOLS:
        return pooled(context, layer, x, spatial)
    if name in MERGES or name == "Concatenate":
        return _merged(context, call, layer, reads)
    if name == "Rescaling":
        return rescaled(context, layer, x)
    if name == "Normalization":
        return normalised(context, layer, x)
    if not name:
        raise unknown(layer, "what a class of one's own computes is not known; take layers of Keras")
    raise unknown(layer, f"{name} is not one of the layers that are written")


def _only_moves(layer: Any) -> bool:
    """Return whether a layer with one input puts its values elsewhere and does nothing else with them."""
    other = ("Concatenate", "Masking")  # which compares
    return getattr(layer, "only_moves", False) or (moves(layer) and role(layer) not in other)


def _keeping(context: Context, layer: Any, x: Tensor, function: Any) -> Tensor:
    y: Tensor = function(context.writer, x, f"{address(layer)}/{kind(layer).lower()}")
    rectifies = kind(layer) in ("ReLU", "Relu") and context.writer.nodes[-1].op_type == "Relu"
    return context.keeps(x, y) if rectifies else y


def _normalised(context: Context, wrapper: Any, x: Tensor) -> Tensor:
    """Write a batch normalisation that was not folded, with its moving statistics."""
    layer = unwrapped(wrapper)
    if layer.axis not in (-1, x.rank - 1):
        raise unknown(layer, "it normalises along another axis than the last")
    x = context.second(x)
    channels, label = int(layer.moving_mean.shape[0]), address(layer)
    reads = [
        context.variable(wrapper, name)
        if getattr(layer, name, None) is not None
        else context.writer.constant(f"{label}/{name}", np.full(channels, default, np.float32))
        for name, default in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1))
    ]
    name = context.writer.node(
        "BatchNormalization", [x.name, *reads], f"{label}/normalised", epsilon=float(layer.epsilon)
    )
    return x.named(name)


def _merged(context: Context, call: Call, layer: Any, reads: list[Tensor]) -> Tensor:
    beside = layer.arguments if isinstance(layer, OperationLayer) else call.options.get("arguments")
    if constants(call.arguments) or (beside is not None and beside.constants):
        raise unknown(layer, "it reads a constant, which no policy rounds")
    reads = aligned(context, layer, reads)
    label = address(layer)
    if role(layer) == "Concatenate":
        axis = layer.computes.axis if isinstance(layer, OperationLayer) else layer.axis
        joined = context.writer.node(
            "Concat", [x.name for x in reads], f"{label}/joined", axis=reads[0].axis(axis)
        )
        return reads[0].named(joined)
    operator = MERGES[role(layer)]
    if operator in ("Max", "Min"):
        return reads[0].named(context.writer.node(operator, [x.name for x in reads], f"{label}/merged"))
    y = reads[0]
    for x in reads[1:]:
        y = y.named(context.writer.node(operator, [y.name, x.name], f"{label}/merged"))
    return y
