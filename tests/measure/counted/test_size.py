"""How large a network is, by hand."""

import keras
from keras import layers

from precision.measure.counted.size import NetworkSize, network_size


def test_a_small_network_by_hand():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    x = layers.Add(name="add")([x, layers.BatchNormalization(name="norm")(x)])
    model = keras.Model(inputs, layers.Dense(2, name="logits")(layers.Flatten(name="flatten")(x)))
    assert network_size(model) == NetworkSize(
        macs=8 * 8 * 4 * 9 + 256 * 2,
        values=4 * 256 + 2,  # of conv, norm, add and flatten
        parameters=(9 * 4 + 4) + 2 * 4 + (256 * 2 + 2),
        layers=5,
    )


def test_a_layer_of_an_unknown_kind_multiplies_each_weight_at_least_once():
    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

        def call(self, x):
            return x @ self.kernel

    model = keras.Sequential([keras.Input((6,)), Own(name="own")])
    assert network_size(model).macs == 36
