"""The flatbuffer of a LiteRT file: the classes of its schema, and whole files as their objects and back."""

from __future__ import annotations

import functools
import importlib
import math
import struct
from typing import Any

import numpy as np

from precision.errors import PrecisionError, said

IDENTIFIER = b"TFL3"
_HOMES = ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated")
_TYPES = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT32": np.int32,
    "UINT8": np.uint8,
    "INT64": np.int64,
    "BOOL": np.bool_,
    "INT16": np.int16,
    "INT8": np.int8,
    "FLOAT64": np.float64,
}
REAL = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")


@functools.cache
def schema() -> Any:
    """Return the module with the classes: that of ai_edge_litert, or of TensorFlow, which ships the same."""
    for home in _HOMES:
        try:
            return importlib.import_module(home)
        except ImportError:
            continue
    raise PrecisionError(
        "neither ai_edge_litert nor TensorFlow can be imported, one of which knows the format of a LiteRT "
        "file; pip install 'precision[lite]'"
    )


@functools.cache
def names(kind: str) -> dict[int, str]:
    """Return the names of an enumeration of the schema, such as ``BuiltinOperator``, by their numbers."""
    known = vars(getattr(schema(), kind))
    return {value: name for name, value in known.items() if isinstance(value, int)}


def type_number(dtype: Any) -> int:
    """Return the number of a type of NumPy in the schema."""
    name = next(name for name, known in _TYPES.items() if np.dtype(known) == np.dtype(dtype))
    return int(getattr(schema().TensorType, name))


def to_bytes(model: Any) -> bytes:
    """Return the file of a ``ModelT``."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def from_bytes(content: bytes, name: str) -> Any:
    """Return the ``ModelT`` of a file.

    Args:
        name: of the file, for errors.

    Raises:
        PrecisionError: for what is no LiteRT file, or a damaged one.
    """
    if len(content) < 8 or content[4:8] != IDENTIFIER:
        raise PrecisionError(
            f"{name}: this is no LiteRT file, which has {IDENTIFIER.decode()} at its fifth byte"
        )
    try:
        model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))
        _check(model)
    except (struct.error, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise PrecisionError(
            f"{name}: this LiteRT file is damaged or cut off ({said(error)}); write it again"
        ) from None
    return model


def _check(model: Any) -> None:
    """Refuse what a run-time would trip over: numbers that point nowhere, and constants that are not whole.

    Raises:
        ValueError: saying what.
    """
    if not model.subgraphs:
        raise ValueError("it has no graph")
    for graph in model.subgraphs:
        count = len(graph.tensors)
        for tensor in graph.tensors:
            _check_tensor(tensor, model.buffers)
        for operator in graph.operators:
            if not 0 <= operator.opcodeIndex < len(model.operatorCodes):
                raise ValueError("an operator has no code")
            used = [*_ints(operator.inputs), *_ints(operator.outputs)]
            if any(not -1 <= index < count for index in used):
                raise ValueError("an operator reads a tensor that is not there")
        if any(not 0 <= index < count for index in [*_ints(graph.inputs), *_ints(graph.outputs)]):
            raise ValueError("an input or output is not there")


def _check_tensor(tensor: Any, buffers: list[Any]) -> None:
    kind = names("TensorType")[tensor.type]
    data = buffers[tensor.buffer].data
    if kind not in _TYPES or data is None or not len(data):
        return
    wanted = math.prod(_ints(tensor.shape)) * np.dtype(_TYPES[kind]).itemsize
    if len(data) != wanted:
        raise ValueError(f"a tensor has {len(data)} bytes instead of {wanted}")


def _ints(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def text(value: Any) -> str:
    """Return a text of the schema, which it has as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
