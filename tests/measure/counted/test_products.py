"""Bit operations, by hand."""

import keras
import pytest
from keras import layers

import architectures
from precision.measure.counted.cost import layer_costs
from precision.measure.counted.products import bit_operations
from precision.quantization import parse_policy
from precision.quantization.sites import sites


def bops(model, policy):
    found = sites(model, parse_policy(policy))
    return {cost.name: bit_operations(cost, found) for cost in layer_costs(model)}


def test_lenet_in_mixed_widths():
    policy = {
        "weights": "fixed(4,2)",
        "activations": "fixed(8,4)",
        "inputs": "ufixed(6,6)",
        "layers": {"dense2": {"weights": "float16"}},
    }
    found = bops(architectures.build("lenet"), policy)
    assert {name: value for name, value in found.items() if value} == {
        "conv1": 28 * 28 * 32 * 25 * 4 * 6,
        "conv2": 10 * 10 * 48 * 25 * 32 * 4 * 8,
        "dense1": 1200 * 256 * 4 * 8,
        "dense2": 256 * 84 * 16 * 8,
        "logits": 84 * 10 * 4 * 8,
    }
    assert sum(bops(architectures.build("lenet"), "float32").values()) == 4_796_744 * 32 * 32


def test_twice_the_width_of_a_layer_between_two_others_is_four_times_its_operations():
    one, two = (bops(architectures.build("lenet", width=float(w)), "fixed(8,4)") for w in (1, 2))
    assert two["conv1"] == 2 * one["conv1"] and two["conv2"] == 4 * one["conv2"]


def test_a_shared_scale_is_no_factor():
    found = bops(architectures.build("mlp"), {"weights": "mxfp4_e2m1", "activations": "fixed(8,4)"})
    assert found["logits"] == 1280 * 4 * 8


def test_what_is_read_in_several_formats_counts_in_its_shares():
    images = keras.Input((4, 4, 1))
    one, other = (layers.Conv2D(n, 1, name=f"conv{n}")(images) for n in (1, 3))
    both = layers.Concatenate()([one, other])
    model = keras.Model(images, layers.Conv2D(2, 1, name="last")(both))
    policy = {
        "activations": "fixed(8,4)",
        "weights": "fixed(8,4)",
        "layers": {"conv3": {"activations": "float16"}},
    }
    assert bops(model, policy)["last"] == pytest.approx(16 * 2 * (1 * 8 * 8 + 3 * 8 * 16))
