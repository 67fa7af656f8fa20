"""A graph of ONNX while it is written: its nodes, its constants, and where the channels of each tensor lie.

Keras has channels last, ONNX has them second. A tensor is transposed where a node needs the other order, once
for all of its readers; element-wise nodes take it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

USUAL, WIDE = 20, 21  # versions of the operators; from the second on there are integers of 4 and of 16 bits
IR_VERSIONS = {USUAL: 9, WIDE: 10}  # of the file format


@dataclass(frozen=True)
class Tensor:
    """A value of the graph.

    Attributes:
        name: of the value.
        rank: number of its axes, the batch included.
        second: whether the channels, the last axis in Keras, are the second one here.
    """

    name: str
    rank: int
    second: bool = False

    def axis(self, axis: int) -> int:
        """Return where an axis of the tensor of Keras lies, counted from the front."""
        axis %= self.rank
        if not self.second or axis == 0:
            return axis
        return 1 if axis == self.rank - 1 else axis + 1

    def named(self, name: str) -> Tensor:
        """Return another value of the same shape."""
        return replace(self, name=name)


class Writer:
    """Gathers nodes and constants.

    Args:
        version: of the operators, ``USUAL`` or ``WIDE``.
    """

    def __init__(self, version: int = USUAL) -> None:
        from onnx import TensorProto, helper

        self._helper, self._types = helper, TensorProto
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.domains = {"": version}
        self._names: set[str] = set()
        self._other: dict[str, Tensor] = {}  # of a transposed tensor: the tensor in the other order

    def type(self, name: str) -> int:
        """Return the number of an element type."""
        number: int = getattr(self._types, name)
        return number

    def free(self, label: str) -> str:
        """Return a name that no value has yet."""
        name, number = label, 1
        while name in self._names:
            number += 1
            name = f"{label} ({number})"
        self._names.add(name)
        return name

    def node(
        self, operator: str, reads: Sequence[str], label: str, *, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one result, and return the name of it."""
        name = self.free(label)
        self.nodes.append(
            self._helper.make_node(operator, list(reads), [name], name=name, domain=domain, **attributes)
        )
        return name

    def constant(self, label: str, values: Any, element: str = "") -> str:
        """Add a constant, and return its name.

        Args:
            element: type of ONNX: INT4 and UINT4 are given as codes, eight-bit floats and bfloat16 as the
                bits of each, uint8 or uint16; empty for the type of the array.
        """
        from onnx import numpy_helper

        name, array = self.free(label), np.asarray(values, order="C")
        if not element:
            self.constants.append(numpy_helper.from_array(array, name))
            return name
        if element.endswith("INT4"):
            array = nibbles(array)
        shape, content = np.shape(values), array.tobytes()
        self.constants.append(self._helper.make_tensor(name, self.type(element), shape, content, raw=True))
        return name

    def transposed(self, tensor: Tensor, *, second: bool) -> Tensor:
        """Return a tensor with its channels second, or last as in Keras."""
        if tensor.second == second or tensor.rank < 3:
            return tensor
        if tensor.name not in self._other:
            last = tensor.rank - 1
            order = [0, last, *range(1, last)] if second else [0, *range(2, tensor.rank), 1]
            label = f"{tensor.name}/channels {'second' if second else 'last'}"
            name = self.node("Transpose", [tensor.name], label, perm=order)
            self._other[tensor.name] = Tensor(name, tensor.rank, second)
            self._other[name] = tensor
        return self._other[tensor.name]


def nibbles(codes: np.ndarray) -> np.ndarray:
    """Return integers of 4 bits in pairs, the first in the low half of a byte."""
    flat = codes.astype(np.int16).reshape(-1) & 15
    flat = np.append(flat, np.zeros(len(flat) % 2, np.int16))
    return (flat[0::2] | flat[1::2] << 4).astype(np.uint8)
