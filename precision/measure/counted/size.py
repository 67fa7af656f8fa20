"""How large a network is, in what decides how long it takes to train and to run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from keras import layers

from precision.measure.counted.cost import layer_costs
from precision.quantization.layers.flat import flat
from precision.quantization.layers.graph import Graph


@dataclass(frozen=True)
class NetworkSize:
    """Counts of one network.

    Attributes:
        macs: multiply-accumulates of one image (see ``counted.cost``).
        values: that its layers hand on for one image.
        parameters: that are trained.
        layers: calls of layers.
    """

    macs: int
    values: int
    parameters: int
    layers: int


def network_size(model: Any) -> NetworkSize:
    """Count a functional or sequential model.

    The MACs of a layer that multiplies in a way that is not counted are taken for one per weight, which is
    the least that they can be.

    Raises:
        PrecisionError: when the model is not built or an image has no fixed size.

    >>> import architectures
    >>> from precision.measure.counted.size import network_size
    >>> network_size(architectures.build("mlp"))
    NetworkSize(macs=101632, values=922, parameters=101770, layers=3)
    """
    model = flat(model)
    macs = sum(cost.macs if cost.counted else cost.macs + cost.weights for cost in layer_costs(model))
    graph = Graph(model)
    calls = [
        call
        for layer in model.layers
        if not isinstance(layer, layers.InputLayer)
        for call in graph.calls(layer)
    ]
    return NetworkSize(
        macs=macs,
        values=sum(math.prod(tensor.shape[1:]) for call in calls for tensor in call.outputs),
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        layers=len(calls),
    )
