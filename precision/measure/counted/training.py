"""What training needs beside the network: the gradients of its variables, and the state of the optimizer.

Both have a value, or several, for each value that is trained: in the bits of the format in which the policy
keeps them, otherwise in those of the variable's own type. What an optimizer has once for the whole network,
such as the count of its steps, is left out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras

from precision.measure.counted.packed import dtype_bits
from precision.quantization.layers.flat import address
from precision.quantization.layers.variables import variables
from precision.quantization.policy.policy import Policy
from precision.quantization.sites import sites
from precision.quantization.wrapper import unwrapped


class TrainingMemory(NamedTuple):
    """Bytes that training keeps beside the network, packed without gaps."""

    gradients: int
    optimizer: int


def states_of(optimizer: Any) -> int:
    """Return how many numbers an optimizer of Keras keeps for each value that it trains; it is not changed.

    >>> import keras
    >>> from precision.measure.counted.training import states_of
    >>> states_of(keras.optimizers.SGD()), states_of(keras.optimizers.Adam())
    (0, 2)
    """
    shape = (3, 2)
    probe = keras.Variable(keras.ops.zeros(shape), name="probe")
    built = type(optimizer).from_config(optimizer.get_config())
    built.build([probe])
    return sum(tuple(variable.shape) == shape for variable in built.variables)


def training_memory(source: Any, model: Any, policy: Policy, states: int) -> TrainingMemory:
    """Return what the training of a model keeps.

    Args:
        source: the unquantised model that the policy is for.
        model: of the same layers, wrapped or not, whose trainable variables are trained.
        states: numbers that the optimizer keeps for each value, see :func:`states_of`.

    Raises:
        PrecisionError: when the policy does not fit the source.
    """
    found = sites(source, policy)
    gradients = state = 0.0
    for layer in model.layers:
        settings = found.get(address(layer), {})
        rounded = {id(variable) for variable, _ in variables(unwrapped(layer))}
        for variable in layer.trainable_variables:
            size, own = math.prod(variable.shape), dtype_bits(variable.dtype)
            slots = settings if id(variable) in rounded else {}  # a scale that is trained is in no format
            gradients += size * _bits(slots.get("gradients"), own)
            state += size * states * _bits(slots.get("optimizer_state"), own)
    return TrainingMemory(math.ceil(gradients / 8), math.ceil(state / 8))


def _bits(setting: Any, own: int) -> float:
    return own if setting is None else float(setting.number_format.bits)
