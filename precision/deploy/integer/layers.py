"""What is known of single layers: which names stand for what, and what they do to numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.arithmetic.integer.values import Real, Value
from precision.errors import PrecisionError
from precision.quantization.layers.arguments import constants
from precision.quantization.layers.flat import address
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.points import role

POOLS = {"MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"}
SAME = ("Dropout", "ActivityRegularization", "Identity", "StopGradient", "Copy")
COMPLETE = ("Flatten", "Reshape", "Permute", *(f"ZeroPadding{n}D" for n in (1, 2, 3)))  # no value is lost
IN_FRONT = ("Rescaling", "Normalization", "Resizing", "CenterCrop")  # of images, before any rounding


@dataclass(frozen=True)
class InFront:
    """A layer of real numbers that prepares images, in front of the network."""

    layer: Any

    def __call__(self, *values: Value, rule: str) -> Value:
        """Prepare one value."""
        real = np.asarray(values[0].real(), np.float32)
        return Real(np.asarray(keras.ops.convert_to_numpy(self.layer(real)), np.float32))


def moving(layer: Any) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return what a layer does that moves values; where it pads, it pads with zeros."""

    if role(layer) == "Flatten" and layer.data_format == "channels_last":
        return lambda x, fill: x.reshape(len(x), math.prod(x.shape[1:]))

    def moved(x: np.ndarray, fill: int) -> np.ndarray:
        narrow = x.astype(np.float32 if x.dtype.kind == "f" else np.int32)
        if narrow.dtype.kind == "i" and not np.array_equal(narrow, x):
            raise PrecisionError(f"layer {address(layer)!r} moves sums of more than 32 bits")
        with_zero = np.asarray(keras.ops.convert_to_numpy(layer(narrow - np.asarray(fill, narrow.dtype))))
        return (with_zero + np.asarray(fill, with_zero.dtype)).astype(x.dtype)

    return moved


def check_tensors(layer: Any, call: Any) -> None:
    """Refuse what is added to, or put beside, something that is no tensor of the network.

    Raises:
        PrecisionError: also for tensors of different ranks, which the layer of Keras aligns in its own way.
    """
    if role(layer) not in ("Add", "Concatenate"):
        return
    operation = isinstance(layer, OperationLayer)
    if not operation and len({len(tensor.shape) for tensor in call.inputs}) > 1:
        raise unknown(layer, "it reads tensors of different ranks; reshape them before")
    beside = layer.arguments if operation else call.options.get("arguments")  # of a call as it was written
    if constants(call.arguments) or (beside is not None and beside.constants):
        raise unknown(layer, "it reads a constant, which has no codes")


def unknown(layer: Any, why: str) -> PrecisionError:
    """Return the error of a layer that has no part in a network of integers."""
    return PrecisionError(f"layer {address(layer)!r} ({kind(layer)}) cannot be computed in integers: {why}")
