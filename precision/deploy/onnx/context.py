"""What the layers of one network share while they are written: the graph, the dialect, constants, points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np

from precision.deploy.onnx import qdq
from precision.deploy.onnx.elements import Element
from precision.deploy.onnx.quantizers import Rounding, of_activations, of_variable
from precision.deploy.onnx.writer import WIDE, Tensor, Writer
from precision.quantization.layers.flat import address
from precision.quantization.quantizer import Quantizer
from precision.quantization.wrapper import Quantized, unwrapped


class Dialect(Protocol):
    """How rounding is written: the modules ``qdq`` and ``qonnx``."""

    NAME: str

    def rounded(self, writer: Writer, x: Tensor, rounding: Rounding, label: str) -> tuple[Tensor, str]:
        """Write the rounding of a tensor; return it rounded, and the name of its codes."""
        ...

    def constant(self, writer: Writer, values: np.ndarray, rounding: Rounding, axis: int, label: str) -> str:
        """Write a constant with its rounding, and return the name of its values."""
        ...


@dataclass(frozen=True)
class Point:
    """A tensor of the network that is rounded.

    Attributes:
        name: of the layer whose images or activations it is; a later call of it is ``name (call 2)``.
        tensor: its rounded values.
        codes: its integer codes; empty where there are none.
        rounding: how it is rounded.
        model: the symbolic tensor of Keras; of images, that which is rounded.
        quantizer: what rounds it.
        images: whether it is images that the layer reads, and not what it hands on.
        pooled: whether the layer takes the largest of the codes; ``tensor`` is what it hands on.
    """

    name: str
    tensor: Tensor
    codes: str
    rounding: Rounding
    model: Any
    quantizer: Quantizer
    images: bool
    pooled: bool = False


class Context:
    """Gathers what is written.

    Args:
        version: of the operators. ONNX Runtime cannot optimise a graph of the later version with
            activations in INT8 (1.32: "output_dtype INT8 does not match y_zero_point"), so there they are in
            UINT8.
        int32_biases: whether biases are integers in the units of the sums wherever a layer reads and
            multiplies integers; otherwise they are what the policy makes of them.
    """

    def __init__(self, dialect: Dialect, version: int, int32_biases: bool) -> None:
        self.writer, self.dialect, self.int32_biases = Writer(version), dialect, int32_biases
        self._unsigned = version == WIDE and dialect is qdq
        self.points: list[Point] = []
        self.written: dict[str, Rounding] = {}  # by tensors: how they were rounded
        self._variables: dict[int, str] = {}  # that were written, by id
        self._calls: dict[str, int] = {}  # by slots of layers: how many were rounded

    def keeps(self, source: Tensor, result: Tensor) -> Tensor:
        """Note that a tensor holds values of another one, and return it."""
        if source.name in self.written:
            self.written[result.name] = self.written[source.name]
        return result

    def second(self, x: Tensor) -> Tensor:
        """Return a tensor with its channels second."""
        return self.keeps(x, self.writer.transposed(x, second=True))

    def last(self, x: Tensor) -> Tensor:
        """Return a tensor with its channels last."""
        return self.keeps(x, self.writer.transposed(x, second=False))

    def rounded(self, layer: Any, x: Tensor, quantizer: Quantizer, model: Any, *, images: bool) -> Tensor:
        """Write the rounding of images or activations.

        Raises:
            PrecisionError: for a setting that ONNX cannot say.
        """
        slot = "inputs" if images else "activations"
        what = f"the {slot} of layer {address(layer)!r}"
        rounding = of_activations(quantizer, what, unsigned=self._unsigned)
        label = f"{address(layer)}/{slot}"
        result, codes = self.dialect.rounded(self.writer, x, rounding, label)
        self._calls[label] = self._calls.get(label, 0) + 1
        name = address(layer) + (f" (call {self._calls[label]})" if self._calls[label] > 1 else "")
        self.points.append(Point(name, result, codes, rounding, model, quantizer, images))
        self.written[result.name] = rounding
        return result

    def pooled(self, result: Tensor) -> Tensor:
        """Note that the tensor that was rounded last is pooled before the layer hands it on."""
        self.points[-1] = replace(self.points[-1], tensor=result, pooled=True)
        return result

    def rounding_of(self, wrapper: Any, name: str) -> Rounding | None:
        """Return how a variable of a layer is rounded; None where it is not."""
        layer = unwrapped(wrapper)
        variable = getattr(layer, name)
        found = wrapper.rounding_of(variable) if isinstance(wrapper, Quantized) else None
        if found is None:
            return None
        return of_variable(found[1], variable, found[0], f"the {name} of layer {address(layer)!r}")[0]

    def variable(
        self, wrapper: Any, name: str, arrange: Callable[[np.ndarray], np.ndarray] = np.asarray, axis: int = 0
    ) -> str:
        """Write a variable of a layer, rounded as the policy says, and return the name of its values.

        Args:
            arrange: brings its axes into the order of ONNX.
            axis: along which its channels lie then.
        """
        layer = unwrapped(wrapper)
        variable = getattr(layer, name)
        if id(variable) not in self._variables:
            label, what = f"{address(layer)}/{name}", f"the {name} of layer {address(layer)!r}"
            found = wrapper.rounding_of(variable) if isinstance(wrapper, Quantized) else None
            if found is None:
                values = np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
                self._variables[id(variable)] = self.writer.constant(label, arrange(values))
            else:
                rounding, values = of_variable(found[1], variable, found[0], what)
                self._variables[id(variable)] = self.dialect.constant(
                    self.writer, arrange(values), rounding, axis, label
                )
        return self._variables[id(variable)]

    def bias(self, wrapper: Any, read: Tensor) -> str:
        """Write the bias of a layer that sums products of what it reads."""
        weights = self.rounding_of(wrapper, "kernel") if self.int32_biases else None
        source = self.written.get(read.name)
        if not self.int32_biases or not _multiplies(source) or not _multiplies(weights):
            return self.variable(wrapper, "bias")
        assert source is not None  # both are asked in the line above
        assert weights is not None
        layer = unwrapped(wrapper)
        found = wrapper.rounding_of(layer.bias)
        values = layer.bias if found is None else found[1](layer.bias, found[0], False)
        unit = float(source.scale[0]) * weights.scale.astype(np.float64)
        codes = np.rint(np.asarray(keras.ops.convert_to_numpy(values), np.float64) / unit)
        if np.abs(codes).max(initial=0) >= 2**31:
            return self.variable(wrapper, "bias")
        element = Element("integer", "INT32")
        units = Rounding(element, unit.astype(np.float32), np.zeros(unit.shape, np.int32))
        return qdq.stored(self.writer, codes.astype(np.int32), units, 0, f"{address(layer)}/bias")


def _multiplies(rounding: Rounding | None) -> bool:
    """Return whether codes of a rounding can be multiplied as integers of 8 bits with one scale each."""
    return rounding is not None and rounding.element.type in ("INT4", "UINT4", "INT8", "UINT8")
