"""Layers that move values or put them beside others, and those that prepare images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from precision.deploy.onnx.context import Context
from precision.deploy.onnx.refusals import unknown
from precision.deploy.onnx.writer import Tensor
from precision.quantization.layers.flat import address


def flattened(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer that flattens: in the order of Keras, with the channels last."""
    x = context.last(x)
    return x if x.rank == 2 else flat(context, layer, x)


def flat(context: Context, layer: Any, x: Tensor) -> Tensor:
    """Write the numbers of each image in a row, in the order of the tensor.

    As a Reshape, through which ONNX Runtime sees that codes are codes; not so through a Flatten.
    """
    shape = context.writer.constant(f"{address(layer)}/row", np.array([0, -1], np.int64))
    name = context.writer.node("Reshape", [x.name, shape], f"{address(layer)}/flat")
    return context.keeps(x, Tensor(name, 2))


def reshaped(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer that reshapes each image."""
    x, shape = context.last(x), call.outputs[0].shape[1:]
    if None in shape:
        raise unknown(layer, "the size of the images is left open")
    label = f"{address(layer)}/reshaped"
    to = context.writer.constant(f"{address(layer)}/shape", np.array([0, *shape], np.int64))
    return context.keeps(x, Tensor(context.writer.node("Reshape", [x.name, to], label), 1 + len(shape)))


def permuted(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer that permutes the axes of each image."""
    x = context.last(x)
    order = [0, *layer.dims]
    name = context.writer.node("Transpose", [x.name], f"{address(layer)}/permuted", perm=order)
    return context.keeps(x, x.named(name))


def padded(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer that puts zeros around images."""
    return _padded(context, layer, x, _pairs(layer.padding))


def cropped(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer that cuts the edges of images off."""
    pairs = _pairs(layer.cropping)
    cuts = [slice(before, -after if after else _END) for before, after in pairs]
    return _cut(context, layer, x, cuts)


def selected(context: Context, layer: Any, x: Tensor, call: Any) -> Tensor:
    """Write a layer of one's own that only moves values: that keeps some of them and puts zeros around.

    It is called with a number for each place of an image, which shows where each value comes from.

    Raises:
        PrecisionError: where it does more than that.
    """
    shape = call.inputs[0].shape[1:]
    if None in shape:
        raise unknown(layer, "the size of the images is left open")
    places = np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)
    moved = keras.ops.convert_to_numpy(layer(places[None]))[0]
    kept = np.argwhere(moved)
    if moved.ndim != len(shape) or not len(kept) or not np.isin(moved, np.append(places, 0)).all():
        raise unknown(layer, _MORE)
    low, high = kept.min(axis=0), kept.max(axis=0) + 1
    ends = [np.unravel_index(int(moved[tuple(at)]) - 1, shape) for at in (low, high - 1)]
    cuts = [
        slice(int(first), int(last) + 1, max(1, int(last - first) // max(1, int(count) - 1)))
        for first, last, count in zip(*ends, high - low, strict=True)
    ]
    around = [(int(a), int(size - b)) for a, b, size in zip(low, high, moved.shape, strict=True)]
    if not np.array_equal(np.pad(places[tuple(cuts)], around), moved):
        raise unknown(layer, _MORE)
    return _padded(context, layer, _cut(context, layer, x, cuts), around)


def _cut(context: Context, layer: Any, x: Tensor, cuts: Sequence[slice]) -> Tensor:
    """Write what is kept of each axis but that of the batch."""
    parts = {
        "starts": [cut.start for cut in cuts],
        "ends": [cut.stop for cut in cuts],
        "axes": [x.axis(axis) for axis in range(1, len(cuts) + 1)],
        "steps": [cut.step or 1 for cut in cuts],
    }
    label = address(layer)
    reads = [
        context.writer.constant(f"{label}/{name}", np.array(values, np.int64))
        for name, values in parts.items()
    ]
    return context.keeps(x, x.named(context.writer.node("Slice", [x.name, *reads], f"{label}/cut")))


def _padded(context: Context, layer: Any, x: Tensor, around: Sequence[tuple[int, int]]) -> Tensor:
    """Write zeros around each axis but that of the batch."""
    ends = np.zeros((2, x.rank), np.int64)
    for axis, (before, after) in enumerate(around, 1):
        ends[:, x.axis(axis)] = before, after
    pads = context.writer.constant(f"{address(layer)}/pads", ends.reshape(-1))
    return context.keeps(x, x.named(context.writer.node("Pad", [x.name, pads], f"{address(layer)}/padded")))


_END = np.iinfo(np.int64).max
_MORE = "it does more than to keep values at equal distances along each axis and to put zeros around them"


def _pairs(given: Any) -> list[tuple[int, int]]:
    """Return what lies in front of and behind each dimension; of one dimension Keras gives it alone."""
    return [given] if isinstance(given[0], int) else list(given)


MOVES = {
    "Flatten": flattened,
    "Reshape": reshaped,
    "Permute": permuted,
    **{f"ZeroPadding{n}D": padded for n in (1, 2, 3)},
    **{f"Cropping{n}D": cropped for n in (1, 2, 3)},
}


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
