"""What a deployed network stores: its variables, each with its format, its scales and their axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.formats import NumberFormat
from precision.formats.engine.program import Axis, blocks_along
from precision.quantization.layers.axes import scale_axis
from precision.quantization.layers.channels import count
from precision.quantization.layers.flat import address, flattened
from precision.quantization.layers.variables import variables
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.sites import sites
from precision.quantization.wrapper import unwrapped


@dataclass(frozen=True)
class Stored:
    """One variable of a network.

    Attributes:
        name: path of the variable, made unique.
        variable: of Keras.
        setting: how it is rounded; None where it is stored as it is.
        axis: along which values share scales in blocks, or along which the channels lie that have one each.
    """

    name: str
    variable: Any
    setting: Setting | None
    axis: Axis

    @property
    def number_format(self) -> NumberFormat | None:
        """What it is packed in; None where it is stored as it is."""
        return self.setting.number_format if self.setting else None

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
        """Bytes that the values take, packed, with their scales."""
        if self.number_format is not None:
            shape, axis = tuple(self.variable.shape), blocks_along(self.axis)
            packed = self.number_format.packed_bytes(shape, axis=axis)
            return packed + self.scale_bytes
        name = str(self.variable.dtype)
        return self.size * np.dtype("float32" if name == "bfloat16" else name).itemsize

    @property
    def scales(self) -> int:
        """Number of scales beside the format: none, one, or one for each channel."""
        if self.setting is None or not self.setting.scaled:
            return 0
        return count(self.axis, tuple(self.variable.shape)) if self.setting.per_channel else 1

    @property
    def scale_bytes(self) -> int:
        """Bytes of the scales, float32 or the exponent of a power of two, and of the packed zero points."""
        if self.setting is None or not self.scales:
            return 0
        scaling = self.setting.scaling
        zero_points = self.setting.number_format.packed_bytes((self.scales,)) if scaling.zero_point else 0
        return (4 if scaling.kind == "real" else 1) * self.scales + zero_points

    @property
    def bits(self) -> float:
        """Bits that they take before the last byte is filled up; scales come in whole bytes."""
        if self.number_format is None or self.number_format.block is not None:
            return 8.0 * self.bytes
        return self.size * float(self.number_format.bits) + 8.0 * self.scale_bytes


def stored_variables(model: Any, policy: Policy) -> list[Stored]:
    """Return the variables of a model under a policy; statistics of a normalisation have no format.

    A variable that several layers hold is stored once, or once for each way in which they round it. Not among
    them are the seeds of dropout and the numbers of quantizers, which no deployed network stores.

    Raises:
        PrecisionError: when the policy names a layer that the model lacks, or the model is not functional.
    """
    network = flattened(model)
    found = sites(network.model, policy)
    names: dict[str, int] = {}
    known: set[tuple[Any, ...]] = set()
    stored = []
    for layer in network.model.layers:
        settings = found.get(address(layer), {})
        inner = unwrapped(network.original(layer))  # whose variables are the model's own
        slots = {id(variable): slot for variable, slot in variables(inner)}
        for variable in inner.weights:
            setting = settings.get(slots.get(id(variable), ""))
            axis = scale_axis(inner, variable, setting is not None and setting.per_channel)
            way = (id(variable), setting, axis if setting else None)
            if way in known:
                continue
            known.add(way)
            path = _path(layer, inner, variable)
            count = names[path] = names.get(path, 0) + 1
            name = path if count == 1 else f"{path}#{count}"
            stored.append(Stored(name, variable, setting, axis))
    return stored


def _path(layer: Any, inner: Any, variable: Any) -> str:
    """Return the path of a variable of a layer of a flat network.

    A layer in a composite one is called after its attribute there, as its own name may be one that Keras
    counts up from model to model.
    """
    own, path = address(layer), str(variable.path)
    if own.rpartition("/")[2] == inner.name:
        return path
    return f"{own}/{path.rpartition(inner.name + '/')[2]}"
