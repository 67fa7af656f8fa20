"""What layers compute with that no policy rounds is listed, and what is listed is what stays as it is."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.layers.flat import flat
from precision.quantization.sites import unreached, untouched

RNG = np.random.default_rng(27)
POLICY = parse_policy("fixed(8,4)")


def same_bits(a, b) -> bool:
    return np.array_equal(np.asarray(a).view(np.int32), np.asarray(b).view(np.int32))


def rounded(x) -> np.ndarray:
    return np.clip(np.round(np.asarray(x) * 16), -128, 127).astype(np.float32) / 16


class Shifted(layers.Layer):
    """Multiplies by a number that is trained, and adds one that is not."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")
        self.shift = self.add_weight(shape=(shape[-1],), trainable=False, name="shift")

    def call(self, x):
        return x * self.factor + self.shift


ARRAY = RNG.normal(0, 1, (1, 4)).astype(np.float32)
ONE = "the number {} that it computes with"
ARRAYS = "an array or variable of shape (1, 4) that it computes with"
UNTRAINED = "the variables moving_mean and moving_variance, not trainable"
LEFT = {
    "number": (lambda x: x * 0.37, {ONE.format(0.37): ["multiply"]}),
    "numbers": (
        lambda x: ops.minimum(ops.maximum(x, 0), 6),
        {ONE.format(0): ["maximum"], ONE.format(6): ["minimum"]},
    ),
    "places": (lambda x: x[:, 1:3], {}),
    "array": (lambda x: x + ARRAY, {ARRAYS: ["add"]}),
    "free variable": (lambda x: x + keras.Variable(ARRAY), {ARRAYS: ["add"]}),
    "array of a layer": (lambda x: layers.Add(name="own")([x, ARRAY]), {ARRAYS: ["own"]}),
    "rescaling": (lambda x: layers.Rescaling(0.5, name="own")(x), {"its scale and offset": ["own"]}),
    "statistics": (lambda x: layers.BatchNormalization(name="own")(x), {UNTRAINED: ["own"]}),
    "untrained": (lambda x: Shifted(name="own")(x), {"the variable shift, not trainable": ["own"]}),
    "noise": (
        lambda x: layers.Dropout(0.5, name="own")(x),
        {"the state of a random generator": ["own"]},
    ),
    "dense": (lambda x: layers.Dense(3, name="own")(x), {}),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_stays_as_it_is_is_listed(name):
    make, wanted = LEFT[name]
    x = keras.Input((4,), batch_size=1)
    model = keras.Model(x, make(x))
    assert untouched(model, POLICY) == wanted
    assert untouched(model, parse_policy("float32")) == {}


def test_whole_numbers_that_the_network_reads_are_listed_and_stay_as_they_are():
    x = keras.Input((4,), dtype="uint8")
    model = keras.Model(x, layers.Dense(3, name="dense")(x))
    batch = RNG.integers(0, 255, (3, 4)).astype(np.uint8)
    policy = parse_policy({"inputs": "fixed(8,7)"})
    assert same_bits(apply(model, policy)(batch), model(batch))
    assert untouched(model, policy) == {"reads integers, which stay as they are": ["dense"]}


class Tokens(layers.Layer):
    """Adds embeddings of tokens and of their places."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.tokens, self.places = layers.Embedding(999, 3), layers.Embedding(4, 3)

    def call(self, x):
        return self.tokens(x) + self.places(ops.arange(4))


class Own(layers.Embedding):
    """A table of a user's class."""


INDICES = {
    "of a subclass": lambda x: Own(999, 3, name="own")(x),
    "of a table that is read both ways": lambda x: layers.ReversibleEmbedding(999, 3, name="own")(x),
    "of a table inside a layer": lambda x: Tokens(name="own")(x),
    "made whole first": lambda x: layers.Embedding(999, 3)(ops.cast(x, "int32")),
    "one hot": lambda x: ops.one_hot(x, 999),
    "shifted": lambda x: layers.Embedding(999, 3)(ops.cast(ops.clip(x + 1.0, 0, 998), "int32")),
    "made whole by a Lambda": lambda x: layers.Embedding(999, 3)(whole(x)),
}


def whole(x):
    return layers.Lambda(lambda numbers: ops.cast(ops.floor(numbers), "int32"))(x)


@pytest.mark.parametrize("how", INDICES)
def test_indices_that_come_as_floating_point_numbers_are_not_rounded(how):
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2)(INDICES[how](x)))
    batch = np.array([[998, 0, 257, 513]], np.float32)
    policy = parse_policy({"inputs": "bfloat16"})
    assert same_bits(apply(model, policy)(batch), model(batch))
    assert list(untouched(model, policy)) == ["reads indices, which are no numbers"]


def test_numbers_on_their_way_to_a_table_are_indices_and_those_that_fall_into_bins_are_none():
    x = keras.Input((4,))
    policy = parse_policy({"inputs": "fixed(4,3)", "activations": "fixed(8,6)"})
    table, bins = layers.Embedding(999, 3), layers.Embedding(3, 2)
    found = apply(keras.Model(x, table(x - 1.0)), policy)(np.array([[998, 0, 257, 513]], np.float32) + 1)
    rows = table.get_weights()[0][[998, 0, 257, 513]]
    np.testing.assert_array_equal(found[0], np.round(rows * 64) / 64)
    falls = keras.Model(x, bins(layers.Discretization([0.0, 0.25])(x)))
    found = apply(falls, policy)(np.array([[0.24, 0.1, -0.06, -0.07]], np.float32))  # 0.25, 0.125, 0, -0.125
    np.testing.assert_array_equal(found[0], np.round(bins.get_weights()[0][[2, 1, 1, 0]] * 64) / 64)


@pytest.mark.parametrize("make", [lambda xs: layers.Concatenate()(xs), lambda xs: ops.concatenate(xs, -1)])
def test_an_array_that_passes_beside_a_tensor_is_rounded_with_the_result(make):
    x = keras.Input((4,), batch_size=1)
    model = keras.Model(x, make([x, ARRAY]))
    found = apply(model, parse_policy({"activations": "fixed(8,4)"}))(ARRAY)
    assert same_bits(found, rounded(np.concatenate([ARRAY, ARRAY], -1)))


def test_places_in_an_array_change_nothing():
    x = keras.Input((4,))
    model = keras.Model(x, ops.take(x, np.array([0, 2]), axis=1))
    batch = RNG.normal(0, 1, (3, 4)).astype(np.float32)
    found = apply(model, parse_policy({"activations": "fixed(4,1)", "inputs": "fixed(8,4)"}))(batch)
    assert same_bits(found, rounded(batch)[:, [0, 2]])


def test_a_function_that_an_operation_calls_is_listed():
    x = keras.Input((4,))
    model = keras.Model(x, ops.vectorized_map(lambda v: v * 2, x))
    assert unreached(model, POLICY) == {"vectorized_map": "what its function computes on the way"}


def test_a_variable_of_a_layer_in_another_call_is_refused():
    x = keras.Input((4,))
    dense = layers.Dense(4, name="dense")
    model = keras.Model(x, ops.matmul(dense(x), dense.kernel))
    with pytest.raises(PrecisionError, match=r"'matmul' .* with the variable 'kernel' of layer 'dense'"):
        flat(model)
