"""Puts a LiteRT file together: tensors, constants, operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.arithmetic.integer.values import Grid
from precision.deploy.lite import schema as flatbuffer

_Scales = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Tensor:
    """A tensor of codes in the file.

    Attributes:
        index: its number there.
        shape: without the images.
        grid: what its codes stand for; the file has them less ``grid.offset``.
    """

    index: int
    shape: tuple[int, ...]
    grid: Grid


def is_narrow(codes: np.ndarray) -> bool:
    """Return whether codes have at most 4 bits."""
    return bool(codes.min(initial=0) >= -8 and codes.max(initial=0) <= 7)


class Builder:
    """Collects the parts of a file with one graph."""

    def __init__(self) -> None:
        self.schema = flatbuffer.schema()
        self._tensors: list[Any] = []
        self._buffers = [self.schema.BufferT()]  # the first is that of all tensors without a content
        self._operators: list[Any] = []
        self._codes: dict[tuple[int, int], int] = {}
        self._names: set[str] = set()

    def codes(self, name: str, shape: Sequence[int], grid: Grid) -> Tensor:
        """Add a tensor of int8 codes, (images, *shape)."""
        quantization = self._quantization([grid.scale], [grid.zero - grid.offset])
        index = self._tensor(name, (1, *shape), np.int8, quantization, signature=(-1, *shape))
        return Tensor(index, tuple(shape), grid)

    def constant(
        self, name: str, values: np.ndarray, scales: _Scales = (), axis: int = 0, zero: int = 0
    ) -> int:
        """Add a constant, with the scales of its codes along an axis, and return its number."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        quantization = self._quantization(scales, [zero] * len(scales), axis) if len(scales) else None
        return self._tensor(name, values.shape, values.dtype, quantization, buffer=len(self._buffers) - 1)

    def weights(self, name: str, codes: np.ndarray, scales: _Scales, axis: int = 0) -> int:
        """Add int8 codes of weights, with a scale for each index along an axis; of 4 bits two to a byte."""
        index = self.constant(name, codes, scales, axis)
        if is_narrow(codes):
            made = self._tensors[index]
            made.type = self.schema.TensorType.INT4
            low, high = np.resize(codes.ravel() & 15, (-(-codes.size // 2), 2)).astype(np.uint8).T
            self._buffers[made.buffer].data = low | (high << 4)
        return index

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: tuple[str, Mapping[str, Any]] | None = None,
        version: int = 1,
    ) -> None:
        """Add an operator by its name in the schema; options likewise, with their values by name."""
        code = int(getattr(self.schema.BuiltinOperator, name))
        made = self.schema.OperatorT()
        made.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        made.inputs, made.outputs = list(inputs), list(outputs)
        if options is not None:
            kind, values = options
            made.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(self.schema, f"{kind}T")()
            for key, value in values.items():
                if not hasattr(made.builtinOptions, key):
                    raise AttributeError(f"{kind} has no {key}")
                setattr(made.builtinOptions, key, value)
        self._operators.append(made)

    def to_bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the file of what was added."""
        s = self.schema
        graph = s.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs, graph.name = list(inputs), list(outputs), "main"
        model = s.ModelT()
        model.version, model.description = 3, "precision"
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = []
        for code, version in self._codes:
            made = s.OperatorCodeT()
            made.builtinCode, made.version = code, version
            made.deprecatedBuiltinCode = min(code, 127)
            model.operatorCodes.append(made)
        return flatbuffer.to_bytes(model)

    def _quantization(self, scales: _Scales, zeros: Sequence[int], axis: int = 0) -> Any:
        found = self.schema.QuantizationParametersT()
        found.scale, found.zeroPoint = [float(scale) for scale in scales], [int(zero) for zero in zeros]
        found.quantizedDimension = axis
        return found

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any,
        quantization: Any,
        buffer: int = 0,
        signature: Sequence[int] | None = None,
    ) -> int:
        made = self.schema.TensorT()
        made.name, made.shape, made.type = self._free(name), list(shape), flatbuffer.type_number(dtype)
        made.quantization, made.buffer, made.hasRank = quantization, buffer, True
        if signature is not None:
            made.shapeSignature = list(signature)
        self._tensors.append(made)
        return len(self._tensors) - 1

    def _free(self, name: str) -> str:
        """Return a name that no other tensor has."""
        number, found = 1, name
        while found in self._names:
            number += 1
            found = f"{name} ({number})"
        self._names.add(found)
        return found
