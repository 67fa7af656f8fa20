"""Where activations are rounded.

The rule: a tensor is rounded when one compute step hands it to the next. A weighted layer and the batch
normalisation, activation function and max-pooling that follow it are one step, as they are in hardware: what
passes between them is as wide as the accumulator. So a convolution whose result goes only to such layers
is not rounded, and the last of the chain is. (Rounding to nearest and taking a maximum commute, so rounding
after the pooling gives the same numbers as before it, with a quarter of the work.) Layers that merely move
or select values (flatten, dropout, padding) hand on what was rounded before. Everything else that computes
(additions, averages, response normalisation) is rounded at its output.
"""

from __future__ import annotations

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


def rounds_output(layer: Any) -> bool:
    """Return whether the output of a layer of a functional model is rounded as an activation."""
    if type(layer).__name__ in MOVING:
        return False
    consumers = [node.operation for node in layer._outbound_nodes]
    return not consumers or not all(type(c).__name__ in FOLLOWING for c in consumers)


def reads_input(layer: Any) -> bool:
    """Return whether a layer of a functional model reads the images themselves."""
    return any(
        type(parent.operation).__name__ == "InputLayer"
        for node in layer._inbound_nodes
        for parent in node.parent_nodes
    )


def contraction_axis(layer: Any, variable: Any) -> int:
    """Return the axis of a variable along which values that share a scale lie.

    The hardware of shared scales multiplies two blocks and sums within them, so a block runs along the axis
    that the layer sums over. Of dense kernels (inputs, outputs) and convolution kernels (height, width,
    inputs, outputs) that is the last but one. A depthwise kernel (height, width, channels, multiplier) sums
    over its window alone, and a block is one row of it. A table of embeddings, a bias and whatever else has
    no sum keeps its rows together.
    """
    if len(variable.shape) < 2 or type(layer).__name__ == "Embedding":
        return -1
    depthwise = "depthwise" in variable.name or type(layer).__name__.startswith("DepthwiseConv")
    return -3 if depthwise and len(variable.shape) > 2 else -2
