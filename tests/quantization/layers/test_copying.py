"""Copies of layers compute what the layers compute."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from precision.quantization.layers.copying import copied


def relu(x):
    return keras.ops.abs(x)


def test_a_function_that_is_called_as_one_of_keras_is_copied_as_it_is():
    """Keras writes it down by its name, under which it finds its own."""
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(4, 3)
    for layer in (layers.Activation(relu), layers.Dense(3, activation=relu, kernel_initializer="identity")):
        expected = layer(x)
        copy = copied(layer)
        np.testing.assert_array_equal(copy(x), expected)
        assert float(keras.ops.min(expected)) >= 0 and copy.activation is relu
    assert (
        copied(layers.Dense(3, activation="relu"), activation="linear").activation is keras.activations.linear
    )


class Steep:
    """Something that is called, and has a method that is."""

    def __init__(self, slope) -> None:
        self.slope = slope

    def __call__(self, x):
        return self.slope * keras.ops.relu(x)


FUNCTIONS = {
    "of no name": lambda x: 3 * x,
    "with an argument": functools.partial(keras.ops.leaky_relu, negative_slope=0.3),
    "of an object": Steep(2.0).__call__,
    "an object": Steep(3.0),
}


@pytest.mark.parametrize("how", FUNCTIONS)
def test_any_function_is_copied_as_it_is(how):
    """Keras finds only those again that are registered."""
    cell = layers.SimpleRNNCell(3, activation=FUNCTIONS[how])
    for layer in (layers.TimeDistributed(layers.Dense(3, activation=FUNCTIONS[how])), layers.RNN(cell)):
        x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 2, 3)
        expected, copy = layer(x), copied(layer)
        copy(x)
        copy.set_weights(layer.get_weights())
        np.testing.assert_array_equal(copy(x), expected)
    assert cell.activation is FUNCTIONS[how]
