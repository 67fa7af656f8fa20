"""Training through multipliers: forward it is the network of integers, backward what the options say."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from precision.arithmetic.multipliers import parse_multiplier
from precision.deploy.integer import Arithmetic, integer_network
from precision.deploy.integer.training import train_through
from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.model import calibrated

RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.random((6, 6, 6, 2)).astype(np.float32)
WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
SIGNED = {"format": "int(8)", "scaling": "real"}
POLICY = parse_policy({"weights": WEIGHTS, "activations": SIGNED, "inputs": SIGNED})
POLICIES = {"symmetric": POLICY, "affine": parse_policy("int8")}


def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu", bias_initializer="ones", name="conv"),
            layers.DepthwiseConv2D(3, strides=2, activation="relu", name="deep"),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )


@functools.cache
def observed(kind):
    """Return what calibration sees of the network, which is always the same."""
    return Calibrator(network(), IMAGES).statistics(calibrated(network(), POLICIES[kind]), values=False)


def quantised(kind="symmetric"):
    return apply(network(), POLICIES[kind], observed=observed(kind))


@functools.cache
def emulated(kind):
    """Return what the network says of the images where its products are exact."""
    return quantised(kind).predict_on_batch(IMAGES)


def chosen(name):
    multiplier = parse_multiplier(name)
    return lambda layer: Arithmetic(multiplier)


@pytest.mark.parametrize("gradient", ["straight", "slopes"])
@pytest.mark.parametrize("name", ["drum(8,3)", "mitchell(8)", "exact(8)"])
@pytest.mark.parametrize("kind", POLICIES)
def test_forward_it_is_the_network_of_integers(kind, name, gradient):
    model, plain = quantised(kind), emulated(kind)
    train_through(model, chosen(name), gradient)
    found, expected = model.predict_on_batch(IMAGES), integer_network(model, chosen(name))(IMAGES)
    step = np.diff(np.unique(expected)).min()
    assert np.abs(found - expected).max() < 1.01 * step  # a bias is real here, and a code there
    assert np.mean(found != expected) < 0.3
    assert name == "exact(8)" or np.abs(found - plain).max() > 3 * step


def gradients(model, upstream):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        y = model(IMAGES, training=True)
        loss = keras.ops.sum(y * upstream)
    return [np.asarray(g) for g in tape.gradient(loss, [v.value for v in model.trainable_variables])]


def test_backward_straight_is_that_of_the_exact_products():
    """With an exact multiplier both, and the emulation, have one gradient; with another straight keeps it."""
    upstream = RANDOM.normal(size=(6, 3)).astype(np.float32)
    expected = gradients(quantised(), upstream)
    for gradient in ("straight", "slopes"):
        model = quantised()
        train_through(model, chosen("exact(8)"), gradient)
        for found, wanted in zip(gradients(model, upstream), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_slopes_are_those_of_the_table_by_finite_differences():
    """A dense layer alone: the mean change of its sum when an operand moves by half its range."""
    keras.utils.set_random_seed(1)
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, use_bias=False, name="logits")])
    x = RANDOM.normal(size=(40, 5)).astype(np.float32)
    policy = parse_policy(
        {"weights": {**WEIGHTS, "per": "tensor"}, "activations": "float32", "inputs": SIGNED}
    )
    observed = Calibrator(inner, x).statistics(calibrated(inner, policy), values=False)
    model = apply(inner, policy, observed=observed)
    multiplier = parse_multiplier("truncated(8,6,signed=True)")
    train_through(model, lambda layer: Arithmetic(multiplier), "slopes")
    import tensorflow as tf

    value = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = keras.ops.sum(model(value, training=True)[:, 0])
    found = np.asarray(tape.gradient(loss, value))[0]
    (linear,) = integer_network(model, lambda layer: Arithmetic(multiplier)).linear
    a, codes = np.arange(-128, 128), linear.w[:, 0]
    slopes = [np.polyfit(a, multiplier.multiply(a, np.full(256, w)), 1)[0] for w in codes]
    np.testing.assert_allclose(found, np.array(slopes) * linear.scales[0], rtol=1e-4, atol=1e-6)
    assert np.abs(np.array(slopes) - codes).max() > 0.05  # and not those of the exact product


@pytest.mark.parametrize("gradient", ["straight", "slopes"])
def test_training_through_a_bad_multiplier_makes_up_for_its_loss(gradient):
    """Beside the same network that was trained as long without it."""
    y = RANDOM.integers(0, 3, 300)
    x = (RANDOM.random((300, 6, 6, 2)) + np.eye(3)[y][:, :2].reshape(-1, 1, 1, 2)).astype(np.float32)
    bad, losses = chosen("truncated(8,9,signed=True)"), {}
    for through in (False, True):
        keras.utils.set_random_seed(1)
        parts = [layers.Flatten(), layers.Dense(16, "relu", name="hidden"), layers.Dense(3, name="logits")]
        model = trained(keras.Sequential([keras.Input((6, 6, 2)), *parts]), x, y, 0.01)
        observed = Calibrator(model, x).statistics(calibrated(model, POLICY), values=False)
        model = apply(model, POLICY, observed=observed)
        if through:
            train_through(model, bad, gradient)
        logits = integer_network(trained(model, x, y, 0.003), bad)(x)
        loss = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        losses[through] = float(np.mean(loss))
    assert losses[True] < 0.5 * losses[False]


def trained(model, x, y, rate):
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=5, batch_size=50, verbose=0)
    return model


def test_a_layer_that_reads_several_scales_is_not_trained():
    """Neither one that is called twice, nor one that reads a part of what a moving scale was found for."""
    moving = {"format": "int(8,symmetric=true)", "scaling": "real", "dynamic": True}
    x = keras.Input((6, 6, 2))
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    twice = keras.Model(x, layers.Flatten()(shared(shared(x))))
    cropped = keras.Model(x, layers.Dense(3, name="shared")(layers.Flatten()(layers.Cropping2D(1)(x))))
    policies = POLICY, parse_policy({"weights": WEIGHTS, "activations": moving, "inputs": moving})
    for model, policy in zip((twice, cropped), policies, strict=True):
        wanted = calibrated(model, policy)
        observed = Calibrator(model, IMAGES).statistics(wanted, values=False) if wanted else {}
        with pytest.raises(PrecisionError, match="'shared' reads tensors of several scales, or a part"):
            train_through(apply(model, policy, observed=observed), chosen("drum(8,3)"))


def test_what_cannot_be_trained_is_named(monkeypatch):
    x = keras.Input((6, 2))
    model = keras.Model(x, layers.Dense(3)(layers.Conv1D(2, 3, padding="causal", name="early")(x)))
    images = IMAGES[:, 0]
    observed = Calibrator(model, images).statistics(calibrated(model, POLICY), values=False)
    with pytest.raises(PrecisionError, match="'early' has causal padding"):
        train_through(apply(model, POLICY, observed=observed), chosen("drum(8,3)"))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(PrecisionError, match=r"jax backend .* KERAS_BACKEND=tensorflow"):
        train_through(quantised(), chosen("drum(8,3)"))
