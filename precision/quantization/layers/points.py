"""Where activations are rounded.

The rule: a tensor is rounded when one compute step hands it to the next. A weighted layer and the batch
normalisation, activation function and max-pooling that follow it are one step, as they are in hardware: what
passes between them is as wide as the accumulator. So a convolution whose result goes only to such layers
is not rounded, and the last of the chain is. (Rounding to nearest and taking a maximum commute, so rounding
after the pooling gives the same numbers as before it, with a quarter of the work.) Layers that merely move
or select values (flatten, dropout, padding) compute nothing: their values are rounded where they are made
or read. Everything else that computes (additions, averages, response normalisation) is rounded at its output,
and so is what the network returns, even if a layer behind it is one step with it. Operations between layers
follow the same rule: ``x + y`` is an addition, ``keras.ops.relu(x)`` an activation function. Indices and
masks are no numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras

from precision.quantization.layers.entered import symbolic
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import Call, Graph, all_calls, is_float, parts, producer
from precision.quantization.layers.kept import values_beside
from precision.quantization.layers.operation import OperationLayer, kind


def _in_every_dimension(*names: str) -> set[str]:
    return {f"{name}{dimensions}D" for name in names for dimensions in (1, 2, 3)}


_MOVING = (
    {"InputLayer", "Flatten", "Reshape", "Permute", "Dropout", "ActivityRegularization"}
    | {"Masking", "Concatenate", "RepeatVector", "Identity"}
    | _in_every_dimension("ZeroPadding", "Cropping", "SpatialDropout")
    | {"UpSampling1D", "UpSampling3D"}
    # operations
    | {
        "BroadcastTo",
        "ConvertToTensor",
        "Copy",
        "ExpandDims",
        "Flip",
        "GetItem",
        "Moveaxis",
        "Ravel",
        "Repeat",
        "Roll",
        "Rot90",
    }
    | {"Slice", "Split", "Squeeze", "Stack", "StopGradient", "Swapaxes", "Take", "TakeAlongAxis", "Tile"}
    | {"Transpose", "Unstack"}
)
FOLLOWING = frozenset(
    {"BatchNormalization", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"}
    | _in_every_dimension("MaxPooling", "GlobalMaxPooling")
    # operations
    | {"Celu", "Elu", "Gelu", "HardShrink", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "LogSigmoid"}
    | {"LogSoftmax", "MaxPool", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "SoftShrink", "Softplus"}
    | {
        "Softsign",
        "SparsePlus",
        "SparseSigmoid",
        "Sparsemax",
        "Squareplus",
        "Tanh",
        "TanhShrink",
        "Threshold",
    }
)
_INDEXING = frozenset(["CategoryEncoding", "IntegerLookup", "Hashing", "OneHot", "MultiHot"])
# What is done to indices on their way to a table; a product is one of numbers.
_ON_INDICES = frozenset(
    {"Add", "Subtract", "Mod", "FloorDivide", "Clip", "Minimum", "Maximum", "Where", "Cast"}
    | {"Floor", "Ceil", "Round", "Trunc", "Absolute"}
)
POOLING_EXEMPT = "pooling is exempt"
ADDITIONS = frozenset(["Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply", "Dot"])


def role(layer: Any) -> str:
    """Return the class of a layer or operation of Keras; nothing of another's class, whatever its name."""
    keras_own = isinstance(layer, OperationLayer) or type(layer).__module__.startswith("keras.")
    return kind(layer) if keras_own else ""


def moves(layer: Any, calls: Sequence[Call] = ()) -> bool:
    """Return whether a layer merely moves or selects values that it reads.

    Args:
        calls: of the layer; an array that stands in one beside the tensors no one has rounded.
    """
    if values_beside(layer, calls):
        return False
    name = role(layer)
    return name in _MOVING or (name == "UpSampling2D" and layer.interpolation == "nearest")


def rounds_output(graph: Graph, layer: Any, exempt: Collection[str] = ()) -> bool:
    """Return whether the output of a layer of a flat network is rounded as an activation.

    Args:
        graph: of the network.
        exempt: ``additions``: an addition is one step with the layers whose results it sums, which are then
            not rounded on their own. ``pooling``: averages are not rounded.
    """
    return not unrounded(graph, layer, exempt)


def unrounded(graph: Graph, layer: Any, exempt: Collection[str] = ()) -> str:
    """Return why the output of a layer is not rounded; empty when it is."""
    if moves(layer, graph.calls(layer)):
        return "computes nothing; its values are rounded elsewhere"
    outputs = graph.outputs(layer)
    if outputs and not any(is_float(tensor) for tensor in outputs):
        return "returns no numbers but indices or a mask"
    if _on_the_way(graph, layer) and _from_images(graph, layer):
        return "returns indices, which are no numbers"
    if "pooling" in exempt and "AveragePool" in role(layer):  # a maximum selects, and ends a step
        return POOLING_EXEMPT
    consumers = graph.consumers(layer)
    following = FOLLOWING | ADDITIONS if "additions" in exempt else FOLLOWING
    if consumers and not graph.returns(layer) and all(role(c) in following for c in consumers):
        return f"one step with {address(consumers[0])}"
    return ""


INTEGERS = "reads integers, which stay as they are"
INDICES = "reads indices, which are no numbers"


def unread(graph: Graph, layer: Any) -> str:
    """Return why what a layer reads is not rounded as images; empty when it is."""
    if not graph.reads_images(layer):
        if any(isinstance(source, keras.layers.InputLayer) for source in graph.producers(layer)):
            return INTEGERS
        return "does not read the images"
    return INDICES if _looks_up(graph, layer) else ""


def _looks_up(graph: Graph, layer: Any) -> bool:
    """Return whether a layer takes what it reads for indices, or hands it only to layers that do.

    A layer that hands it to a table inside is one of them, such as one that adds embeddings of tokens and of
    places, and so is a step that makes integers of floating-point numbers.
    """
    if _is_table(graph, layer):
        return True
    if role(layer) == "Cast":
        return all("int" in tensor.dtype for tensor in graph.outputs(layer))
    consumers = graph.consumers(layer)
    if moves(layer, graph.calls(layer)):
        return bool(consumers) and not graph.returns(layer) and all(_looks_up(graph, c) for c in consumers)
    return _on_the_way(graph, layer)


def _is_table(graph: Graph, layer: Any) -> bool:
    if role(layer) in _INDEXING or isinstance(layer, keras.layers.Embedding):
        return True
    tables = any(isinstance(part, keras.layers.Embedding) for part in parts(layer))
    return tables and any(_looks_up_inside(call) for call in graph.calls(layer))


def _on_the_way(graph: Graph, layer: Any) -> bool:
    """Return whether what a layer returns goes to tables alone, and is what it reads, or another index."""
    if graph.returns(layer) or not _keeps_indices(graph, layer):
        return False
    consumers = graph.consumers(layer)
    return bool(consumers) and all(_is_table(graph, c) or _on_the_way(graph, c) for c in consumers)


def _keeps_indices(graph: Graph, layer: Any) -> bool:
    calls = graph.calls(layer)
    if role(layer) in _ON_INDICES or moves(layer, calls):
        return True
    if role(layer) not in ("", "Lambda") or layer.variables:
        return False
    graphs = [symbolic(call) for call in calls]
    return None not in graphs and all(
        role(call.layer) in _ON_INDICES or moves(call.layer)
        for inside in graphs
        for call in all_calls(inside)
    )


def _from_images(graph: Graph, layer: Any) -> bool:
    """Return whether what a layer reads was indices from the beginning."""
    return all(
        isinstance(p, keras.layers.InputLayer) or (_keeps_indices(graph, p) and _from_images(graph, p))
        for p in graph.producers(layer)
    )


def _looks_up_inside(call: Call) -> bool:
    """Return whether a layer hands what it reads to a table inside; so too where that cannot be told."""
    inside = symbolic(call)
    if inside is None:
        return True
    graph = Graph(inside)
    begin = [producer(tensor).layer for tensor in inside.inputs]
    return any(_looks_up(graph, consumer) for layer in begin for consumer in graph.consumers(layer))
