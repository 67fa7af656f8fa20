"""What one inference of a network computes and moves, counted layer by layer.

A multiply-accumulate (MAC) is one product added to a sum. Padding counts as what it is to a plain loop: zeros
that are multiplied. So a convolution has (values it returns) x (values of one filter) MACs, as TensorFlow's
profiler counts them, and a transposed convolution (values it reads) x (values of one filter). Normalisations,
activation functions, pooling, additions and other element-by-element work have none.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from keras import layers

from precision.errors import PrecisionError
from precision.quantization.layers import axes
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Call, Graph, producer
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.points import moves, rounds_output
from precision.quantization.layers.variables import variables

_UNCOUNTED = frozenset(
    {"Einsum", "Tensordot", "Outer", "Kron", "Conv", "ConvTranspose", "DepthwiseConv", "SeparableConv"}
    | {"DotProductAttention", "Correlate"}
)
_PRODUCTS_OF_READS = (layers.Dot, layers.Attention, layers.AdditiveAttention)  # and of no weights
IMAGES = ""  # stands for a layer where the images themselves are read


@dataclass(frozen=True)
class LayerCost:
    """The counts of one layer for one image.

    What passes between a convolution or dense layer and the normalisation, activation function and
    max-pooling after it stays within one compute step (see ``layers.points``) and is not moved.

    Attributes:
        name: of the layer.
        kind: its class.
        macs: multiply-accumulates.
        weights, biases, statistics: stored values of each kind.
        reads: what it reads from memory: the layer that handed it on (``IMAGES`` for the images) and how many
            values.
        biased: values to which it adds a bias.
        outputs: values that it hands on to other compute steps; 0 within a step and in a layer that only
            moves values, such as flatten.
        second: of products of two things that it reads, such as an attention's: what it reads as the second
            factor, which ends ``reads``; empty where the second factors are weights.
        images: where it reads the images, the layer that rounds them for it: itself, or what hands them on to
            it, such as a flattening.
        counted: False where the layer multiplies by weights in a way that is not known here, so that its
            MACs are missing.
    """

    name: str
    kind: str
    macs: int
    weights: int
    biases: int
    statistics: int
    biased: int
    reads: tuple[tuple[str, int], ...]
    outputs: int
    counted: bool = True
    second: tuple[tuple[str, int], ...] = ()
    images: str = ""

    @property
    def inputs(self) -> int:
        """Values that it reads from memory."""
        return sum(values for _, values in self.reads)


def layer_costs(model: Any, exempt: Collection[str] = ()) -> list[LayerCost]:
    """Count every layer of a functional or sequential model; a layer that is called twice counts twice.

    Args:
        exempt: ``additions`` where an addition is one step with the layers whose results it sums.

    Raises:
        PrecisionError: when the model is not built or an image has no fixed size.

    >>> import architectures
    >>> from precision.measure.counted.cost import layer_costs
    >>> [(cost.name, cost.macs) for cost in layer_costs(architectures.build("mlp"))]
    [('flatten', 0), ('dense1', 100352), ('logits', 1280)]
    """
    if not model.built:
        raise PrecisionError(f"the costs of {model.name!r} need a built model; give it an input shape")
    model = flat(model)
    graph = Graph(model)
    return [_cost(graph, layer, exempt) for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def _cost(graph: Graph, layer: Any, exempt: Collection[str]) -> LayerCost:
    slots = {"weights": 0, "biases": 0}
    for variable, slot in variables(layer):
        slots[slot] += math.prod(variable.shape)
    stored = sum(math.prod(variable.shape) for variable in layer.weights)
    macs = [_macs(layer, call) for call in graph.calls(layer)]
    results = sum(size_of(tensor) for tensor in graph.outputs(layer))
    reads: list[tuple[str, int]] = []
    if not moves(layer):
        reads = [source for tensor in graph.inputs(layer) for source in _sources(graph, tensor, exempt)]
    second: list[tuple[str, int]] = []
    multiplies = any(count != 0 for count in macs)
    if multiplies and isinstance(layer, OperationLayer):
        second = [
            source
            for call in graph.calls(layer)
            for t in call.inputs[1:]
            for source in _sources(graph, t, exempt)
        ]
    return LayerCost(
        name=address(layer),
        kind=kind(layer),
        macs=sum(count for count in macs if count is not None),
        **slots,
        statistics=stored - sum(slots.values()),
        biased=results if multiplies and slots["biases"] else 0,
        reads=tuple(reads),
        outputs=results if rounds_output(graph, layer, exempt) else 0,
        counted=None not in macs,
        second=tuple(second),
        images=_reader_of_images(graph, layer) if any(name == IMAGES for name, _ in reads) else "",
    )


def _macs(layer: Any, call: Call) -> int | None:
    """Return the MACs of one call of a layer; None when it is of an unknown kind and has kernels."""
    outputs = size_of(call.outputs[0])
    if isinstance(layer, (layers.Dense, *axes.CONVOLUTIONS)):  # kernel (..., inputs of one output, outputs)
        return outputs * math.prod(layer.kernel.shape[:-1])
    if isinstance(layer, axes.TRANSPOSED):  # kernel (window, outputs, inputs)
        return size_of(call.inputs[0]) * math.prod(layer.kernel.shape[:-1])
    if isinstance(layer, axes.DEPTHWISE):  # kernel (window, channels, multiplier)
        return outputs * math.prod(layer.kernel.shape[:-2])
    if isinstance(layer, axes.SEPARABLE):
        between = outputs // layer.filters * math.prod(layer.depthwise_kernel.shape[-2:])
        window = math.prod(layer.depthwise_kernel.shape[:-2])
        return between * window + outputs * math.prod(layer.pointwise_kernel.shape[:-1])
    if isinstance(layer, layers.EinsumDense):
        return _einsum(layer, call)
    if isinstance(layer, OperationLayer):
        return _of_operation(layer, call)
    if isinstance(layer, _PRODUCTS_OF_READS):
        return None
    kernels = [variable for variable in layer.trainable_variables if len(variable.shape) > 1]
    return 0 if all(kernel.name in axes.UNSUMMED for kernel in kernels) else None


def _of_operation(layer: OperationLayer, call: Call) -> int | None:
    """Return the MACs of an operation between layers; None where it sums in a way that is not counted."""
    name = kind(layer)
    if name in ("Matmul", "Dot", "Inner", "Vdot"):
        return size_of(call.outputs[0]) * int(call.inputs[0].shape[-1])
    return None if name in _UNCOUNTED else 0


def _einsum(layer: Any, call: Call) -> int:
    """Return the product of the sizes of all letters of the equation, without the images'."""
    read, kernel, _ = axes.equation(layer)
    sizes = dict(zip(kernel, layer.kernel.shape, strict=True))
    shape = call.inputs[0].shape
    lead, _, trail = read.partition("...")
    sizes.update(zip(lead, shape, strict=False))
    sizes.update(zip(reversed(trail), reversed(shape), strict=False))
    free = shape[len(lead) : len(shape) - len(trail)] if "..." in read else ()
    return math.prod(size for size in (*sizes.values(), *free) if size is not None)


def _sources(graph: Graph, tensor: Any, exempt: Collection[str]) -> list[tuple[str, int]]:
    """Return from where the values of a tensor are read; nothing where they stay within a compute step."""
    call = producer(tensor)
    layer, size = call.layer, size_of(tensor)
    if isinstance(layer, layers.InputLayer):
        return [(IMAGES, size)]
    if not moves(layer):
        return [(address(layer), size)] if rounds_output(graph, layer, exempt) else []
    # Values that a crop left out are not read, nor zeros that padding put in.
    found = [source for parent in call.inputs for source in _sources(graph, parent, exempt)]
    return [(name, min(values, size)) for name, values in found]


def _reader_of_images(graph: Graph, layer: Any) -> str:
    """Return the layer that reads the images: a layer itself, or a moving one through which it reads them."""
    if graph.reads_images(layer):
        return address(layer)
    before = [_reader_of_images(graph, source) for source in graph.producers(layer) if moves(source)]
    return next(filter(None, before), "")


def size_of(tensor: Any) -> int:
    """Return how many values of one image a symbolic tensor holds.

    Raises:
        PrecisionError: when an image has no fixed size.
    """
    shape = tensor.shape[1:]
    if None in shape:
        raise PrecisionError(
            f"the costs of layer {address(producer(tensor).layer)!r} need images of a fixed size, but its "
            f"tensors have the shape {tensor.shape}; build the model with an input shape"
        )
    return math.prod(shape)
