"""A copy of a network that computes with variables of the network is found."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from precision.errors import PrecisionError
from precision.quantization import Policy, apply
from precision.quantization.apart import check_apart


class Through(layers.Layer):
    """A user's layer that calls a function."""

    def __init__(self, function, **options) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, x):
        return self.function(x)

    def get_config(self):
        return {**super().get_config(), "function": self.function}


READERS = {
    "a Lambda": lambda function: layers.Lambda(function),
    "an activation": lambda function: layers.Dense(4, activation=function),
    "a layer of a user's": Through,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_function_that_reads_a_variable_around_it_is_found(reader):
    x, dense = keras.Input((4,)), layers.Dense(4, name="table")
    images = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)

    def tied(x):
        return ops.matmul(x, ops.transpose(dense.kernel))

    for function, free in ((tied, False), (lambda x: 3 * ops.relu(x), True)):
        model = keras.Model(x, READERS[reader](function)(dense(x)))
        before, copy = model.get_weights(), apply(model, Policy())
        np.testing.assert_array_equal(copy(images), model(images))
        if free:
            check_apart(model, copy, images)
        else:
            with pytest.raises(PrecisionError, match="with a variable of layer 'table' outside of it"):
                check_apart(model, copy, images)
        for a, b in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)
