"""Narrow accumulators: the sums of dense and convolution layers, rounded while they are formed.

A multiply-accumulate unit adds products to a register, and the register has a format of its own. A sum that
is rounded after every addition loses what a sum rounded once keeps: small terms are swamped by a large sum,
and a register of few bits overflows. This module computes such sums as the hardware would, in inference.

The arithmetic, for one output::

    acc = 0
    for each step:                       # kernel row, kernel column, input channel (fastest)
        p = input * weight               # the exact product, rounded to float32
        p = round(p, products)           # if a format for products is given
        acc = acc + p                    # float32
        after every `every` steps, and after the last:
            acc = round(acc, format)
    with a bias:
        acc = round(acc + bias, format)  # one more float32 addition, one more rounding

Steps run in the order of the kernel's own axes; within a group of channels, over that group. A position in
the padding is a step like any other: its product is a zero. float32 here is that of IEEE 754, with subnormal
numbers, ties to even, and never a product and a sum contracted into one operation. A NaN in the result is
always the same NaN. Stochastic rounding draws from (seed, step, index of the output in the batch).

With products and sums in one format of at most 11 significant bits (float16, bfloat16), the float32 addition
and the rounding after it give the correctly rounded sum of the two (S. A. Figueroa 1995, "When is double
rounding innocuous?"), which is what an adder of that format gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.window import Window
from precision.errors import PrecisionError


def refusal(layer: Any) -> str | None:
    """Return why the sums of a layer cannot be formed in an accumulator, as one sentence; None if they can.

    Served are Dense, Conv1D to Conv3D and DepthwiseConv1D and 2D, and subclasses that compute as they do.
    """
    import keras
    from keras import layers

    kind, name = type(layer), f"layer {layer.name!r}"
    calls = (layers.Dense.call, layers.Conv1D.call, layers.Conv2D.call, layers.DepthwiseConv2D.call)
    operation = getattr(kind, "convolution_op", layers.Conv2D.convolution_op)
    if kind.call not in calls or operation is not layers.Conv2D.convolution_op:
        return (
            f"{name} is a {kind.__name__}, and accumulators are emulated for Dense, Conv1D, Conv2D, Conv3D, "
            "DepthwiseConv1D and DepthwiseConv2D; set its accumulators to float32"
        )
    if getattr(layer, "quantization_mode", None) is not None:
        return (
            f"{name} was quantised by Keras ({layer.quantization_mode}) and does not compute in float32; "
            "build it again without quantize()"
        )
    if layer.compute_dtype != "float32":
        return (
            f"{name} computes in {layer.compute_dtype}, and accumulators are emulated in float32; build it "
            "with dtype='float32'"
        )
    if keras.backend.backend() != "tensorflow":
        return (
            f"{name} runs on the {keras.backend.backend()} backend of Keras, and accumulators are emulated "
            "on TensorFlow; set KERAS_BACKEND=tensorflow"
        )
    return None


def call(layer: Any, inputs: Any, accumulator: Accumulator, seed: Any = 0) -> Any:
    """Return what a layer returns for ``inputs``, its sums formed in an accumulator.

    The kernel and the bias are read from the layer, within a ``keras.StatelessScope`` as the scope has them,
    and the layer's activation function is applied to the sums.

    Args:
        seed: of stochastic rounding: a number, or an int32 tensor with the two words of a key.

    Raises:
        PrecisionError: for a layer that is not served; the sentence of :func:`refusal`.
    """
    if reason := refusal(layer):
        raise PrecisionError(reason)
    sums = accumulate(layer, inputs, layer.kernel, layer.bias, accumulator, seed)
    return sums if layer.activation is None else layer.activation(sums)


def accumulate(
    layer: Any, inputs: Any, kernel: Any, bias: Any, accumulator: Accumulator, seed: Any = 0
) -> Any:
    """Return what a layer computes before its activation function, its sums formed in an accumulator.

    The arithmetic is stated at the top of this module. It is done by compiled code, bit for bit as
    ``accumulation_reference`` does it; only formats that bring a rounding function of their own (qtorch, some
    plugins) are computed by the reference itself, some fifty times slower. There is no gradient.

    Args:
        layer: a built Keras layer; its strides, padding, dilation, groups and data format are those used.
        inputs: float tensor of the shape that the layer takes.
        kernel: tensor or variable in the shape of the layer's kernel.
        bias: tensor, variable or None.
        seed: as of :func:`call`; the draws depend on the index of an output in the batch too.

    Returns:
        float32 tensor in the layer's output shape.

    Raises:
        PrecisionError: for a layer that is not served, and when a gradient is asked for.
    """
    if reason := refusal(layer):
        raise PrecisionError(reason)
    import keras
    import tensorflow as tf

    from precision.arithmetic.accumulators import compiled as fast
    from precision.arithmetic.accumulators import reference as reference
    from precision.arithmetic.accumulators.underflow import gradual_underflow

    window = window_of(layer)
    channels_first = getattr(layer, "data_format", "channels_last") == "channels_first"
    compiled = fast.serves(accumulator)

    def on_values(seed: np.ndarray, x: np.ndarray, kernel: np.ndarray, *bias: np.ndarray) -> np.ndarray:
        if channels_first:
            x = np.moveaxis(x, 1, -1)
        if hasattr(layer, "depth_multiplier"):  # output c * multiplier + m reads channel c alone
            kernel = kernel.reshape(*window.sizes, 1, -1)
        flat = x if window.sizes else x.reshape(-1, x.shape[-1])
        number = int.from_bytes(np.asarray(seed, np.int32).tobytes(), "little")
        arguments = flat, kernel, bias[0] if bias else None, accumulator, window, number
        if compiled:
            sums = fast.accumulate(*arguments)
        else:
            with gradual_underflow():
                sums = reference.accumulate(*arguments)
        if not window.sizes:
            sums = sums.reshape(*x.shape[:-1], sums.shape[-1])
        return np.ascontiguousarray(np.moveaxis(sums, -1, 1)) if channels_first else sums

    @tf.custom_gradient
    def summed(x: Any, *weights: Any) -> Any:
        y = tf.numpy_function(on_values, [words, x, *weights], tf.float32, stateful=False)
        y.set_shape(layer.compute_output_shape(x.shape))

        def gradient(*upstream: Any) -> Any:
            raise PrecisionError(
                f"layer {layer.name!r} sums in {accumulator}, which is emulated in inference and has no "
                "gradient; train without accumulators and evaluate with them, as method ptq does"
            )

        return y, gradient

    words = tf.convert_to_tensor(seed, tf.int32)
    tensors = [inputs, kernel] if bias is None else [inputs, kernel, bias]
    return summed(*(keras.ops.cast(t, "float32") for t in tensors))


def window_of(layer: Any) -> Window:
    """Return the window of a Keras dense, convolution or depthwise convolution layer."""
    sizes = getattr(layer, "kernel_size", None)
    if sizes is None:
        return Window()
    depthwise = hasattr(layer, "depth_multiplier")
    return Window(
        tuple(sizes),
        tuple(layer.strides),
        tuple(layer.dilation_rate),
        layer.padding,
        layer.kernel.shape[-2] if depthwise else layer.groups,
    )
