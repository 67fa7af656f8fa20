"""What a layer computes with and no policy rounds: numbers and arrays, variables that are not trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from precision.quantization.layers.arguments import constants, is_array
from precision.quantization.layers.graph import Call, is_float
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.variables import variables

_PLACES = ("Take", "TakeAlongAxis", "GetItem")  # whose whole numbers say where, not what
_SET = {"Rescaling": "its scale and offset", "Normalization": "its mean and variance"}
_STATE = "the state of a random generator"
_SHOWN = 3


def beside(layer: Any, calls: Sequence[Call]) -> list[Any]:
    """Return the numbers and arrays that a layer is called with beside the tensors of its network."""
    found = list(layer.arguments.constants) if isinstance(layer, OperationLayer) else []
    for call in calls:
        found += constants((call.arguments, call.options))
    return found


def values_beside(layer: Any, calls: Sequence[Call]) -> list[Any]:
    """Return the arrays among them whose values can be part of the result; not those of places."""
    arrays = [value for value in beside(layer, calls) if is_array(value)]
    return arrays if kind(layer) not in _PLACES else [a for a in arrays if "float" in str(a.dtype)]


def constants_of(layer: Any, calls: Sequence[Call], *, moves: bool) -> str:
    """Return what a layer computes with that is neither tensor nor variable of the network; empty for none.

    Args:
        moves: whether it merely moves values, so that the numbers in its calls are places.
    """
    if kind(layer) in _SET and not isinstance(layer, OperationLayer):
        return _SET[kind(layer)]
    if not any(is_float(tensor) for call in calls for tensor in (*call.inputs, *call.outputs)):
        return ""  # it counts or compares indices
    arrays = values_beside(layer, calls)
    numbers = [] if moves else [value for value in beside(layer, calls) if not is_array(value)]
    found = [f"an array or variable of shape {tuple(array.shape)}" for array in arrays]
    found += [f"the number {float(number):.6g}" for number in numbers]
    distinct = list(dict.fromkeys(found))
    text = " and ".join(distinct[:_SHOWN]) + (", ..." if len(distinct) > _SHOWN else "")
    return f"{text} that it computes with" if text else ""


def untrained(layer: Any) -> list[str]:
    """Return what is said of the variables of a layer that are not trainable, and so not rounded."""
    known = {id(variable) for variable, _ in variables(layer)}
    rest = [variable for variable in layer.variables if id(variable) not in known]
    names = list(dict.fromkeys(v.name for v in rest if not is_state(layer, v)))
    shown = " and ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    found = [f"the variable{'s' * (len(names) > 1)} {shown}, not trainable"] if names else []
    return found + [_STATE] * any(is_state(layer, variable) for variable in rest)


def is_state(layer: Any, variable: Any) -> bool:
    """Return whether a variable of a layer is the state of a random generator, which is no weight."""
    return "int" in variable.dtype and all(variable is not weight for weight in layer.weights)
