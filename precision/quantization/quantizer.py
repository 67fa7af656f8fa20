"""A quantizer: a format with its run-time numbers as variables of a layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats import NumberFormat, Rounding, backend, noise, parse_rounding
from precision.formats.program import Program, pass_inside


def kind(number_format: NumberFormat, rounding: str | Rounding) -> tuple[Program, int]:
    """Return what two formats must share so that a quantizer can change from one to the other."""
    program, numbers = number_format.program(rounding)
    return program, len(numbers)


class Quantizer:
    """Rounds the tensors of one site of a layer.

    The numbers of the format are non-trainable variables of the layer: to change the format to another one of
    its kind is to assign them, without a new trace. Backward the gradient passes straight through inside the
    range of the format, and stops where the value was clipped.

    Args:
        site: name of the slot.
        axis: along which blocks with a shared scale run; of a weight it may differ from variable to variable.
    """

    def __init__(self, layer: Any, site: str, number_format: NumberFormat, rounding: str | Rounding) -> None:
        self.rounding = parse_rounding(rounding)
        self.number_format = number_format
        self.kind = kind(number_format, self.rounding)
        # float32 by name, whatever dtype policy the layer has: the numbers are exact.
        create = {"trainable": False, "initializer": "zeros"}
        self.parameters = layer.add_weight(
            shape=(self.kind[1],), dtype="float32", name=f"{site}_format", autocast=False, **create
        )
        if self.rounding.stochastic:
            self.key = layer.add_weight(shape=(2,), dtype="int32", name=f"{site}_key", **create)
            self.step = layer.add_weight(shape=(), dtype="int32", name=f"{site}_step", **create)
        self.assign(number_format)

    def assign(self, number_format: NumberFormat) -> None:
        """Change the format to another one of the same kind.

        Raises:
            PrecisionError: when the format is of another kind.
        """
        program, numbers = number_format.program(self.rounding)
        if (program, len(numbers)) != self.kind:
            raise PrecisionError(
                f"format {number_format.name} is computed in another way than {self.number_format.name}; "
                "apply the policy to the model anew"
            )
        self.number_format = number_format
        self.parameters.assign(numbers)

    def seed(self, *parts: int) -> None:
        """Start the noise of stochastic rounding from a key and forget the steps taken."""
        if self.rounding.stochastic:
            self.key.assign(noise.key(parts))
            self.step.assign(np.int32(0))

    def __call__(self, x: Any, axis: int = -1) -> Any:
        """Return ``x`` rounded: float32, same shape; blocks with a shared scale run along ``axis``."""
        words = None
        if self.rounding.stochastic:
            self.step.assign_add(1)
            words = noise.fold_in(backend.tensors(), keras.ops.convert_to_tensor(self.key), self.step)
        parameters = keras.ops.convert_to_tensor(self.parameters)
        return backend.straight_through(
            self.kind[0].tensor,
            keras.ops.cast(x, "float32"),
            parameters,
            words,
            axis,
            backward=lambda x, upstream: pass_inside(x, upstream, parameters),
        )
