"""Where activations are rounded, and along which axis weights share scales.

The rule: a tensor is rounded when one compute step hands it to the next. A weighted layer and the batch
normalisation, activation function and max-pooling that follow it are one step, as they are in hardware: what
passes between them is as wide as the accumulator. So a convolution whose result goes only to such layers
is not rounded, and the last of the chain is. (Rounding to nearest and taking a maximum commute, so rounding
after the pooling gives the same numbers as before it, with a quarter of the work.) Layers that merely move
or select values (flatten, dropout, padding) hand on what was rounded before. Everything else that computes
(additions, averages, response normalisation) is rounded at its output.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

MOVING = frozenset(
    [
        "InputLayer",
        "Flatten",
        "Reshape",
        "Permute",
        "Dropout",
        "SpatialDropout2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Concatenate",
        "RepeatVector",
        "Identity",
    ]
)
FOLLOWING = frozenset(
    [
        "BatchNormalization",
        "Activation",
        "ReLU",
        "LeakyReLU",
        "ELU",
        "PReLU",
        "Softmax",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
    ]
)
ADDITIONS = frozenset(["Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply", "Dot"])


def rounds_output(layer: Any, exempt: Collection[str] = ()) -> bool:
    """Return whether the output of a layer of a functional model is rounded as an activation.

    Args:
        exempt: ``additions``: an addition is one step with the layers whose results it sums, which are then
            not rounded on their own. ``pooling``: averages are not rounded.
    """
    return not unrounded(layer, exempt)


def unrounded(layer: Any, exempt: Collection[str] = ()) -> str:
    """Return why the output of a layer is not rounded; empty when it is."""
    kind = type(layer).__name__
    if kind in MOVING:
        return "hands on what was rounded before"
    if "pooling" in exempt and "AveragePooling" in kind:  # a maximum selects, and ends a step
        return "pooling is exempt"
    consumers = [node.operation for node in layer._outbound_nodes]
    following = FOLLOWING | ADDITIONS if "additions" in exempt else FOLLOWING
    if consumers and all(type(c).__name__ in following for c in consumers):
        return f"one step with {consumers[0].name}"
    return ""


def reads_input(layer: Any) -> bool:
    """Return whether a layer of a functional model reads the images themselves."""
    return any(
        type(parent.operation).__name__ == "InputLayer"
        for node in layer._inbound_nodes
        for parent in node.parent_nodes
    )


# By the names that Keras gives its variables: what is added, looked up or multiplied element by element.
UNSUMMED = ("bias", "beta", "gamma", "scale", "alpha", "embeddings")


def contraction_axis(layer: Any, variable: Any) -> int:
    """Return the axis, counted from the end, of a layer's variable along which values that share a scale lie.

    The hardware of shared scales multiplies two blocks and sums within them, so a block runs along the axis
    that the layer sums over. Of dense kernels (inputs, outputs) and convolution kernels (height, width,
    inputs, outputs) that is the last but one, of transposed convolutions (height, width, outputs, inputs) the
    last, and the equation of an einsum names it. A depthwise kernel (height, width, channels, multiplier)
    sums over its window alone, and a block is a row of the window. Biases, tables of embeddings and whatever
    else is not summed over keep their rows together.
    """
    owner = _owner(layer, variable)
    kinds = {kind.__name__ for kind in type(owner).__mro__}
    name, rank = variable.name.rsplit("/")[-1], len(variable.shape)
    if rank < 2 or name in UNSUMMED or "BaseConvTranspose" in kinds:
        return -1
    if "EinsumDense" in kinds:
        read, rest = owner.equation.replace(" ", "").split(",")
        kernel, written = rest.split("->")
        summed = [i for i, letter in enumerate(kernel) if letter in read and letter not in written]
        return summed[-1] - len(kernel) if summed else -1
    depthwise = name == "depthwise_kernel" or "BaseDepthwiseConv" in kinds
    return -3 if depthwise and rank > 2 else -2


def channel_axis(layer: Any, variable: Any) -> int:
    """Return the axis, counted from the end, of a layer's variable along which its output channels lie.

    It is the last one of dense and convolution kernels, the last but one of transposed convolutions (height,
    width, outputs, inputs) and of depthwise kernels (height, width, channels, multiplier).
    """
    owner = _owner(layer, variable)
    kinds = {kind.__name__ for kind in type(owner).__mro__}
    if len(variable.shape) < 2:
        return -1
    depthwise = variable.name.rsplit("/")[-1] == "depthwise_kernel" or "BaseDepthwiseConv" in kinds
    return -2 if depthwise or "BaseConvTranspose" in kinds else -1


def _owner(layer: Any, variable: Any) -> Any:
    """Return the layer that made a variable: ``layer`` or one inside it, for example of an attention."""
    for inner in layer._flatten_layers():
        if any(v is variable for v in (*inner._trainable_variables, *inner._non_trainable_variables)):
            return inner
    return layer
