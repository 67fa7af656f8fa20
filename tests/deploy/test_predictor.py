"""A Keras model as a predictor, against NumPy."""

import hashlib

import keras
import ml_dtypes
import numpy as np
import pytest

from precision.deploy.predictor import KerasPredictor
from precision.measure.counted.packed import WeightMemory
from precision.methods.training import prepare
from precision.quantization import apply, parse_policy

KERNEL = np.random.default_rng(0).uniform(-1, 1, (4, 3)).astype(np.float32)
BIAS = np.float32([0.5, -0.25, 0])
IMAGES = np.random.default_rng(1).integers(0, 256, (5, 2, 2, 1)).astype(np.uint8)


def linear(dtype="float32"):
    inputs = keras.Input((2, 2, 1), dtype=dtype)
    flat = keras.layers.Flatten(dtype=dtype, name="flatten")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, dtype=dtype, name="logits")(flat))
    model.set_weights([KERNEL, BIAS])
    prepare(model)
    return model


def test_logits_of_both_types_of_images():
    predictor = KerasPredictor(linear())
    images = IMAGES.astype(np.float32) / np.float32(255)
    logits = predictor.logits(IMAGES)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, images.reshape(5, 4) @ KERNEL + BIAS, rtol=1e-5)
    np.testing.assert_array_equal(predictor.logits(images), logits)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_logits_of_half_precision_are_handed_on_as_float32(dtype):
    model = linear(dtype)
    logits = KerasPredictor(model).logits(IMAGES)
    assert logits.dtype == np.float32
    held = model.predict_on_batch(IMAGES.astype(np.float32) / np.float32(255))
    assert held.dtype == np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    np.testing.assert_array_equal(logits, held.astype(np.float32))


def test_variables_count_in_the_formats_of_the_policy_or_in_their_own_types():
    policy = parse_policy({"weights": "fixed(5,4)", "activations": "fixed(6,3)"})
    network = linear()
    rounded = KerasPredictor(apply(network, policy), policy, network)
    assert rounded.memory() == WeightMemory(15, 8 + 12, 60, (12 * 5 + 3 * 32) / 15)  # 60 bits, and the biases
    assert rounded.activation_bits() == 6
    plain, half = KerasPredictor(network), KerasPredictor(linear("float16"), parse_policy("float16"))
    assert plain.memory() == WeightMemory(15, 60, 60, 32)
    assert plain.activation_bits() == 32
    assert half.memory() == WeightMemory(15, 30, 60, 16)
    assert half.activation_bits() == 16


def test_the_digest_is_that_of_names_types_shapes_and_bytes():
    content = b"kernel\0float32[4, 3]\0" + KERNEL.tobytes() + b"bias\0float32[3]\0" + BIAS.tobytes()
    assert KerasPredictor(linear()).digest() == hashlib.sha256(content).hexdigest()
