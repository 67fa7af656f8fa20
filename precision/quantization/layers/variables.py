"""The variables of a layer that a policy can round, and the slot of each."""

from __future__ import annotations

from typing import Any

from precision.quantization.layers.graph import parts, trained_variables

# By the names that Keras gives its variables; whatever else is trainable counts as a weight.
BIASES = ("bias", "beta")
VARIABLES = ("weights", "biases")


def variables(layer: Any) -> list[tuple[Any, str]]:
    """Return the variables of a layer that a policy can round, each with its slot, frozen ones included.

    Left out are statistics and the states of random generators, which stay as they are.
    """
    found = {id(variable): variable for part in parts(layer) for variable in trained_variables(part)}
    return [(variable, "biases" if variable.name in BIASES else "weights") for variable in found.values()]
