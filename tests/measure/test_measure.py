import math

import numpy as np
import pytest

import architectures
from precision.measure.counted.packed import activation_bits, weight_memory
from precision.quantization import parse_policy


def test_weights_are_counted_in_their_own_bits():
    model = architectures.build("mlp")  # 784*128 + 128 + 128*10 + 10
    memory = weight_memory(model, parse_policy({"weights": "fixed(6,5)", "biases": "float16"}))
    kernels, biases = 784 * 128 + 1280, 138
    assert memory.parameters == kernels + biases == 101_770
    assert memory.bytes == math.ceil((6 * kernels + 16 * biases) / 8)
    assert memory.float32_bytes == 4 * 101_770
    assert memory.bits == pytest.approx((6 * kernels + 16 * biases) / 101_770)


def test_scales_and_zero_points_are_counted():
    model = architectures.build("mlp")
    affine = {"format": "int(4)", "scaling": "real", "per": "channel", "zero_point": True}
    memory = weight_memory(model, parse_policy({"weights": affine, "biases": "fixed(8,auto)"}))
    # A float32 and a 4-bit code for each of 128 and of 10 channels; two biases with a byte each.
    bits = 4 * (784 * 128 + 1280) + (32 + 4) * (128 + 10) + 8 * 138 + 2 * 8
    assert memory.bytes == bits / 8 and memory.bits == pytest.approx(bits / 101_770)
    power = {**affine, "scaling": "pow2", "zero_point": False}
    assert (
        weight_memory(model, parse_policy({"weights": power})).bytes == (784 * 128 + 1280) / 2 + 138 + 4 * 138
    )


def test_statistics_stay_float32():
    model = architectures.build("resnet", depth=8)
    memory = weight_memory(model, parse_policy("fixed(8,4)"))
    statistics = sum(int(np.prod(v.shape)) for layer in model.layers for v in layer.non_trainable_weights)
    assert statistics > 0
    assert memory.bytes == memory.parameters + 3 * statistics


def test_bits_of_activations():
    model = architectures.build("mlp")
    assert activation_bits(model, parse_policy("fixed(8,4)")) == 8
    assert activation_bits(model, parse_policy({"weights": "fixed(8,4)"})) == 32
    assert math.isnan(
        activation_bits(model, parse_policy({"activations": "float16", "layers": {"logits": "float32"}}))
    )
