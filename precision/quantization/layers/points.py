"""Where activations are rounded.

The rule: a tensor is rounded when one compute step hands it to the next. A weighted layer and the batch
normalisation, activation function and max-pooling that follow it are one step, as they are in hardware: what
passes between them is as wide as the accumulator. So a convolution whose result goes only to such layers
is not rounded, and the last of the chain is. (Rounding to nearest and taking a maximum commute, so rounding
after the pooling gives the same numbers as before it, with a quarter of the work.) Layers that merely move
or select values (flatten, dropout, padding) compute nothing: their values are rounded where they are made
or read. Everything else that computes (additions, averages, response normalisation) is rounded at its output.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from precision.quantization.layers.graph import Graph


def _in_every_dimension(name: str) -> set[str]:
    return {f"{name}{dimensions}D" for dimensions in (1, 2, 3)}


MOVING = frozenset(
    {"InputLayer", "Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout2D"}
    | {"Concatenate", "RepeatVector", "Identity"}
).union(*map(_in_every_dimension, ("ZeroPadding", "Cropping")))
FOLLOWING = frozenset(
    {"BatchNormalization", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"}
).union(*map(_in_every_dimension, ("MaxPooling", "GlobalMaxPooling")))
POOLING_EXEMPT = "pooling is exempt"
ADDITIONS = frozenset(["Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply", "Dot"])


def rounds_output(graph: Graph, layer: Any, exempt: Collection[str] = ()) -> bool:
    """Return whether the output of a layer of a functional model is rounded as an activation.

    Args:
        graph: of the model.
        exempt: ``additions``: an addition is one step with the layers whose results it sums, which are then
            not rounded on their own. ``pooling``: averages are not rounded.
    """
    return not unrounded(graph, layer, exempt)


def unrounded(graph: Graph, layer: Any, exempt: Collection[str] = ()) -> str:
    """Return why the output of a layer is not rounded; empty when it is."""
    kind = type(layer).__name__
    if kind in MOVING:
        return "computes nothing; its values are rounded elsewhere"
    if "pooling" in exempt and "AveragePooling" in kind:  # a maximum selects, and ends a step
        return POOLING_EXEMPT
    consumers = graph.consumers(layer)
    following = FOLLOWING | ADDITIONS if "additions" in exempt else FOLLOWING
    if consumers and all(type(c).__name__ in following for c in consumers):
        return f"one step with {consumers[0].name}"
    return ""
