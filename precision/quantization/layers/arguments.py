"""The arguments of a call without its tensors: what stays the same when others take their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class _Place:
    """Stands for a tensor."""

    index: int


def constants(values: Any) -> list[Any]:
    """Return the numbers and arrays among values that are no tensors of a network."""
    return [
        value
        for value in keras.tree.flatten(values)
        if not keras.backend.is_keras_tensor(value)
        and (hasattr(value, "shape") or (isinstance(value, int | float) and not isinstance(value, bool)))
    ]


def is_array(value: Any) -> bool:
    """Return whether a constant is an array, a tensor or a variable, and no single number."""
    return len(getattr(value, "shape", ())) > 0


class Arguments:
    """What a layer or an operation is called with, without the tensors.

    Keras takes it for one constant, whatever lies in it; a call that mixes tensors and constants in one
    argument is refused by Keras itself.

    Args:
        positional, named: of the call, with symbolic tensors.
    """

    def __init__(self, positional: Sequence[Any], named: dict[str, Any]) -> None:
        self.tensors = 0

        def taken_out(value: Any) -> Any:
            if not keras.backend.is_keras_tensor(value):
                return value
            self.tensors += 1
            return _Place(self.tensors - 1)

        flat = keras.tree.flatten((tuple(positional), dict(named)))
        self.constants = constants(flat)  # numbers and arrays that the call computes with
        self._positional, self._named = keras.tree.map_structure(taken_out, (tuple(positional), dict(named)))

    def filled(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments by position and by name, with these tensors in the places of the others."""
        found: tuple[tuple[Any, ...], dict[str, Any]] = keras.tree.map_structure(
            lambda value: tensors[value.index] if isinstance(value, _Place) else value,
            (self._positional, self._named),
        )
        return found
