"""Layers that move values or put them beside others, and those that prepare images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from precision.deploy.integer.layers import moving
from precision.deploy.moves import Cut, Move, Pad, Reshape, Transpose, moves
from precision.deploy.onnx.context import Context
from precision.deploy.onnx.refusals import unknown
from precision.deploy.onnx.writer import Tensor
from precision.quantization.layers.flat import address


def moved(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer, an operation or a class of one's own that merely moves values.

    Raises:
        PrecisionError: where it does more than to reshape, transpose, cut and pad images of a known size.
    """
    shape = call.inputs[0].shape[1:]
    if None in shape:
        raise unknown(layer, "the size of the images is left open")
    found = moves(moving(layer), shape)
    if found is None:
        raise unknown(layer, "it moves numbers otherwise than by reshaping, transposing, cutting and padding")
    for how in found:
        x = _step(context, layer, x, how)
    return x


def flat(context: Context, layer: Any, x: Tensor) -> Tensor:
    """Write the numbers of each image in a row, in the order of the tensor."""
    return _reshaped(context, layer, x, (-1,))


def _step(context: Context, layer: Any, x: Tensor, how: Move) -> Tensor:
    if isinstance(how, Reshape):
        return _reshaped(context, layer, context.last(x), how.shape)
    if isinstance(how, Transpose):
        x = context.last(x)
        name = context.writer.node("Transpose", [x.name], f"{address(layer)}/permuted", perm=how.axes)
        return context.keeps(x, x.named(name))
    return _cut(context, layer, x, how) if isinstance(how, Cut) else _padded(context, layer, x, how)


def _reshaped(context: Context, layer: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Write a Reshape, through which ONNX Runtime sees that codes are codes; not so through a Flatten."""
    to = context.writer.constant(f"{address(layer)}/shape", np.array([0, *shape], np.int64))
    name = context.writer.node("Reshape", [x.name, to], f"{address(layer)}/reshaped")
    return context.keeps(x, Tensor(name, 1 + len(shape)))


def _cut(context: Context, layer: Any, x: Tensor, how: Cut) -> Tensor:
    """Write what is kept of each axis but that of the images."""
    axes = [x.axis(axis) for axis in range(1, x.rank)]
    parts = {"starts": how.first, "ends": how.last, "axes": axes, "steps": how.steps}
    label = address(layer)
    reads = [
        context.writer.constant(f"{label}/{name}", np.array(values, np.int64))
        for name, values in parts.items()
    ]
    return context.keeps(x, x.named(context.writer.node("Slice", [x.name, *reads], f"{label}/cut")))


def _padded(context: Context, layer: Any, x: Tensor, how: Pad) -> Tensor:
    """Write zeros around each axis but that of the images."""
    ends = np.zeros((2, x.rank), np.int64)
    for axis, (before, after) in enumerate(how.around, 1):
        ends[:, x.axis(axis)] = before, after
    pads = context.writer.constant(f"{address(layer)}/pads", ends.reshape(-1))
    return context.keeps(x, x.named(context.writer.node("Pad", [x.name, pads], f"{address(layer)}/padded")))


def aligned(context: Context, layer: Any, tensors: list[Tensor]) -> list[Tensor]:
    """Return tensors with their channels at one place, for a node that takes several.

    Raises:
        PrecisionError: for tensors of several ranks, which Keras aligns in its own way.
    """
    if len({x.rank for x in tensors}) > 1:
        raise unknown(layer, "it reads tensors of different ranks; reshape them before")
    if any(x.second for x in tensors):
        return [context.second(x) for x in tensors]
    return tensors


def rescaled(context: Context, layer: Any, x: Tensor) -> Tensor:
    """Write x * scale + offset."""
    return _affine(context, layer, x, (("Mul", layer.scale), ("Add", layer.offset)))


def normalised(context: Context, layer: Any, x: Tensor) -> Tensor:
    """Write (x - mean) / deviation, with the statistics that the layer was adapted to."""
    if layer.invert:
        raise unknown(layer, "it inverts a normalisation")
    mean, variance = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    return _affine(context, layer, x, (("Sub", mean), ("Div", deviation)))


def _affine(context: Context, layer: Any, x: Tensor, steps: tuple[tuple[str, Any], ...]) -> Tensor:
    x = context.last(x)
    for operator, number in steps:
        label = f"{address(layer)}/{operator.lower()}"
        value = context.writer.constant(f"{label}/by", np.asarray(number, np.float32))
        x = x.named(context.writer.node(operator, [x.name, value], label))
    return x
