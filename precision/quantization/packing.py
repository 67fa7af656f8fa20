"""The file of a network's quantised weights: a safetensors file of packed codes.

One tensor for each variable, named by the variable's path. A variable with a format is a row of bytes (U8):
what ``format.pack`` gives, code after code without gaps, then the scales of the blocks if there are any. The
others (the statistics of batch normalisation) are tensors in their own type. The file's metadata say how to
read it, all as texts:

    precision  version of this library
    policy     JSON: format texts by slot
    tensors    JSON: for each tensor {"format", "shape", "axis", "dtype"}; the format is null for one that is
               stored as it is, dtype is that of the network's variable

A safetensors file (https://github.com/huggingface/safetensors) holds numbers and texts only; to read one runs
no code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.quantization.policy import Policy, parse_policy
from precision.quantization.stored import Stored, stored_variables


@dataclass(frozen=True)
class Entry:
    """How one tensor of a file is to be read; see the metadata ``tensors``."""

    number_format: NumberFormat | None
    shape: tuple[int, ...]
    axis: int
    dtype: str

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Packed:
    """The content of a file.

    Attributes:
        tensors: by name, bytes of codes or an array as it is.
        entries: by the same names.
    """

    tensors: dict[str, np.ndarray]
    entries: dict[str, Entry]

    @property
    def payload_bytes(self) -> int:
        """Bytes of the tensors, without the file's header."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def pack_model(model: Any, policy: Policy) -> Packed:
    """Return the packed variables of an unquantised Keras model under a policy.

    Raises:
        PrecisionError: for a policy that does not round to nearest or does not fit the model, or a format
            whose codes do not give its values back.
    """
    tensors, entries = {}, {}
    for item in stored_variables(model, policy):
        values, f = item.values, item.number_format
        if item.setting and item.setting.rounding != "nearest":
            raise PrecisionError(
                f"weights are packed rounded to nearest, but the policy says {item.setting.rounding}"
            )
        if f is not None:
            tensors[item.name] = np.frombuffer(_pack(item, values, f), np.uint8)
        else:
            tensors[item.name] = np.ascontiguousarray(values)
        entries[item.name] = Entry(f, values.shape, item.axis, str(item.variable.dtype))
    return Packed(tensors, entries)


def _pack(item: Stored, values: np.ndarray, f: NumberFormat) -> bytes:
    """Pack, and make sure that the same values come out again: the format may be a plugin's."""
    data = f.pack(values, axis=item.axis)
    back, wanted = f.unpack(data, values.shape, axis=item.axis), f.quantize(values, axis=item.axis)
    if not np.array_equal(back, wanted, equal_nan=True):
        raise PrecisionError(
            f"{item.name}: the packed codes of {f} give other values than it rounds to; check it with: "
            f"precision formats check '{f}'"
        )
    return data


def to_bytes(packed: Packed, policy: Policy) -> bytes:
    """Return the content of the file."""
    from safetensors.numpy import save

    described = {
        name: {
            "format": entry.number_format.name if entry.number_format else None,
            "shape": entry.shape,
            "axis": entry.axis,
            "dtype": entry.dtype,
        }
        for name, entry in packed.entries.items()
    }
    metadata = {
        "precision": version("precision"),
        "policy": json.dumps(policy.to_json()),
        "tensors": json.dumps(described),
    }
    content: bytes = save(packed.tensors, metadata)
    return content


def read(path: str | Path) -> Packed:
    """Read a file that ``precision pack`` wrote.

    Raises:
        PrecisionError: when it is missing, no safetensors file, damaged, or from elsewhere.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise PrecisionError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise PrecisionError(f"{path}: this is no safetensors file, or a damaged one ({error})") from None
    if "tensors" not in metadata:
        raise PrecisionError(
            f"{path}: the metadata have no 'tensors'; only files written by precision pack can be read"
        )
    try:
        described = json.loads(metadata["tensors"])
        entries = {name: _entry(described[name]) for name in described}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise PrecisionError(f"{path}: the metadata are damaged ({error})") from None
    if entries.keys() != tensors.keys():
        odd = min(entries.keys() ^ tensors.keys())
        raise PrecisionError(f"{path}: the metadata and the tensors disagree about {odd!r}")
    return Packed(tensors, entries)


def _entry(described: Mapping[str, Any]) -> Entry:
    shape, axis, text = described["shape"], described["axis"], described["format"]
    if not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"shape {shape}")
    if not isinstance(axis, int) or not -max(len(shape), 1) <= axis < max(len(shape), 1):
        raise ValueError(f"axis {axis} of shape {shape}")
    return Entry(None if text is None else parse(text), tuple(shape), axis, str(described["dtype"]))


def load_into(model: Any, packed: Packed, source: str | Path) -> None:
    """Give a Keras model the quantised values of a file, bit for bit what ``format.quantize`` returns.

    Args:
        model: of the architecture that was packed.
        source: name of the file, for errors.

    Raises:
        PrecisionError: when names, shapes or types differ, or codes are damaged.
    """
    import keras

    entry_of = packed.entries
    variables = {item.name: item.variable for item in stored_variables(model, parse_policy("float32"))}
    missing, extra = variables.keys() - packed.entries.keys(), packed.entries.keys() - variables.keys()
    if missing or extra:
        which = f"lacks {min(missing)!r}" if missing else f"has {min(extra)!r}, which the model lacks"
        raise PrecisionError(f"{source}: the file {which}; it was packed from another model")
    values = {name: _values(f"{source}: {name}", variables[name], packed, name) for name in variables}
    for name, variable in variables.items():
        variable.assign(values[name])
        held = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
        if entry_of[name].number_format and not np.array_equal(held, values[name], equal_nan=True):
            raise PrecisionError(
                f"{source}: {name}: the model's variable of type {variable.dtype} cannot hold all values of "
                f"{entry_of[name].number_format}"
            )


def _values(place: str, variable: Any, packed: Packed, name: str) -> np.ndarray:
    entry, tensor = packed.entries[name], packed.tensors[name]
    if entry.shape != tuple(variable.shape):
        raise PrecisionError(
            f"{place}: the file has shape {entry.shape}, but the model's variable {tuple(variable.shape)}"
        )
    if entry.dtype != str(variable.dtype):
        raise PrecisionError(
            f"{place}: packed from a variable of {entry.dtype}, but the model's is {variable.dtype}"
        )
    if entry.number_format is None:
        if tensor.shape != entry.shape:
            raise PrecisionError(
                f"{place}: the tensor has shape {tensor.shape}, but should have {entry.shape}"
            )
        return tensor
    if tensor.dtype != np.uint8 or tensor.ndim != 1:
        raise PrecisionError(
            f"{place}: codes are a row of bytes, but got {tensor.dtype} of shape {tensor.shape}"
        )
    try:
        return entry.number_format.unpack(tensor.tobytes(), entry.shape, axis=entry.axis)
    except PrecisionError as error:
        raise PrecisionError(f"{place}: {error}") from None
