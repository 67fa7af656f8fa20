"""Pools of windows and of whole images; the padding of an average counts for nothing, as in Keras."""

from __future__ import annotations

from typing import Any

from precision.arithmetic.window import Window
from precision.deploy.onnx.context import Context
from precision.deploy.onnx.linear import pads
from precision.deploy.onnx.moving import flat
from precision.deploy.onnx.writer import Tensor
from precision.quantization.layers.flat import address
from precision.quantization.layers.operation import kind

LARGEST = ("MaxPooling", "GlobalMaxPooling")
POOLS = (*LARGEST, "AveragePooling", "GlobalAveragePooling")


def pooled(context: Context, layer: Any, x: Tensor, spatial: tuple[int | None, ...]) -> Tensor:
    """Write a pooling layer.

    Args:
        spatial: sizes of what it reads, without the batch and the channels.
    """
    source = context.second(x)
    average, whole = "Average" in kind(layer), kind(layer).startswith("Global")
    operator, label = "AveragePool" if average else "MaxPool", f"{address(layer)}/pooled"
    if whole:
        y = source.named(context.writer.node(f"Global{operator}", [source.name], label))
        if not layer.keepdims:
            y = flat(context, layer, y)
    else:
        ones = (1,) * len(layer.pool_size)
        window = Window(tuple(layer.pool_size), tuple(layer.strides), ones, layer.padding)
        attributes: dict[str, Any] = {"count_include_pad": 0} if average else {}
        y = source.named(
            context.writer.node(
                operator,
                [source.name],
                label,
                kernel_shape=window.sizes,
                strides=window.strides,
                pads=pads(layer, window, spatial),
                **attributes,
            )
        )
    return y if average else context.keeps(x, y)
