"""What stands in a LiteRT file: its operators and tensors, read by the classes of the schema alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.deploy.lite.schema import REAL, from_bytes, names, text


@dataclass(frozen=True)
class Described:
    """A tensor of a file.

    Attributes:
        kind: its type by its name in the schema, such as ``INT8``.
        shape: as it stands there, the images first.
        scales: one, or one for each index along ``axis``; empty for numbers without a scale.
        zeros: the codes of zero, likewise.
        bytes: of its content; 0 for what is computed.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zeros: tuple[int, ...]
    axis: int
    bytes: int

    @property
    def size(self) -> int:
        """How many numbers it has for one image."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Operator:
    """An operator of a file, by its name in the schema, and the numbers of its tensors."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """The first graph of a file."""

    operators: tuple[Operator, ...]
    tensors: tuple[Described, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def real(self) -> tuple[str, ...]:
        """The operators that read or give real numbers, each with the tensor that it gives."""
        return tuple(
            f"{operator.name} ({self.tensors[operator.outputs[0]].name})"
            for operator in self.operators
            if any(self.tensors[i].kind in REAL for i in (*operator.inputs, *operator.outputs) if i >= 0)
        )

    @property
    def constants(self) -> int:
        """Bytes of weights, biases and other constants."""
        return sum(tensor.bytes for tensor in self.tensors)


def contents(content: bytes, name: str = "the LiteRT file") -> Contents:
    """Return what stands in a file.

    Args:
        name: of the file, for errors.

    Raises:
        PrecisionError: for what is no LiteRT file, or a damaged one.
    """
    model = from_bytes(content, name)
    graph, operators = model.subgraphs[0], names("BuiltinOperator")
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return Contents(
        tuple(
            Operator(operators.get(codes[o.opcodeIndex], "?"), _ints(o.inputs), _ints(o.outputs))
            for o in graph.operators
        ),
        tuple(_described(tensor, model.buffers) for tensor in graph.tensors),
        _ints(graph.inputs),
        _ints(graph.outputs),
    )


def listed(content: bytes) -> str:
    """Return the operators of real numbers of a file in words: how many of each."""
    kinds = Counter(operator.split(" ")[0] for operator in contents(content).real)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"


def _described(tensor: Any, buffers: list[Any]) -> Described:
    q, data = tensor.quantization, buffers[tensor.buffer].data
    return Described(
        text(tensor.name),
        names("TensorType")[tensor.type],
        _ints(tensor.shape),
        () if q is None or q.scale is None else tuple(float(np.float32(scale)) for scale in q.scale),
        () if q is None or q.scale is None else _ints(q.zeroPoint),
        0 if q is None else int(q.quantizedDimension),
        0 if data is None else len(data),
    )


def _ints(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)
