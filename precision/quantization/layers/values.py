"""A layer that computes with other values in the places of its variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from precision.errors import PrecisionError
from precision.quantization.layers.graph import as_it_is, taken_losses


def computed(layer: Any, values: Sequence[tuple[Any, Any]], call: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """Return what a call of a layer returns while variables have other values, and the losses that it adds.

    What it assigns to its other variables, such as the statistics of a normalisation, they keep.

    Args:
        values: variables of the layer, each with its value.
        call: calls the layer.

    Raises:
        PrecisionError: when the layer assigns something to a variable that has another value.
    """
    replaced = {id(variable) for variable, _ in values}
    mapping = [*values, *_surrounding(layer, replaced)]
    with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
        before = [scope.get_current_value(variable) for variable in layer.variables]
        outputs = call()
        losses = taken_losses(layer, scope)
    for variable, old in zip(layer.variables, before, strict=True):
        new = scope.get_current_value(variable)
        if new is old:
            continue
        if id(variable) in replaced:  # its unrounded value would be lost, and the new one is not rounded
            raise as_it_is(
                PrecisionError(
                    f"layer {layer.name!r} ({type(layer).__name__}) itself changes its variable "
                    f"{variable.name!r} in training, where a policy that rounds it cannot follow; leave the "
                    f"layer as it is: layers: {{{layer.name}: float32}}"
                )
            )
        variable.assign(new)
    return outputs, losses


def _surrounding(layer: Any, replaced: set[int]) -> list[tuple[Any, Any]]:
    """Return the variables of a layer that are not replaced, with their present values.

    A backend without state trains within a scope that holds all values, and which an inner scope hides:
    without this a layer would compute with the values from the time when the model was compiled.
    """
    if keras.backend.backend() == "tensorflow":
        return []
    return [(variable, variable.value) for variable in layer.variables if id(variable) not in replaced]
