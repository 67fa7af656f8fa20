"""Effective bit operations (EBOPs) of a network in fixed point: those of its products that a circuit needs.

C. Sun et al. 2024, "Gradient-based Automatic Mixed Precision Quantization for Neural Networks On-Chip"
(HGQ, arXiv:2405.00645) estimate by them what a network takes on an FPGA where each weight has a multiplier of
its own. A product counts the bits of the weight times those of what it is multiplied with, signs left out:

- of a weight the bits from its highest to its lowest 1: 3 for 0101000, none for 0;
- of a value that is read those of its format.

Zeros that padding puts in are no factors, unlike in the MACs. The additions of biases are left out, which the
library HGQ2 adds. Only products of integers and fixed point have effective bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from precision.measure.counted.cost import layer_costs
from precision.measure.counted.operations import operand
from precision.measure.counted.products import format_of
from precision.quantization.layers import axes
from precision.quantization.layers.channels import shape_along
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph, is_float, producer
from precision.quantization.layers.operation import OperationLayer, kind
from precision.quantization.layers.points import moves, rounds_output
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.kernel import scale_and_zero
from precision.quantization.sites import sites
from precision.quantization.wrapper import Quantized, unwrapped

_DIGITS = 53  # of a significand of float64


def spans(values: np.ndarray) -> np.ndarray:
    """Return how many binary digits there are from the first to the last 1 of each value; 0 for a 0.

    >>> from precision.measure.counted.effective import spans
    >>> spans([0.0, 1.0, -40.0, 0.375]).tolist()  # 0, 1, 101000, 0.011
    [0.0, 1.0, 3.0, 2.0]
    """
    significand = (np.frexp(np.abs(np.asarray(values, np.float64)))[0] * 2.0**_DIGITS).astype(np.int64)
    lowest = significand & -significand
    after = np.log2(np.maximum(lowest, 1))  # zeros after the last 1
    return np.where(significand == 0, 0.0, _DIGITS - after)


def spans_of(model: Any) -> dict[str, np.ndarray]:
    """Return the spans of the kernels of a quantised model that are integers times a scale, by layer.

    They are those of the codes, and of numbers without a scale beside the format those of the numbers, which
    differ by a power of two.
    """
    found = {}
    for wrapper in model.layers:
        kernel = getattr(unwrapped(wrapper), "kernel", None)
        rounded = (
            wrapper.rounding_of(kernel) if isinstance(wrapper, Quantized) and kernel is not None else None
        )
        if rounded is None:
            continue
        axis, quantizer = rounded
        scale = quantizer.scale
        assert scale is not None  # or it were not rounded
        setting = scale.setting
        if scale.stochastic or not _is_integer(setting):
            continue
        numbers = np.asarray(keras.ops.convert_to_numpy(quantizer.numbers(kernel, axis)))
        exact = np.asarray(keras.ops.convert_to_numpy(kernel), np.float32)
        values = scale.program.array(exact, numbers, axis=axis).astype(np.float64)
        if setting.scaled:
            steps = scale_and_zero(setting, numbers)[0].astype(np.float64)
            values = values / (steps.reshape(shape_along(axis, values.shape)) if steps.size > 1 else steps)
            if setting.scaling.kind == "real":
                step = 2.0 ** -_fraction(setting)
                values = np.rint(values / step)
        found[address(wrapper)] = spans(values)
    return found


def _is_integer(setting: Setting) -> bool:
    return operand(setting.number_format).kind == "integer"


def _fraction(setting: Setting) -> int:
    """Return how many binary digits after the point a fixed-point format has."""
    return int(-math.log2(setting.number_format.min_subnormal))


def effective_bit_operations(model: Any, policy: Policy, kernels: Mapping[str, np.ndarray]) -> float:
    """Return the EBOPs of one inference; NaN where a product is not of integers, or of a kind not known.

    Args:
        model: the unquantised network.
        kernels: the spans of the weights of each layer, in the shape of its kernel.

    Raises:
        PrecisionError: when the policy does not fit.
    """
    found = sum(_Effective(flat(model), policy, kernels).by_layer().values())
    return float(found)


class _Effective:
    def __init__(self, model: Any, policy: Policy, kernels: Mapping[str, np.ndarray]) -> None:
        self._model, self._exempt, self._kernels = model, policy.exempt, kernels
        self._graph, self._sites = Graph(model), sites(model, policy)

    def by_layer(self) -> dict[str, float]:
        costs = {cost.name: cost for cost in layer_costs(self._model)}
        return {
            address(layer): sum(self._of(layer, call.inputs) for call in self._graph.calls(layer))
            for layer in self._model.layers
            if (cost := costs.get(address(layer))) is not None and (cost.macs or not cost.counted)
        }

    def _of(self, layer: Any, tensors: list[Any]) -> float:
        """Return the sum over the products of one call of a layer: its own sums of products, of bits."""
        read = [keras.ops.convert_to_tensor(self._factors(tensor), "float32") for tensor in tensors]
        if isinstance(layer, OperationLayer):
            return _total(keras.ops.matmul(*read)) if kind(layer) == "Matmul" and len(read) == 2 else math.nan
        kernel = self._kernels.get(address(layer))
        if kernel is None or type(layer) not in axes.LINEAR:
            return math.nan
        bits = keras.ops.convert_to_tensor(kernel.reshape(layer.kernel.shape), "float32")
        if isinstance(layer, layers.Dense):
            return _total(keras.ops.matmul(read[0], bits))
        if isinstance(layer, layers.EinsumDense):
            return _total(keras.ops.einsum(layer.equation, read[0], bits))
        if isinstance(layer, axes.CONVOLUTIONS):
            return _total(layer.convolution_op(read[0], bits))
        window = (layer.strides, layer.padding)
        if isinstance(layer, axes.DEPTHWISE):
            of = keras.ops.depthwise_conv(read[0], bits, *window, layer.data_format, layer.dilation_rate)
            return _total(of)
        return math.nan

    def _factors(self, tensor: Any) -> np.ndarray:
        """Return the bits of each value of a tensor that is read, for one image: of its shape."""
        call = producer(tensor)
        layer, shape = call.layer, (1, *tensor.shape[1:])
        if isinstance(layer, layers.InputLayer):
            readers = [self._slots(reader) for reader in self._graph.consumers(layer)]
            known = {_magnitude(slots, "inputs") for slots in readers}
            return np.full(shape, known.pop() if len(known) == 1 else math.nan, np.float32)
        if moves(layer) and call.inputs:  # it moves the bits as it moves the values
            if not all(map(is_float, call.inputs)):  # by indices, which the images decide
                return np.full(shape, math.nan, np.float32)
            arguments, options = keras.tree.map_structure(
                lambda t: self._factors(t) if keras.backend.is_keras_tensor(t) else t,
                (call.arguments, call.options),
            )
            moved = keras.tree.flatten(layer(*arguments, **options))
            place = next(i for i, one in enumerate(call.outputs) if one is tensor)
            return np.asarray(keras.ops.convert_to_numpy(moved[place]))
        bits = _magnitude(self._slots(layer), "activations")
        rounded = rounds_output(self._graph, layer, self._exempt)
        return np.full(shape, bits if rounded else math.nan, np.float32)

    def _slots(self, layer: Any) -> Mapping[str, Any]:
        return self._sites.get(address(layer), {})


def _total(sums: Any) -> float:
    return float(np.asarray(keras.ops.convert_to_numpy(sums), np.float64).sum())


def _magnitude(slots: Mapping[str, Any], slot: str) -> float:
    """Return the bits of a format of integers without its sign; NaN of any other."""
    number_format, setting = format_of(slots, slot), slots.get(slot)
    if setting is None or number_format is None or operand(number_format).kind != "integer":
        return math.nan
    signed = number_format.lowest < 0 and not setting.scaling.zero_point
    return float(number_format.bits) - signed
