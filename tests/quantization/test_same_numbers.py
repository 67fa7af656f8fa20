"""The same numbers as PyTorch, the ONNX standard, Ristretto and QKeras, to the last bit."""

import functools
import math

import keras
import numpy as np
import pytest
from kernels import AFFINE, REAL, assert_same_bits, dynamic, extremes, on_tensors, setting

from precision.formats import parse
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import observe
from precision.quantization.scales.base import Backward
from precision.quantization.scales.kernel import numbers_for, program_of, scale_and_zero


@functools.cache
def weights():
    x = np.random.default_rng(5).normal(size=(16, 3, 3, 8)).astype(np.float32)
    x *= np.exp2(np.arange(8, dtype=np.float32))
    x[0, 0, 0] = [0.5, -0.5, 1.5, 2.5, 0, 1e-30, -1e-30, 1]
    return x


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize("text", ["int(8)", "int(8,symmetric=True)", "int(4)"])
def test_pytorch_fake_quantises_per_channel_to_the_same_bits(axis, text):
    import torch

    x, s, f = weights(), setting(text, **REAL, per="channel"), parse(text)
    numbers = numbers_for(s, *extremes(s, x, axis))
    scale, zero = scale_and_zero(s, numbers)
    for t in (x, x * np.float32(1.7)):  # and where it clips
        parameters = torch.tensor(scale), torch.tensor(zero.astype(np.int32))
        limits = int(f.lowest), int(f.max)
        theirs = torch.fake_quantize_per_channel_affine(torch.tensor(t), *parameters, axis, *limits)
        np.testing.assert_array_equal(program_of(s)[0].array(t, numbers, axis=axis), theirs.numpy())
        np.testing.assert_array_equal(on_tensors(s, t, numbers, axis), theirs.numpy())


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 5.0), (-2.5, 0.0), (-0.013, 0.7)])
def test_pytorch_fake_quantises_an_affine_tensor_to_the_same_bits(low, high):
    import torch

    s = setting("uint(8)", **AFFINE)
    x = np.random.default_rng(2).uniform(1.2 * low - 0.1, 1.2 * high + 0.1, 20_000).astype(np.float32)
    numbers = numbers_for(s, np.float32([low]), np.float32([high]))
    scale, zero = scale_and_zero(s, numbers)
    theirs = torch.fake_quantize_per_tensor_affine(torch.tensor(x), float(scale[0]), int(zero[0]), 0, 255)
    np.testing.assert_array_equal(program_of(s)[0].array(x, numbers), theirs.numpy())
    np.testing.assert_array_equal(on_tensors(s, x, numbers), theirs.numpy())


# The examples of the operator DynamicQuantizeLinear in the ONNX standard.
ONNX = [
    ([0, 2, -3, -2.5, 1.34, 0.5], 0.0196078438, 153, [153, 255, 0, 26, 221, 179]),
    ([-1, -2.1, -1.3, -2.5, -3.34, -4], 0.0156862754, 255, [191, 121, 172, 96, 42, 0]),
    ([1, 2.1, 1.3, 2.5, 3.34, 4, 1.5, 2.6, 3.9, 4, 3, 2.345], 0.0156862754, 0,
     [64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149]),
]  # fmt: skip


@pytest.mark.parametrize(("x", "scale", "zero", "codes"), ONNX)
def test_the_examples_of_onnx(x, scale, zero, codes):
    s, x = setting("uint(8)", **AFFINE), np.float32(x)
    numbers = numbers_for(s, *extremes(s, x))
    found = scale_and_zero(s, numbers)
    assert (found[0][0], found[1][0]) == (pytest.approx(scale, rel=1e-7), zero)
    y = dynamic(s, x)
    assert_same_bits(program_of(s)[0].array(x, numbers), y)
    # -2.5 is 127.5 steps: a tie under the reciprocal of PyTorch, and just below under the division of ONNX.
    tie = np.abs(np.abs(x / found[0] % 1) - 0.5) < 1e-4
    np.testing.assert_array_equal((y / found[0] + zero).round()[~tie], np.float32(codes)[~tie])
    assert (np.abs((y / found[0] + zero).round() - np.float32(codes)) <= tie).all()


def test_onnx_rounds_half_to_even_before_it_adds_the_zero_point():
    s = setting("uint(8)", **AFFINE)
    numbers = numbers_for(s, np.float32([-254]), np.float32([256]))
    scale, zero = scale_and_zero(s, numbers)
    assert (scale[0], zero[0]) == (2, 127)  # odd: to round after it would turn every tie the other way
    x = np.float32([1, 3, 5, -1, -3, -5, 1000, -1000])
    np.testing.assert_array_equal(program_of(s)[0].array(x, numbers), [0, 4, 4, 0, -4, -4, 256, -254])


# Dynamic fixed point: P. Gysel et al. 2016, il = ceil(log2(max |x|) + 1), fl = bw - il.
RISTRETTO = [
    # bw, x, fl, codes
    (8, [0.9, -0.3, 0.00390625], 7, [115, -38, 0]),  # 115.2, -38.4, a tie to even
    (8, [1.0, -0.5], 7, [127, -64]),  # a power of two needs one more bit than it gets
    (8, [-1.0, 0.5], 7, [-128, 64]),
    (8, [1.5, -0.7, 0.01], 6, [96, -45, 1]),
    (8, [4.0, 3.96875, -4.0], 5, [127, 127, -128]),
    (8, [5.0, -0.3], 4, [80, -5]),
    (8, [0.1, 0.0625], 10, [102, 64]),
    (4, [0.5, -1.7, 2.9, 0.03], 1, [1, -3, 6, 0]),
    (4, [100.0, 40.0, -7.0], -4, [6, 2, 0]),  # steps of 16: 6.25, a tie, -0.44
    (16, [0.7071, -0.1], 15, [23170, -3277]),
]


@pytest.mark.parametrize(("bw", "x", "fl", "codes"), RISTRETTO)
def test_dynamic_fixed_point_is_ristrettos(bw, x, fl, codes):
    x = np.float32(x)
    assert fl == bw - math.ceil(math.log2(np.abs(x).max()) + 1)
    y = np.float64(codes) * 2.0**-fl
    s = setting(f"fixed({bw},auto)")
    numbers = numbers_for(s, *extremes(s, x))
    np.testing.assert_array_equal(program_of(s)[0].array(x, numbers), y)
    np.testing.assert_array_equal(dynamic(s, x), y)
    fixed = parse(f"fixed({bw},{fl})")
    np.testing.assert_array_equal(fixed.quantize(x), y)


# QKeras: C. Coelho et al. 2021, "Automatic heterogeneous quantization of deep neural networks".


def quantized_bits(x, bits, integer=0, symmetric=False):
    """quantized_bits(bits, integer, symmetric, alpha=1, keep_negative=True) as QKeras defines it."""
    m, m_i = 2.0 ** (bits - 1), 2.0**integer
    p = np.float64(x) * m / m_i
    return m_i * np.clip(np.rint(p) / m, -1 + symmetric / m, 1 - 1 / m)


QUANTIZED_BITS = [(8, 0, False), (4, 0, True), (6, 2, False), (5, 3, True)]


@pytest.mark.parametrize(("bits", "integer", "symmetric"), QUANTIZED_BITS)
def test_fixed_point_is_quantized_bits(bits, integer, symmetric):
    x = np.linspace(-2.5, 2.5, 5001, dtype=np.float32) * np.float32(2.0**integer)
    f = parse(f"fixed({bits},{bits - integer - 1},symmetric={symmetric})")
    np.testing.assert_array_equal(f.quantize(x), quantized_bits(x, bits, integer, symmetric))


def test_a_training_step_on_quantized_bits():
    """Forward and backward of two dense layers; QKeras lets gradients pass straight through."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, "relu", bias_initializer="normal", name="a")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, bias_initializer="normal", name="b")(hidden))
    policy = {"weights": "fixed(4,3,symmetric=True)", "biases": "fixed(6,5)", "activations": "fixed(8,4)"}
    trained = apply(model, parse_policy(policy), backward=Backward(clip=False, follow=True))
    x = np.random.default_rng(0).normal(0, 2, (16, 6)).astype(np.float32)
    x = quantized_bits(x, 8, 3).astype(np.float32)  # products and sums of such numbers are exact
    upstream = np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        y = trained(x, training=True)
    variables = [v.value for v in trained.trainable_variables]
    gradients = tape.gradient(y, variables, output_gradients=tf.constant(upstream))

    w1, b1, w2, b2 = (np.float64(v) for v in model.get_weights())
    k1, k2 = (quantized_bits(w, 4, 0, symmetric=True) for w in (w1, w2))
    before = x @ k1 + quantized_bits(b1, 6)
    h = quantized_bits(np.maximum(before, 0), 8, 3)
    np.testing.assert_array_equal(y, quantized_bits(h @ k2 + quantized_bits(b2, 6), 8, 3))
    back = upstream @ k2.T * (before > 0)
    by_hand = [x.T @ back, back.sum(0), h.T @ upstream, upstream.sum(0)]
    for gradient, expected in zip(gradients, by_hand, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


# A network


def test_an_int8_network_is_that_of_pytorch():
    import torch
    from torch.nn import functional

    keras.utils.set_random_seed(5)
    x = inputs = keras.Input((12, 12, 2))
    x = keras.layers.Conv2D(6, 3, activation="relu", bias_initializer="normal", name="conv")(x)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2, name="pool")(x))
    model = keras.Model(inputs, keras.layers.Dense(10, bias_initializer="normal", name="logits")(x))
    images = np.random.default_rng(0).random((40, 12, 12, 2)).astype(np.float32)
    affine = {"format": "uint(8)", **AFFINE}
    policy = parse_policy(
        {
            "weights": {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"},
            "activations": affine,
            "inputs": affine,
        }
    )
    seen = observe(model, calibrated(model, policy), images[:32])
    quantised = apply(model, policy, observed=seen)
    quantised.compile(jit_compile=False)

    # The same network of PyTorch's parts, with ranges of its own.
    (w1, b1), (w2, b2) = (layer.get_weights() for layer in model.layers if layer.weights)
    w1, w2 = torch.tensor(w1).permute(3, 2, 0, 1), torch.tensor(w2).T

    def convolve(x, kernel):
        y = functional.conv2d(x.permute(0, 3, 1, 2), kernel, torch.tensor(b1)).relu()
        return functional.max_pool2d(y, 2).permute(0, 2, 3, 1)

    def dense(x, kernel):
        return functional.linear(x.flatten(1), kernel, torch.tensor(b2))

    def of_channels(layer, kernel):
        """The kernel of PyTorch, under the scales of ours, which are compared with its range."""
        quantizer = quantised.get_layer(layer).quantizers["weights"]
        scale, zero = scale_and_zero(quantizer.scale.setting, quantizer.scale.parameters.numpy())
        np.testing.assert_allclose(scale, kernel.abs().flatten(1).amax(1) / 127, rtol=3e-7)
        zero = torch.tensor(zero.astype(np.int32))
        return torch.fake_quantize_per_channel_affine(kernel, torch.tensor(scale), zero, 0, -127, 127)

    def of_tensor(layer, slot, floats, x):
        quantizer = quantised.get_layer(layer).quantizers[slot]
        scale, zero = scale_and_zero(quantizer.scale.setting, quantizer.scale.parameters.numpy())
        low, high = min(float(floats[:32].min()), 0.0), max(float(floats[:32].max()), 0.0)
        assert scale[0] == pytest.approx((high - low) / 255, rel=1e-6)
        assert zero[0] == pytest.approx(-low / scale[0], abs=0.501)
        return torch.fake_quantize_per_tensor_affine(x, float(scale[0]), int(zero[0]), 0, 255)

    k1, k2 = of_channels("conv", w1), of_channels("logits", w2)
    floats = torch.tensor(images)
    first = of_tensor("conv", "inputs", floats, floats)
    hidden = of_tensor("pool", "activations", convolve(floats, w1), convolve(first, k1))
    logits = of_tensor("logits", "activations", dense(convolve(floats, w1), w2), dense(hidden, k2))

    # Ours, tensor by tensor.
    parts = keras.Model(quantised.input, [quantised.get_layer(n).output for n in ("pool", "logits")])
    parts.compile(jit_compile=False)
    ours = parts.predict_on_batch(images)
    for name, kernel, back in (("conv", k1, (2, 3, 1, 0)), ("logits", k2, (1, 0))):
        layer = quantised.get_layer(name)
        rounded = layer.quantizers["weights"](layer.layer.kernel, -1)
        np.testing.assert_array_equal(rounded, kernel.permute(*back).numpy())
    read = quantised.get_layer("conv").quantizers["inputs"](images)
    np.testing.assert_array_equal(read, first.numpy())
    # Sums are added in another order, so that a value beside a tie may fall on its other side.
    for mine, theirs in zip(ours, (hidden, logits), strict=True):
        step = np.diff(np.unique(theirs.numpy())).min()
        assert (mine == theirs.numpy()).mean() > 0.99
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1.001 * step)
    np.testing.assert_array_equal(quantised.predict_on_batch(images), ours[1])
