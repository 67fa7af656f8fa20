"""Copies of layers compute what the layers compute."""

import keras
import numpy as np
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
