"""Effective bit operations: by hand, and on LeNet as the library HGQ2 counts them."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

import architectures
from precision.measure.counted.effective import effective_bit_operations, spans, spans_of
from precision.quantization import apply, parse_policy


def ebops(model, policy):
    policy = parse_policy(policy)
    return effective_bit_operations(model, policy, spans_of(apply(model, policy)))


@given(st.integers(-(2**40), 2**40), st.integers(-30, 30))
def test_a_span_is_that_of_the_binary_digits(code, exponent):
    digits = f"{abs(code):b}".strip("0")
    assert spans(np.array([code * 2.0**exponent])) == len(digits)


def dense(kernel, bias=True):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, use_bias=bias, name="dense")])
    model.get_layer("dense").kernel.assign(kernel)
    return model


def test_a_dense_layer_by_hand():
    kernel = np.array([[0.5, -0.75], [0.0, 1.25]])  # 0.1, 0.11, 0 and 1.01: spans 1, 2, 0 and 3
    policy = {"weights": "fixed(8,6)", "inputs": "ufixed(5,5)", "activations": "fixed(8,4)"}
    assert ebops(dense(kernel), policy) == (1 + 2 + 0 + 3) * 5
    assert ebops(dense(kernel, bias=False), policy) == (1 + 2 + 0 + 3) * 5
    signed = {**policy, "inputs": "fixed(5,3)"}
    assert ebops(dense(kernel), signed) == (1 + 2 + 0 + 3) * 4  # the sign does not count


def test_the_codes_of_weights_with_a_scale_count():
    kernel = np.array([[127, -96], [0, 20]]) * 0.01  # 1111111, 1100000, 0 and 10100: spans 7, 2, 0 and 3
    weights = {"format": "int(8,symmetric=true)", "scaling": "real"}
    policy = {"weights": weights, "inputs": "ufixed(8,8)", "activations": "fixed(8,4)"}
    assert ebops(dense(kernel), policy) == (7 + 2 + 0 + 3) * 8


def test_zeros_of_a_padding_are_no_factors():
    model = keras.Sequential([keras.Input((3, 3, 1)), layers.Conv2D(1, 3, padding="same", name="conv")])
    model.get_layer("conv").kernel.assign(np.ones((3, 3, 1, 1)))
    policy = {"weights": "fixed(8,6)", "inputs": "ufixed(4,4)", "activations": "fixed(8,4)"}
    inside = sum((3 - abs(i)) * (3 - abs(j)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    assert ebops(model, policy) == inside * 1 * 4
    padded = keras.Sequential(
        [keras.Input((3, 3, 1)), layers.ZeroPadding2D(1), layers.Conv2D(1, 3, name="conv")]
    )
    padded.get_layer("conv").kernel.assign(np.ones((3, 3, 1, 1)))
    assert ebops(padded, policy) == inside * 1 * 4


def test_what_is_read_in_several_widths():
    images = keras.Input((4, 4, 1))
    one, other = (layers.Conv2D(n, 1, name=f"conv{n}")(images) for n in (1, 3))
    last = layers.Conv2D(1, 1, name="last")
    model = keras.Model(images, last(layers.Concatenate()([one, other])))
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(np.full(layer.kernel.shape, 0.75))
    policy = {
        "weights": "fixed(8,6)",
        "inputs": "ufixed(8,8)",
        "activations": "fixed(9,4)",
        "layers": {"conv3": {"activations": "fixed(5,4)"}},
    }
    assert ebops(model, policy) == 16 * 2 * (8 + 3 * 8) + 16 * 2 * (1 * 8 + 3 * 4)


def test_operations_that_move_values_move_their_bits():
    images = keras.Input((4, 4, 2))
    one, other = keras.ops.split(images, 2, axis=-1)
    x = keras.ops.concatenate([layers.Conv2D(3, 1, name="conv")(one), other], axis=-1)
    x = keras.ops.transpose(keras.ops.reshape(x, (-1, 16, 4)), (0, 2, 1))[:, 1:]
    model = keras.Model(images, layers.Dense(1, name="last")(x))
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(np.full(layer.kernel.shape, 0.75))
    policy = {"weights": "fixed(8,6)", "inputs": "ufixed(3,3)", "activations": "fixed(9,4)"}
    assert ebops(model, policy) == 16 * 3 * 2 * 3 + 16 * 2 * (2 * 8 + 1 * 3)


def test_products_of_two_activations():
    images = keras.Input((4, 3))
    one, other = (layers.Dense(5, name=name)(images) for name in ("one", "other"))
    model = keras.Model(images, keras.ops.matmul(one, keras.ops.transpose(other, (0, 2, 1))))
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(np.ones(layer.kernel.shape))
    policy = {"weights": "fixed(8,6)", "inputs": "ufixed(3,3)", "activations": "fixed(9,4)"}
    assert ebops(model, policy) == 2 * 4 * 3 * 5 * 1 * 3 + 4 * 4 * 5 * 8 * 8


@pytest.mark.parametrize(
    "policy", ["float16", {"weights": "fixed(8,6)", "activations": "fixed(8,4)"}, {"weights": "fixed(8,6)"}]
)
def test_other_products_have_none(policy):
    assert np.isnan(ebops(architectures.build("mlp", width=0.1), policy))


def test_a_layer_of_another_kind_has_none():
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4)])
    assert np.isnan(ebops(model, "fixed(8,6)"))


def test_lenet_as_hgq2_counts_it():
    """The count is that of HGQ2 0.2.0; benchmarks/effective_operations.py asks it again."""
    model, rng = architectures.build("lenet"), np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.weights])
    policy = {"weights": "fixed(8,6)", "activations": "fixed(8,4)", "inputs": "ufixed(8,8)"}
    assert ebops(model, policy) == 64_179_988
