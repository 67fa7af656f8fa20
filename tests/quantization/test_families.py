"""Every family of formats inside a network: what is computed, what is trained, what shares a trace."""

import keras
import numpy as np
import pytest

from precision.formats import parse
from precision.quantization import apply, assign, parse_policy, structure

FAMILIES = [
    "fixed(8,4,overflow=wrap)",
    "float(4,3,subnormals=False)",
    "posit(8,1)",
    "lns(8,3)",
    "nf4",
    "mxfp8_e4m3",
    "mxint8(block=5)",
    "bfp(6,block=4)",
    "nvfp4",
    "nf4(block=8)",
    "block(posit(8,0),6)",
]


def dense(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12,))
    return keras.Model(inputs, keras.layers.Dense(7, name="dense")(inputs))


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.4, (count, 12)).astype(np.float32)


@pytest.mark.parametrize("text", FAMILIES)
def test_a_layer_computes_on_rounded_values_with_blocks_along_its_sum(text):
    model, f, x = dense(), parse(text), images()
    quantised = apply(model, parse_policy({"weights": text, "biases": text, "inputs": text}))
    kernel, bias = (v.numpy() for v in model.get_layer("dense").weights)
    expected = f.quantize(x) @ f.quantize(kernel, axis=-2) + f.quantize(bias)
    np.testing.assert_allclose(quantised.predict_on_batch(x), expected, rtol=1e-5, atol=1e-6)
    if f.block is not None:
        across = f.quantize(x) @ f.quantize(kernel, axis=-1) + f.quantize(bias)
        assert not np.allclose(expected, across, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", FAMILIES)
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_training_moves_the_weights(text, rounding):
    model = apply(dense(), parse_policy({"weights": text, "activations": text, "rounding": rounding}))
    before = [v.numpy() for v in model.trainable_variables]
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # or TensorFlow traces the step twice
    history = model.fit(images(64), np.arange(64) % 7, batch_size=16, verbose=0)
    after = [v.numpy() for v in model.trainable_variables]
    assert np.isfinite(history.history["loss"]).all()
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


def test_a_convolution_shares_scales_among_its_input_channels():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 8))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv", use_bias=False)(inputs))
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    f = parse("mxfp4_e2m1(block=4)")
    plain = keras.models.clone_model(model)
    plain.set_weights([f.quantize(model.weights[0].numpy(), axis=2)])
    quantised = apply(model, parse_policy({"weights": f.name}))
    np.testing.assert_array_equal(quantised.predict_on_batch(x), plain.predict_on_batch(x))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("mxfp8_e4m3", "mxfp4_e2m1(scale=even)", True),  # one kernel, other numbers
        ("mxfp8_e4m3", "mxfp8_e4m3(block=16)", False),
        ("posit(8,1)", "lns(8,3)", True),  # tables of one size
        ("posit(8,1)", "posit(16,1)", False),
        ("fixed(8,4)", "fixed(8,4,overflow=wrap)", False),
        ("fixed(8,4)", "float6_e3m2fn", True),
    ],
)
def test_what_shares_a_traced_model(first, second, same):
    model, x = dense(), images()
    policies = parse_policy(first), parse_policy(second)
    assert (structure(model, policies[0]) == structure(model, policies[1])) is same
    if same:
        quantised = apply(model, policies[0])
        quantised.compile(jit_compile=False)
        quantised.predict_on_batch(x)
        traces = quantised.predict_function.experimental_get_tracing_count()
        assign(quantised, model, policies[1])
        changed = quantised.predict_on_batch(x)
        assert quantised.predict_function.experimental_get_tracing_count() == traces
        np.testing.assert_array_equal(changed, apply(model, policies[1]).predict_on_batch(x))


def test_gradients_stop_where_a_table_clips_and_nowhere_in_a_block():
    import tensorflow as tf

    from precision.quantization import Setting
    from precision.quantization.quantizer import Quantizer

    class Holder(keras.layers.Layer):
        pass

    x = tf.Variable([0.3, -0.9, 5.0, -7.0])
    for text, expected in {
        "nf4": [1, 1, 0, 0],
        "mxfp4_e2m1": [1, 1, 1, 1],
        "posit(8,0)": [1, 1, 1, 1],
    }.items():
        quantizer = Quantizer(Holder(), "weights", Setting(parse(text)))
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(quantizer(x))
        np.testing.assert_array_equal(tape.gradient(y, x), expected)
