"""Layers that sum products: dense layers, convolutions and depthwise convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from precision.arithmetic.window import Window
from precision.deploy.onnx.context import Context
from precision.deploy.onnx.functions import function_of
from precision.deploy.onnx.refusals import unknown
from precision.deploy.onnx.writer import Tensor
from precision.quantization.layers.axes import CONVOLUTIONS, DEPTHWISE
from precision.quantization.layers.flat import address
from precision.quantization.sums import window_of
from precision.quantization.wrapper import Quantized, unwrapped

LINEAR = (layers.Dense, *CONVOLUTIONS, *DEPTHWISE)


def linear(context: Context, wrapper: Any, x: Tensor, spatial: tuple[int | None, ...]) -> Tensor:
    """Write a layer that sums products, its bias and its activation function.

    Args:
        spatial: sizes of what it reads, without the batch and the channels.

    Raises:
        PrecisionError: for sums in a narrow accumulator or through a multiplier.
    """
    layer = unwrapped(wrapper)
    if isinstance(wrapper, Quantized) and ("accumulators" in wrapper.settings or wrapper.through is not None):
        raise unknown(layer, "its sums are formed in an accumulator or through a multiplier of the policy")
    y = (
        _dense(context, wrapper, x)
        if type(layer) is layers.Dense
        else _convolved(context, wrapper, x, spatial)
    )
    function = function_of(layer, layer.activation)
    return y if function is None else function(context.writer, y, f"{address(layer)}/{_name(layer)}")


def _name(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", "activation"))


def _dense(context: Context, wrapper: Any, x: Tensor) -> Tensor:
    layer, writer = unwrapped(wrapper), context.writer
    x = context.last(x)
    label = f"{address(layer)}/sums"
    kernel = context.variable(wrapper, "kernel", axis=1)
    if x.rank == 2:
        bias = [context.bias(wrapper, x)] if layer.use_bias else []
        return Tensor(writer.node("Gemm", [x.name, kernel, *bias], label), 2)
    y = x.named(writer.node("MatMul", [x.name, kernel], f"{label} of products" if layer.use_bias else label))
    if layer.use_bias:
        y = y.named(writer.node("Add", [y.name, context.bias(wrapper, x)], label))
    return y


def _convolved(context: Context, wrapper: Any, x: Tensor, spatial: tuple[int | None, ...]) -> Tensor:
    layer = unwrapped(wrapper)
    x, window = context.second(x), window_of(layer)
    axes = tuple(range(len(window.sizes)))
    depthwise = type(layer) in DEPTHWISE

    def arranged(kernel: np.ndarray) -> np.ndarray:
        """Return (*sizes, channels, filters) as (filters, channels, *sizes); depthwise has one channel."""
        rank = kernel.ndim
        if depthwise:
            return kernel.transpose(rank - 2, rank - 1, *axes).reshape(-1, 1, *window.sizes)
        return kernel.transpose(rank - 1, rank - 2, *axes)

    reads = [x.name, context.variable(wrapper, "kernel", arranged)]
    if layer.use_bias:
        reads.append(context.bias(wrapper, x))
    name = context.writer.node(
        "Conv",
        reads,
        f"{address(layer)}/sums",
        kernel_shape=window.sizes,
        strides=window.strides,
        dilations=window.dilations,
        group=int(window.groups),
        pads=pads(layer, window, spatial),
    )
    return Tensor(name, x.rank, second=x.rank > 2)


def pads(layer: Any, window: Window, spatial: tuple[int | None, ...]) -> list[int]:
    """Return how many places are put in front of each dimension, and then behind each.

    Raises:
        PrecisionError: where they follow from a size that is not known.
    """
    if window.padding == "valid":
        return [0] * (2 * len(spatial))
    known = tuple(size for size in spatial if size is not None)
    if len(known) < len(spatial):
        raise unknown(layer, "its padding follows from the size of the images, which is left open")
    found = window.pads(known)
    return [before for before, _ in found] + [after for _, after in found]
