"""What is known of Keras beyond its public names, for networks that users give.

``precision.quantization.layers.graph`` is its like for all that stands above this package.
"""

from __future__ import annotations

from typing import Any


def last_call(model: Any) -> tuple[Any, list[Any]]:
    """Return the layer or operation that returns the output of a network, and the tensors that it reads."""
    history = model.outputs[0]._keras_history
    return history.operation, history.operation._inbound_nodes[history.node_index].input_tensors


def all_layers(model: Any) -> list[Any]:
    """Return a model and all layers inside it, at any depth."""
    found: list[Any] = model._flatten_layers()
    return found
