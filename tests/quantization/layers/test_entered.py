"""Composite layers are entered where their call() is a graph of layers: the same bits as written flat."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from precision.quantization import apply, parse_policy
from precision.quantization.claims import check, check_same
from precision.quantization.layers.flat import address, flat, flattened
from precision.quantization.sites import resolve, unreached
from precision.quantization.stored import stored_variables

RNG = np.random.default_rng(45)
POLICY = {
    "weights": "fixed(6,4)",
    "biases": "fixed(6,4)",
    "activations": "fixed(6,3)",
    "inputs": "fixed(6,3)",
}


def fixed(x, fraction) -> np.ndarray:
    return np.clip(np.rint(np.asarray(x) * 2**fraction), -32, 31).astype(np.float32) / 2**fraction


def same_bits(a, b) -> bool:
    return np.array_equal(np.asarray(a).view(np.int32), np.asarray(b).view(np.int32))


def dense(layer, x):
    kernel, bias = (fixed(w, 4) for w in layer.get_weights())
    return x @ kernel + bias


class Block(layers.Layer):
    """Two dense layers beside what they read."""

    def __init__(self, units, **options) -> None:
        super().__init__(**options)
        self.up, self.relu = layers.Dense(2 * units), layers.ReLU()
        self.down, self.add = layers.Dense(units), layers.Add()

    def call(self, x):
        return ops.relu(self.add([self.down(self.relu(self.up(x))), x]) + x)


def randomised(model):
    model.set_weights([RNG.normal(0, 0.3, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def images(*shape):
    return RNG.normal(0, 0.7, (5, *shape)).astype(np.float32)


def test_a_composite_is_rounded_as_if_its_layers_stood_outside():
    x, block = keras.Input((4,)), Block(4, name="block")
    model = randomised(keras.Model(x, layers.Dense(3, name="out")(block(x))))
    found = flat(model)
    names = ["block/up", "block/relu", "block/down", "block/add", "block/add_1", "block/relu_1", "out"]
    assert [address(layer) for layer in found.layers][1:] == names
    batch = images(4)
    assert same_bits(found(batch), model(batch))
    quantised, image = apply(model, parse_policy(POLICY)), fixed(batch, 3)
    hidden = fixed(np.maximum(dense(block.up, image), 0), 3)
    total = fixed(fixed(dense(block.down, hidden), 3) + image, 3)
    after = fixed(np.maximum(total + image, 0), 3)  # one step with the activation function behind it
    assert same_bits(quantised(batch), fixed(dense(model.get_layer("out"), after), 3))
    check(quantised, batch)
    assert unreached(model, parse_policy(POLICY)) == {}


def test_layers_inside_are_named_in_a_policy_and_stored_as_their_own():
    x = keras.Input((4,))
    model = keras.Model(x, Block(4, name="block")(x))
    policy = parse_policy(
        {**POLICY, "layers": {"block/*": {"weights": "fixed(3,1)"}, "*/down": "fixed(8,4)"}}
    )
    texts = {site.layer: str(site.setting) for site in resolve(model, policy) if site.slot == "weights"}
    assert (texts["block/up"], texts["block/down"]) == ("fixed(3,1)", "fixed(8,4)")
    stored = {id(item.variable): str(item.number_format) for item in stored_variables(model, policy)}
    block = model.get_layer("block")
    assert stored[id(block.up.kernel)] == "fixed(3,1)" and stored[id(block.down.kernel)] == "fixed(8,4)"
    names = ["block/up/kernel", "block/up/bias", "block/down/kernel", "block/down/bias"]
    assert [item.name for item in stored_variables(model, policy)] == names
    again = keras.Model(x, Block(4, name="block")(x))  # whose layers Keras calls otherwise
    assert [item.name for item in stored_variables(again, policy)] == names
    found = flattened(model)
    assert found.original(found.model.layers[1]) is block.up


class Trains(layers.Layer):
    """Drops and normalises as it is told."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.steps = [layers.Dropout(0.5, seed=1), layers.BatchNormalization()]

    def call(self, x, training=False):
        for step in self.steps:
            x = step(x, training=training)
        return x


@pytest.mark.parametrize("recorded", [None, True, False])
@pytest.mark.parametrize("asked", [None, True, False])
def test_a_composite_trains_when_keras_would_train_it(recorded, asked):
    x = keras.Input((40,))
    options = {} if recorded is None else {"training": recorded}
    model, batch = keras.Model(x, Trains(name="own")(x, **options)), images(40)
    found = flat(model)
    assert [address(layer) for layer in found.layers][1:] == ["own/steps_0", "own/steps_1"]
    assert same_bits(found(batch, training=asked), model(batch, training=asked))
    norm = model.get_layer("own").steps[1]
    assert same_bits(found.get_layer("own>steps_1").moving_mean, norm.moving_mean)


def two_inputs(x):
    class Gate(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.gate = keras.Sequential([layers.Dense(4, activation="sigmoid", name="to")], name="any")

        def call(self, x, other=None, scale=1.0):
            return {"first": self.gate(x) * other * scale, "second": other}

    found = Gate(name="own")(x, other=layers.Dense(4)(x), scale=0.5)
    return found["first"] - found["second"]


def in_each_other(x):
    class Outer(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.first, self.blocks = Block(4), [Block(4), Block(4)]

        def call(self, x):
            x = self.first(self.first(x))
            for block in self.blocks:
                x = block(x)
            return x

    return Outer(name="own")(x)


def attention(x):
    class Encoder(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.attention, self.norm = layers.MultiHeadAttention(1, 4), layers.LayerNormalization()
            self.feed, self.drop = layers.Dense(4, activation="gelu"), layers.Dropout(0.1)

        def call(self, x, training=None):
            x = self.norm(x + self.drop(self.attention(x, x), training=training))
            return x + self.feed(x)

    return layers.Flatten()(Encoder(name="own")(layers.Reshape((2, 2))(x) @ np.ones((2, 4), np.float32)))


def a_model_with_a_call(x):
    class Doubling(keras.Model):
        def call(self, x, training=None):
            return 2 * super().call(x)

    begin = keras.Input((4,))
    return Doubling(begin, layers.Dense(4, name="dense")(begin), name="own")(x)


WAYS = {
    "a model with a call": (a_model_with_a_call, ["own/dense", "own/multiply"]),
    "two inputs": (two_inputs, ["own/gate/to", "own/multiply", "own/multiply_1"]),
    "in each other": (in_each_other, ["own/first/up", "own/blocks_0/up", "own/blocks_1/relu_1"]),
    "attention": (attention, ["own/attention", "own/drop", "own/add", "own/norm", "own/feed"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_any_way_to_write_a_composite(way):
    make, names = WAYS[way]
    x = keras.Input((4,))
    model, batch = randomised(keras.Model(x, make(x))), images(4)
    found = flat(model)
    assert {address(layer) for layer in found.layers} >= set(names)
    check_same(model, found, batch, "it is laid flat")
    quantised = apply(model, parse_policy(POLICY))
    check(quantised, batch)
    result = np.asarray(quantised(batch))
    assert same_bits(result, fixed(result, 3)) and not same_bits(result, fixed(model(batch), 3))


class Composite(layers.Layer):
    """What the others here have in common."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.dense = layers.Dense(4)


class OwnWeight(Composite):
    def build(self, shape):
        self.factor = self.add_weight(shape=(4,), name="factor")

    def call(self, x):
        return self.dense(x) * self.factor


class OtherWeight(Composite):
    def call(self, x):
        return self.dense(x) @ ops.transpose(self.dense.kernel)


class OtherWhenTrained(Composite):
    def call(self, x, training=None):
        return self.dense(x) * 2 if training else self.dense(x)


class Drawing(Composite):
    def call(self, x):
        return self.dense(x) + keras.random.normal((4,))


class Sized(Composite):
    def call(self, x):
        return ops.reshape(self.dense(x), (ops.shape(x)[0], 4))


class OfTheBackend(Composite):
    def call(self, x):
        return tf.abs(self.dense(x))


class Places(Composite):
    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.places = layers.Embedding(4, 4)

    def call(self, x):
        return self.dense(x) + ops.sum(self.places(ops.arange(4)), axis=0)


class AlwaysDropping(Composite):
    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.drop = layers.Dropout(0.5)

    def call(self, x):
        return self.drop(self.dense(x), training=True)


class Losing(Composite):
    def call(self, x):
        y = self.dense(x)
        self.add_loss(ops.mean(y))
        return y


class Masked(Composite):
    def call(self, x, mask=None):
        return self.dense(x)


KEPT = [
    OwnWeight,
    OtherWeight,
    OtherWhenTrained,
    Drawing,
    AlwaysDropping,
    Sized,
    OfTheBackend,
    Places,
    Losing,
    Masked,
]


@pytest.mark.parametrize("kind", KEPT)
def test_what_its_layers_do_not_say_alone_stays_one_layer(kind):
    x = keras.Input((4,))
    model = randomised(keras.Model(x, kind(name="own")(x)))
    assert flat(model) is model
    assert list(unreached(model, parse_policy(POLICY))) == ["own"]
    if kind not in (Drawing, AlwaysDropping):
        batch, rounded = images(4), keras.models.clone_model(model)
        rounded.set_weights([fixed(w, 4) for w in model.get_weights()])
        expected = fixed(rounded(fixed(batch, 3)), 3)
        np.testing.assert_array_equal(apply(model, parse_policy(POLICY))(batch), expected)
