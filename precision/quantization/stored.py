"""What a deployed network stores: its variables, each with its format and the axis of shared scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.formats import NumberFormat
from precision.quantization.model import sites
from precision.quantization.points import contraction_axis
from precision.quantization.policy import Policy
from precision.quantization.wrapper import Quantized, slot_of


@dataclass(frozen=True)
class Stored:
    """One variable of a network.

    Attributes:
        name: path of the variable, made unique.
        variable: of Keras.
        number_format: what it is packed in; None where it is stored as it is.
        axis: along which values share scales.
    """

    name: str
    variable: Any
    number_format: NumberFormat | None
    axis: int

    @property
    def values(self) -> np.ndarray:
        """The unrounded values; bfloat16, which files of arrays do not know, as float32."""
        import keras

        array = np.asarray(keras.ops.convert_to_numpy(self.variable))
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.variable.shape)

    @property
    def bytes(self) -> int:
        """Bytes that the values take, packed."""
        if self.number_format is not None:
            return self.number_format.packed_bytes(tuple(self.variable.shape), axis=self.axis)
        name = str(self.variable.dtype)
        return self.size * np.dtype("float32" if name == "bfloat16" else name).itemsize

    @property
    def bits(self) -> float:
        """Bits that they take before the last byte is filled up; scales come in whole bytes."""
        if self.number_format is None or self.number_format.block is not None:
            return 8.0 * self.bytes
        return self.size * float(self.number_format.bits)


def stored_variables(model: Any, policy: Policy) -> list[Stored]:
    """Return the variables of a model under a policy; statistics of a normalisation have no format.

    Not among them are the seeds of dropout and the numbers of quantizers, which no deployed network stores.

    Raises:
        PrecisionError: when the policy names a layer that the model lacks, or the model is not functional.
    """
    found = sites(model, policy)
    names: dict[str, int] = {}
    stored = []
    for layer in model.layers:
        formats = found.get(layer.name, {})
        inner = layer.layer if isinstance(layer, Quantized) else layer
        for variable in inner.weights:
            count = names[variable.path] = names.get(variable.path, 0) + 1
            name = variable.path if count == 1 else f"{variable.path}#{count}"
            axis = contraction_axis(inner, variable)
            stored.append(Stored(name, variable, formats.get(slot_of(variable) or ""), axis))
    return stored
