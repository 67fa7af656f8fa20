"""Whether a copy of a network computes with its own variables alone.

A function in a network, of a Lambda, an activation or a layer of a user's, can read a variable of some layer
around it. That of a copy goes on reading the variable of the first network, which no policy rounds and no
training of the copy changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.quantization.layers.graph import is_float


def check_apart(model: Any, copy: Any, images: np.ndarray) -> None:
    """Refuse a network whose copy computes with variables of the network.

    Args:
        images: that both read, a few.

    Raises:
        PrecisionError: naming the layer that has the variable.
    """
    own = {id(variable) for variable in copy.variables}
    shared = [variable for variable in model.variables if id(variable) not in own]
    if not _feels(copy, shared, images):
        return
    owners = [layer for layer in model.layers if _feels(copy, layer.variables, images)]
    name = owners[0].name if owners else model.name
    raise PrecisionError(
        f"the network {model.name!r} computes with a variable of layer {name!r} outside of it, in a function "
        "of a Lambda, an activation or another layer, where no policy can round it; call that layer itself a "
        "second time, or hold it as an attribute of a layer of your own"
    )


def _feels(copy: Any, variables: Iterable[Any], images: np.ndarray) -> bool:
    """Return whether a network returns something else when variables are not a number."""
    network = keras.Model(copy.inputs[0], copy.outputs)
    before = [(variable, variable.numpy()) for variable in variables if is_float(variable)]
    finite = _finite(network, images)
    try:
        for variable, value in before:
            variable.assign(np.full_like(value, np.nan))
        return _finite(network, images) != finite
    finally:
        for variable, value in before:
            variable.assign(value)


def _finite(network: Any, images: np.ndarray) -> list[int]:
    """Return how many finite numbers a network returns, output by output."""
    found = keras.tree.flatten(network(images, training=False))
    return [int(np.isfinite(keras.ops.convert_to_numpy(each)).sum()) for each in found if is_float(each)]
