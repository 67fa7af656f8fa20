"""Activation functions as nodes: those of Keras whose meaning ONNX has, by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.deploy.onnx.refusals import unknown
from precision.deploy.onnx.writer import Tensor, Writer
from precision.quantization.layers.operation import kind

Function = Callable[[Writer, Tensor, str], Tensor]


def _node(operator: str, **attributes: Any) -> Function:
    def write(writer: Writer, x: Tensor, label: str) -> Tensor:
        return x.named(writer.node(operator, [x.name], label, **attributes))

    return write


def _along(operator: str, axis: int = -1) -> Function:
    def write(writer: Writer, x: Tensor, label: str) -> Tensor:
        return x.named(writer.node(operator, [x.name], label, axis=x.axis(axis)))

    return write


def rectified(ceiling: float | None) -> Function:
    """Return the rectifier: nothing below zero, and nothing above a ceiling where there is one."""

    def write(writer: Writer, x: Tensor, label: str) -> Tensor:
        if ceiling is None:
            return x.named(writer.node("Relu", [x.name], label))
        ends = [
            writer.constant(f"{label}/{end}", np.float32(value))
            for end, value in (("lowest", 0.0), ("highest", ceiling))
        ]
        return x.named(writer.node("Clip", [x.name, *ends], label))

    return write


def leaky(slope: float) -> Function:
    """Return the rectifier with a slope below zero."""
    return _node("LeakyRelu", alpha=float(slope))


def softmax(axis: int) -> Function:
    """Return the softmax along an axis of the tensor of Keras."""
    return _along("Softmax", axis)


def _times(gate: Function) -> Function:
    def write(writer: Writer, x: Tensor, label: str) -> Tensor:
        opened = gate(writer, x, f"{label}/gate")
        return x.named(writer.node("Mul", [x.name, opened.name], label))

    return write


FUNCTIONS: dict[str, Function] = {
    "relu": rectified(None),
    "relu6": rectified(6.0),
    "leaky_relu": leaky(0.2),
    "elu": _node("Elu", alpha=1.0),
    "selu": _node("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "celu": _node("Celu", alpha=1.0),
    "sigmoid": _node("Sigmoid"),
    "hard_sigmoid": _node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "silu": _times(_node("Sigmoid")),
    "hard_silu": _node("HardSwish"),
    "tanh": _node("Tanh"),
    "softplus": _node("Softplus"),
    "softsign": _node("Softsign"),
    "gelu": _node("Gelu", approximate="none"),
    "mish": _node("Mish"),
    "exponential": _node("Exp"),
    "softmax": _along("Softmax"),
    "log_softmax": _along("LogSoftmax"),
}

# Of operations between layers, by their classes.
OPERATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Silu": "silu",
    "HardSilu": "hard_silu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Selu": "selu",
}


def function_of(layer: Any, function: Any) -> Function | None:
    """Return what an activation function is; None for the identity.

    Raises:
        PrecisionError: for a function of one's own, and those that ONNX has no node for.
    """
    if function is None or function is keras.activations.linear:
        return None
    name = getattr(function, "__name__", type(function).__name__)
    if getattr(function, "__module__", "").startswith("keras.") and name in FUNCTIONS:
        return FUNCTIONS[name]
    raise unknown(
        layer, f"its activation function {name} is not among those that are written: {', '.join(FUNCTIONS)}"
    )


def layer_function(layer: Any) -> Function | None:
    """Return what a layer or operation that is an activation function computes; None for the identity.

    Raises:
        PrecisionError: as :func:`function_of`.
    """
    name = kind(layer)
    if name == "Activation":
        return function_of(layer, layer.activation)
    if name == "Softmax":
        if not isinstance(layer.axis, int):
            raise unknown(layer, "it runs along several axes")
        return softmax(layer.axis)
    if name == "LeakyReLU":
        return leaky(layer.negative_slope)
    if name == "ELU":
        return _node("Elu", alpha=float(layer.alpha))
    if name == "ReLU":
        if layer.threshold or (layer.negative_slope and layer.max_value is not None):
            raise unknown(layer, "it has a threshold, or a slope beside a ceiling")
        if layer.negative_slope:
            return leaky(layer.negative_slope)
        return rectified(None if layer.max_value is None else float(layer.max_value))
    return FUNCTIONS[OPERATIONS[name]]
