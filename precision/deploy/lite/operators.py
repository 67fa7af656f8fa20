"""The operators of LiteRT that a network of integers is written in, one function each.

Weights are int8 with a scale for each filter, as the run-time has a rule of its own for layers with one
scale: it multiplies the scales of weights and activations in float32. The versions of the operators are the
first that know such weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.values import Grid
from precision.arithmetic.window import Window
from precision.deploy.lite.builder import Builder, Tensor, is_narrow
from precision.deploy.moves import Cut, Move, Pad, Reshape, Transpose
from precision.errors import PrecisionError

LOWEST, HIGHEST = -128, 127  # of int8


def unsayable(name: str, why: str) -> PrecisionError:
    """Return the error of a layer that a LiteRT file has no words for."""
    return PrecisionError(f"layer {name!r} cannot be written into a LiteRT file: {why}")


def linear(b: Builder, name: str, x: Tensor, layer: Linear, grid: Grid, fused: str) -> Tensor:
    """Write a dense or convolution layer whose sums become codes of a grid.

    Args:
        fused: the activation function that the operator applies, by its name in the schema.
    """
    _check(layer)
    w, window = layer.w.astype(np.int8), layer.window
    filters, narrow = w.shape[-1], is_narrow(w)
    activation = getattr(b.schema.ActivationFunctionType, fused)
    bias = layer.bias_codes(x.grid.scale)
    if np.abs(bias).max(initial=0) >= 2**31:
        raise unsayable(
            layer.name, "its bias needs more than 32 bits in units of its sums; give it coarser weights"
        )
    sums = b.constant(f"{name}/bias", bias.astype(np.int32), x.grid.scale * layer.scales)
    if not window.sizes:
        y = b.codes(name, (*x.shape[:-1], filters), grid)
        weights = b.weights(f"{name}/weights", w.T, layer.scales)
        options = {"fusedActivationFunction": activation, "keepNumDims": len(x.shape) > 1}
        version = 12 if filters > 1 else 10 if narrow else 4  # from 12 on each filter may have a scale
        inputs = [x.index, weights, sums]
        b.operator("FULLY_CONNECTED", inputs, [y.index], ("FullyConnectedOptions", options), version)
        return y
    y = b.codes(name, (*window.output(x.shape[:2]), filters), grid)
    shared = {"fusedActivationFunction": activation, **_strides(b, window)}
    shared |= {"dilationHFactor": window.dilations[0], "dilationWFactor": window.dilations[1]}
    if window.groups > 1 and window.groups == x.shape[-1]:
        codes = w.reshape(1, *w.shape[:2], filters)
        weights = b.weights(f"{name}/weights", codes, layer.scales, axis=3)
        options = shared | {"depthMultiplier": filters // x.shape[-1]}
        kind: tuple[str, Any, int] = (
            "DEPTHWISE_CONV_2D",
            ("DepthwiseConv2DOptions", options),
            7 if narrow else 3,
        )
    else:
        weights = b.weights(f"{name}/weights", np.moveaxis(w, -1, 0), layer.scales)
        version = 7 if narrow else 6 if window.groups > 1 else 3
        kind = ("CONV_2D", ("Conv2DOptions", shared), version)
    b.operator(kind[0], [x.index, weights, sums], [y.index], *kind[1:])
    return y


def _check(layer: Linear) -> None:
    """Refuse a layer that sums otherwise than LiteRT does."""
    name = layer.name
    if layer.multiplier:
        raise unsayable(name, f"its products go through {layer.multiplier}, and LiteRT multiplies exactly")
    if layer.register.bits < 32:
        raise unsayable(name, f"its sums are held in {layer.register.bits} bits, and LiteRT has 32")
    if layer.w.max(initial=0) > HIGHEST:
        raise unsayable(name, "its weights are not signed; give them int(8,symmetric=true)")
    if layer.window.sizes:
        check_window(name, layer.window)


def check_window(name: str, window: Window) -> None:
    """Refuse a window of a layer of another rank, or with a padding that LiteRT does not have."""
    if len(window.sizes) != 2:
        raise unsayable(name, f"it sums over {len(window.sizes)} dimensions of images, and LiteRT over 2")
    if window.padding == "causal":
        raise unsayable(name, "its padding is causal")


def _strides(b: Builder, window: Window) -> dict[str, int]:
    padding = b.schema.Padding.SAME if window.padding == "same" else b.schema.Padding.VALID
    return {"padding": padding, "strideH": window.strides[0], "strideW": window.strides[1]}


def add(b: Builder, name: str, x: Tensor, y: Tensor, grid: Grid, fused: str) -> Tensor:
    """Write the sum of two tensors."""
    out = b.codes(name, np.broadcast_shapes(x.shape, y.shape), grid)
    activation = getattr(b.schema.ActivationFunctionType, fused)
    options = {"fusedActivationFunction": activation}
    b.operator("ADD", [x.index, y.index], [out.index], ("AddOptions", options), 2)
    return out


def pool(b: Builder, name: str, x: Tensor, window: Window, operator: str) -> Tensor:
    """Write a pool of windows, ``MAX_POOL_2D`` or ``AVERAGE_POOL_2D``, whose codes are those of its input."""
    y = b.codes(name, (*window.output(x.shape[:2]), x.shape[-1]), x.grid)
    options = {"filterHeight": window.sizes[0], "filterWidth": window.sizes[1], **_strides(b, window)}
    b.operator(operator, [x.index], [y.index], ("Pool2DOptions", options), 2)
    return y


def reduce(b: Builder, name: str, x: Tensor, keepdims: bool, operator: str, grid: Grid) -> Tensor:
    """Write what becomes of all places of an image, ``MEAN`` or ``REDUCE_MAX``."""
    axes = np.arange(1, len(x.shape), dtype=np.int32)
    ones = (1,) * len(axes) if keepdims else ()
    y = b.codes(name, (*ones, x.shape[-1]), grid)
    read = [x.index, b.constant(f"{name}/axes", axes)]
    b.operator(operator, read, [y.index], ("ReducerOptions", {"keepDims": keepdims}), 2)
    return y


def quantize(b: Builder, name: str, x: Tensor, grid: Grid) -> Tensor:
    """Write codes of another grid for the same numbers."""
    y = b.codes(name, x.shape, grid)
    b.operator("QUANTIZE", [x.index], [y.index], ("QuantizeOptions", {}), 2)
    return y


def join(b: Builder, name: str, parts: Sequence[Tensor], axis: int) -> Tensor:
    """Write tensors of one grid side by side; the axis counts the images."""
    rank = len(parts[0].shape) + 1
    axis %= rank
    shape = list(parts[0].shape)
    shape[axis - 1] = sum(part.shape[axis - 1] for part in parts)
    y = b.codes(name, shape, parts[0].grid)
    b.operator(
        "CONCATENATION",
        [part.index for part in parts],
        [y.index],
        ("ConcatenationOptions", {"axis": axis}),
        2,
    )
    return y


def rectify(b: Builder, name: str, x: Tensor) -> Tensor:
    """Write codes of at least the zero of their grid."""
    y = b.codes(name, x.shape, x.grid)
    b.operator("RELU", [x.index], [y.index], version=2)
    return y


def limit(b: Builder, name: str, x: Tensor, code: int, operator: str) -> Tensor:
    """Write codes of at least (``MAXIMUM``) or at most (``MINIMUM``) a code."""
    value = np.array([code - x.grid.offset], np.int8)
    other = b.constant(f"{name}/limit", value, [x.grid.scale], zero=x.grid.zero - x.grid.offset)
    y = b.codes(name, x.shape, x.grid)
    b.operator(operator, [x.index, other], [y.index], ("MaximumMinimumOptions", {}), 2)
    return y


def within(
    b: Builder, name: str, x: Tensor, low: int, high: int, known: tuple[int, int] | None = None
) -> Tensor:
    """Write what keeps codes between two, as far as it takes anything.

    Args:
        known: between which they are already; None for those of int8.
    """
    least, most = known or (LOWEST + x.grid.offset, HIGHEST + x.grid.offset)
    if low > least:
        x = rectify(b, name, x) if low == x.grid.zero else limit(b, name, x, low, "MAXIMUM")
    return limit(b, name, x, high, "MINIMUM") if high < most else x


def move(b: Builder, name: str, x: Tensor, how: Move) -> Tensor:
    """Write a simple move."""
    rank = len(x.shape) + 1

    def constant(what: str, values: Any) -> int:
        return b.constant(f"{name}/{what}", np.asarray(values, np.int32))

    if isinstance(how, Reshape):
        y = b.codes(name, how.shape, x.grid)
        shape = [-1, *how.shape]
        b.operator(
            "RESHAPE", [x.index, constant("shape", shape)], [y.index], ("ReshapeOptions", {"newShape": shape})
        )
    elif isinstance(how, Transpose):
        y = b.codes(name, tuple(x.shape[axis - 1] for axis in how.axes[1:]), x.grid)
        b.operator("TRANSPOSE", [x.index, constant("axes", how.axes)], [y.index], ("TransposeOptions", {}), 2)
    elif isinstance(how, Cut):
        y = b.codes(name, how.shape, x.grid)
        parts = {"first": (0, *how.first), "last": (0, *how.last), "steps": (1, *how.steps)}
        read = [x.index, *(constant(what, values) for what, values in parts.items())]
        options = {"beginMask": 1, "endMask": 1}  # all images
        b.operator("STRIDED_SLICE", read, [y.index], ("StridedSliceOptions", options), 2)
    else:
        assert isinstance(how, Pad)
        sizes = [n + before + after for n, (before, after) in zip(x.shape, how.around, strict=True)]
        y = b.codes(name, sizes, x.grid)
        around = np.array([(0, 0), *how.around], np.int32).reshape(rank, 2)
        b.operator("PAD", [x.index, constant("around", around)], [y.index], ("PadOptions", {}), 2)
    return y


def fused(grid: Grid, low: int, high: int) -> tuple[str, int, int]:
    """Return the activation function that keeps codes between two, and between which ones it does.

    The function is ``NONE`` where neither end is one of a rectifier.
    """
    bottom, top = LOWEST + grid.offset, HIGHEST + grid.offset
    if low != grid.zero or low <= bottom:
        return "NONE", bottom, top
    if high < top and high == grid.zero + math.floor(np.float32(6) / np.float32(grid.scale) + 0.5):
        return "RELU6", low, high
    return "RELU", low, top
