"""A quantizer: a format with its run-time parameters as variables of a layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats import Lattice, NumberFormat, backend, noise
from precision.formats.lattice import PARAMETERS, pass_inside, round_tensor


class Quantizer:
    """Rounds the tensors of one site of a layer.

    The format's parameters are non-trainable variables of the layer: to change the format is to assign them,
    without a new trace. Backward the gradient passes straight through inside the range of the format, and
    stops where the value was clipped.
    """

    def __init__(self, layer: Any, site: str, number_format: NumberFormat, rounding: str) -> None:
        self.rounding = rounding
        # float32 by name, whatever dtype policy the layer has: the parameters are exact numbers.
        create = {"trainable": False, "initializer": "zeros"}
        self.parameters = layer.add_weight(
            shape=(PARAMETERS,), dtype="float32", name=f"{site}_format", autocast=False, **create
        )
        if rounding == "stochastic":
            self.key = layer.add_weight(shape=(2,), dtype="int32", name=f"{site}_key", **create)
            self.step = layer.add_weight(shape=(), dtype="int32", name=f"{site}_step", **create)
        self.assign(number_format)

    def assign(self, number_format: NumberFormat) -> None:
        """Change the format.

        Raises:
            PrecisionError: when the format is not of the lattice family.
        """
        if not isinstance(number_format, Lattice):
            raise PrecisionError(
                f"format {number_format.name} cannot be used inside a network; use a lattice format"
            )
        self.number_format = number_format
        self.parameters.assign(number_format.parameters)

    def seed(self, *parts: int) -> None:
        """Start the noise of stochastic rounding from a key and forget the steps taken."""
        if self.rounding == "stochastic":
            self.key.assign(noise.key(parts))
            self.step.assign(np.int32(0))

    def __call__(self, x: Any) -> Any:
        """Return ``x`` rounded: float32, same shape."""
        words = None
        if self.rounding == "stochastic":
            self.step.assign_add(1)
            words = noise.fold_in(backend.tensors(), keras.ops.convert_to_tensor(self.key), self.step)
        parameters = keras.ops.convert_to_tensor(self.parameters)
        return backend.straight_through(
            round_tensor,
            keras.ops.cast(x, "float32"),
            parameters,
            words,
            backward=lambda x, upstream: pass_inside(x, upstream, parameters),
        )
