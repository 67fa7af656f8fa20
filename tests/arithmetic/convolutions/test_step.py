"""The training step that is written out: against Keras' gradients and optimizer, and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from killed import Dies

from precision.arithmetic.convolutions import CONVOLUTIONS, convolution
from precision.arithmetic.convolutions.parallel import Parallel
from precision.arithmetic.convolutions.step import Adam, Convolve, Dense, Flatten, Network, Pool, Rectify
from precision.arithmetic.window import Window
from precision.errors import PrecisionError

RNG = np.random.default_rng(7)
IMAGES = RNG.random((6, 14, 13, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, 6)
FAST = [name for name in CONVOLUTIONS if name != "naive"]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(IMAGES.shape[1:]),
            layers.Conv2D(4, 3, activation="relu", bias_initializer="normal"),
            layers.Conv2D(5, 3, padding="same", activation="relu", bias_initializer="normal"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(7, activation="relu", bias_initializer="normal"),
            layers.Dense(3),
        ]
    )


def written_out(model, dtype=np.float32):
    values = [variable.numpy().astype(dtype) for variable in model.trainable_variables]
    first, second, third, last = (values[i : i + 2] for i in range(0, 8, 2))
    plain, same = (Window((3, 3), (1, 1), (1, 1), padding) for padding in ("valid", "same"))
    return Network(
        [
            Convolve(first, plain),
            Rectify(),
            Convolve(second, same),
            Rectify(),
            Pool(2),
            Flatten(),
            Dense(third),
            Rectify(),
            Dense(last),
        ]
    )


@pytest.mark.parametrize("name", FAST)
def test_gradients_are_those_of_keras(model, name):
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, model(IMAGES))
    expected = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    found, gradients = written_out(model).gradients(IMAGES, LABELS, convolution(name))
    assert found == pytest.approx(float(loss), rel=1e-5)
    for gradient, one in zip(gradients, expected, strict=True):
        size = np.abs(one).max()
        assert gradient.dtype == np.float32
        # Winograd's tiles of four lose some digits, as its paper says.
        assert np.abs(gradient - one).max() <= (1e-4 if name == "winograd4" else 1e-5) * size


def test_gradients_are_finite_differences(model):
    """In float64, one variable after the other, some numbers of each."""
    network = written_out(model, np.float64)
    x = IMAGES.astype(np.float64)
    _, gradients = network.gradients(x, LABELS, convolution("direct"))
    for variable, gradient in zip(network.variables, gradients, strict=True):
        flat = variable.reshape(-1)
        for at in RNG.choice(flat.size, min(4, flat.size), replace=False):
            before, losses = flat[at], []
            for moved in (before + 1e-6, before - 1e-6):
                flat[at] = moved
                losses.append(network.gradients(x, LABELS, convolution("direct"))[0])
            flat[at] = before
            assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(gradient.reshape(-1)[at], abs=1e-7)


def test_adam_is_that_of_keras():
    start = [RNG.normal(size=(3, 4)).astype("f"), RNG.normal(size=4).astype("f")]
    theirs = [keras.Variable(value) for value in start]
    optimizer = keras.optimizers.Adam(2e-3, beta_1=0.95, beta_2=0.99)
    mine = [value.copy() for value in start]
    adam = Adam(mine, 2e-3, beta1=0.95, beta2=0.99)
    for _ in range(20):
        gradients = [RNG.normal(size=value.shape).astype("f") for value in start]
        optimizer.apply([tf.constant(g) for g in gradients], theirs)
        adam.step(gradients)
    for one, other in zip(mine, theirs, strict=True):
        assert one == pytest.approx(other.numpy(), rel=2e-6, abs=1e-7)


@pytest.mark.parametrize("name", ["im2col", "direct", "pixel_matrix"])
def test_workers_return_what_one_returns(model, name):
    """Threads and processes; an odd batch, so that the parts differ."""
    network, x, y = written_out(model, np.float64), IMAGES[:5].astype(np.float64), LABELS[:5]
    logits, loss, gradients = network.step(x, y, convolution(name))
    with Parallel(convolution(name), 2) as shared:
        found, mean, by_parts = shared.step(network, x, y)
        assert found == pytest.approx(logits) and mean == pytest.approx(loss)
        for one, other in zip(by_parts, gradients, strict=True):
            assert one == pytest.approx(other)
        assert shared.logits(network, x) == pytest.approx(logits)
        assert shared.logits(network, x[:1]) == pytest.approx(logits[:1])
        with pytest.raises(PrecisionError, match="a batch of 1 images cannot be shared among 2 workers"):
            shared.step(network, x[:1], y[:1])


def test_a_killed_worker_fails_and_nothing_hangs():
    layer = Convolve([np.zeros((3, 3, 1, 1)), np.zeros(1)], Window((3, 3), (1, 1), (1, 1)))
    with Parallel(Dies(), 2) as shared, pytest.raises(PrecisionError, match="'dies' ended before its work"):
        shared.logits(Network([layer]), np.zeros((2, 3, 3, 1)))
    with pytest.raises(PrecisionError, match="workers must be at least 1, but got 0"):
        Parallel(convolution("naive"), 0)
