"""Any network, made flat: it computes the same, and a policy means the same whichever way it is written."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.claims import check, check_same
from precision.quantization.layers.flat import address, flat, flattened, named
from precision.quantization.layers.graph import is_functional
from precision.quantization.quantizer import Quantizer
from precision.quantization.sites import resolve, unreached, untouched

RNG = np.random.default_rng(15)


def same_bits(a, b) -> bool:
    return np.array_equal(np.asarray(a).view(np.int32), np.asarray(b).view(np.int32))


def images(*shape: int, deviation: float = 1.0) -> np.ndarray:
    return RNG.normal(0, deviation, (5, *shape)).astype(np.float32)


def addresses(model) -> list[str]:
    return [address(layer) for layer in model.layers]


def backbone(inputs: tuple[int, ...] = (8, 8, 2)) -> keras.Model:
    x = keras.Input(inputs)
    y = layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    y = layers.Conv2D(4, 3, activation="relu", name="conv2")(y)
    return keras.Model(x, y, name="backbone")


def test_a_flat_network_is_itself():
    model = backbone()
    assert flat(model) is model
    assert not flattened(model).originals


def test_a_nested_model_stands_in_the_graph_around_it():
    inner, x = backbone(), keras.Input((8, 8, 2))
    model = keras.Model(x, layers.Dense(3, name="logits")(layers.Flatten(name="flatten")(inner(x))))
    found = flat(model)
    assert addresses(found)[1:] == ["backbone/conv1", "backbone/conv2", "flatten", "logits"]
    batch = images(8, 8, 2)
    assert same_bits(found.predict_on_batch(batch), model.predict_on_batch(batch))
    assert named(found, "backbone/conv1").kernel.shape == inner.get_layer("conv1").kernel.shape
    assert flattened(model).original(named(found, "backbone/conv2")).name == "conv2"


def test_models_in_models_in_models():
    x = keras.Input((8, 8, 2))
    middle = keras.Sequential(
        [keras.Input((8, 8, 2)), backbone(), layers.Flatten(name="flat")], name="middle"
    )
    model = keras.Model(x, layers.Dense(2, name="out")(middle(x)))
    assert addresses(flat(model))[1:] == [
        "middle/backbone/conv1",
        "middle/backbone/conv2",
        "middle/flat",
        "out",
    ]


def test_a_model_that_is_called_twice_has_its_layers_once():
    inner, a, b = backbone(), keras.Input((8, 8, 2)), keras.Input((8, 8, 2))
    model = keras.Model([a, b], layers.Add(name="add")([inner(a), inner(b)]))
    found = flat(model)
    assert sorted(addresses(found)[2:]) == ["add", "backbone/conv1", "backbone/conv2"]
    batch = [images(8, 8, 2), images(8, 8, 2)]
    assert same_bits(found.predict_on_batch(batch), model.predict_on_batch(batch))


@pytest.mark.parametrize("recorded", [None, True, False])
@pytest.mark.parametrize("asked", [None, True, False])
def test_a_model_inside_trains_when_keras_would_train_it(recorded, asked):
    norm = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="norm")], name="inner")
    x = keras.Input((3,))
    model = keras.Model(x, norm(x) if recorded is None else norm(x, training=recorded))
    found, batch = flat(model), images(3, deviation=5)
    assert same_bits(found(batch, training=asked), model(batch, training=asked))
    assert same_bits(named(found, "inner/norm").moving_mean, norm.get_layer("norm").moving_mean)


def test_operations_are_called_after_what_they_compute_at_every_build():
    def build():
        x = keras.Input((4, 4, 3), name="image")
        y = layers.Conv2D(2, 1, name="conv")(x)
        y = ops.relu(y * 0.5 + 1)[:, 1:, :, 0]
        return keras.Model(x, layers.Flatten(name="flatten")(y + y))

    first, second = flat(build()), flat(build())
    assert addresses(first) == ["image", "conv", "multiply", "add", "relu", "get_item", "add_1", "flatten"]
    assert addresses(second) == addresses(first)
    model, batch = build(), images(4, 4, 3)
    assert same_bits(flat(model).predict_on_batch(batch), model.predict_on_batch(batch))


POLICY = {"activations": "fixed(8,4)", "weights": "fixed(8,6)"}


def two_ways(build) -> tuple[np.ndarray, np.ndarray]:
    """Return what two ways to write one network compute under a policy, with the same weights."""
    one, other = build(False), build(True)
    other.set_weights(one.get_weights())
    batch = images(*one.input_shape[1:], deviation=6)
    policy = parse_policy(POLICY)
    return tuple(apply(model, policy).predict_on_batch(batch) for model in (one, other))


def added(operator: bool):
    x = keras.Input((6,))
    a, b = (layers.Dense(16, activation="relu", name=name)(x) for name in "ab")
    return keras.Model(x, layers.Dense(3, name="out")(a + b if operator else layers.Add()([a, b])))


def activated(operator: bool):
    x = keras.Input((6,))
    y = layers.Dense(16, name="a")(x)
    y = ops.relu(y) if operator else layers.ReLU()(y)
    return keras.Model(x, layers.Dense(3, name="out")(y))


def scaled(operator: bool):
    x = keras.Input((6,))
    y = layers.Dense(16, name="a")(x)
    y = y * 0.3 if operator else layers.Rescaling(0.3)(y)
    return keras.Model(x, layers.Dense(3, name="out")(y))


def reshaped(operator: bool):
    x = keras.Input((6,))
    y = layers.Dense(16, name="a")(x)
    y = ops.reshape(y, (-1, 4, 4)) if operator else layers.Reshape((4, 4))(y)
    return keras.Model(x, layers.Dense(3, name="out")(y))


def nested(inside: bool):
    x, inner = keras.Input((8, 8, 2)), backbone()
    y = inner(x) if inside else inner.get_layer("conv2")(inner.get_layer("conv1")(x))
    return keras.Model(x, layers.Dense(3, name="out")(layers.Flatten()(y)))


@pytest.mark.parametrize("build", [added, activated, scaled, reshaped, nested])
def test_a_policy_means_the_same_whichever_way_a_network_is_written(build):
    one, other = two_ways(build)
    assert same_bits(one, other)
    float32 = build(True)
    assert not same_bits(other, float32.predict_on_batch(images(*float32.input_shape[1:])))


def test_inner_layers_are_named_in_a_policy_by_their_path():
    model = nested(True)
    policy = parse_policy({"weights": "fixed(8,6)", "layers": {"backbone/*": {"weights": "fixed(4,2)"}}})
    texts = {site.layer: str(site.setting) for site in resolve(model, policy) if site.slot == "weights"}
    assert texts["backbone/conv1"] == texts["backbone/conv2"] == "fixed(4,2)"
    assert texts["out"] == "fixed(8,6)"
    by_class = parse_policy({"layers": {"class:Conv2D": {"weights": "fixed(4,2)"}}})
    found = {site.layer for site in resolve(model, by_class) if site.slot == "weights" and site.setting}
    assert found == {"backbone/conv1", "backbone/conv2"}


def test_an_output_that_is_read_inside_too_is_rounded():
    x = keras.Input((6,))
    hidden = layers.Dense(4, name="hidden")(x)
    model = keras.Model(x, [hidden, layers.Dense(2, name="out")(layers.ReLU(name="relu")(hidden))])
    first, _ = apply(model, parse_policy({"activations": "fixed(8,4)"})).predict_on_batch(images(6))
    assert same_bits(first * 16, np.round(first * 16))


def returned(way: str):
    """Return a network that returns what it reads, and what its outputs are beside it."""
    x = keras.Input((6,), name="image")
    if way == "alone":
        return keras.Model(x, x)
    if way == "beside a layer":
        return keras.Model(x, {"image": x, "sum": layers.Dense(2, name="identity")(x)})
    if way == "twice":
        return keras.Model(x, [x, x + x, x])
    inner = keras.Input((6,))
    through = keras.Model(inner, [inner, layers.Dense(6)(inner)], name="inner")(x)
    return keras.Model(x, [through[0], layers.Add(name="add")(through)])


@pytest.mark.parametrize("way", ["alone", "beside a layer", "twice", "through a model"])
def test_an_input_that_is_returned_is_rounded_as_an_input(way):
    model, batch = returned(way), images(6, deviation=3)
    policy = parse_policy({"inputs": "fixed(8,4)"})
    found, wanted = (keras.tree.flatten(each(batch)) for each in (apply(model, policy), model))
    image = np.clip(np.round(batch * 16), -128, 127) / 16
    places = [place for place, value in enumerate(wanted) if same_bits(value, batch)]
    assert places
    assert all(same_bits(found[place], image.astype(np.float32)) for place in places)
    again = keras.tree.flatten(model(image.astype(np.float32)))
    assert all(map(same_bits, found, again))
    rounding = {site.layer for site in resolve(model, policy) if site.setting and site.slot == "inputs"}
    assert any(name.startswith("identity") for name in rounding)
    check(apply(model, policy), batch)


def test_the_check_sees_an_input_that_is_returned(monkeypatch):
    quantised = apply(returned("alone"), parse_policy({"inputs": "fixed(8,4)"}))
    monkeypatch.setattr(Quantizer, "__call__", lambda self, x, *arguments, **options: x)
    with pytest.raises(PrecisionError, match=r"layer 'identity' .Identity. does not compute what the policy"):
        check(quantised, images(6))


def test_integers_that_are_returned_stay_as_they_are():
    x = keras.Input((6,), dtype="uint8")
    model, batch = keras.Model(x, x), np.arange(12, dtype=np.uint8).reshape(2, 6)
    policy = parse_policy({"inputs": "fixed(4,1)", "activations": "fixed(4,1)"})
    found = np.asarray(apply(model, policy)(batch))
    assert found.dtype == np.uint8 and np.array_equal(found, batch)
    assert untouched(model, policy) == {"reads integers, which stay as they are": ["identity"]}


class Late(layers.Layer):
    """Makes what it needs in its first call."""

    def __init__(self, units: int = 3, **options) -> None:
        super().__init__(**options)
        self.units, self.dense = units, layers.Dense(units)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Heeding(Late):
    """Is told of masks, and so not taken apart."""

    def call(self, x, mask=None):
        return self.dense(x)


def test_variables_that_a_first_call_makes_are_rounded():
    x = keras.Input((6,))
    model = keras.Model(x, Late(name="late")(x))
    kernel, bias = (RNG.normal(0, 1, shape).astype(np.float32) for shape in ((6, 3), (3,)))
    model.set_weights([kernel, bias])
    batch = images(6)
    rounded = np.clip(np.round(kernel * 4), -4, 3) / 4  # fixed(3,2)
    found = apply(model, parse_policy({"weights": "fixed(3,2)"})).predict_on_batch(batch)
    np.testing.assert_allclose(found, batch @ rounded + bias, rtol=1e-5, atol=1e-6)


def test_the_format_of_the_inputs_belongs_to_the_images():
    x = keras.Input((4, 4, 1))
    y = layers.Conv2D(2, 3, padding="same", name="conv")(x)
    model = keras.Model(x, layers.Concatenate(name="both")([x, y]))
    batch = images(4, 4, 1, deviation=3)
    found = apply(model, parse_policy({"inputs": "fixed(8,7)"})).predict_on_batch(batch)
    rounded = np.clip(np.round(batch * 128), -128, 127).astype(np.float32) / 128
    assert same_bits(found, model.predict_on_batch(rounded))
    assert np.abs(found[..., 1:]).max() > 1  # the features are not clipped to the images' range


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("between", [lambda x: x, layers.Reshape((2, 2))])
def test_indices_are_no_numbers(dtype, between):
    x = keras.Input((4,), dtype=dtype)
    model = keras.Model(x, layers.Embedding(5000, 2, name="table")(between(x)))
    batch = np.array([[4999, 0, 257, 1023]], dtype)
    found = apply(model, parse_policy({"inputs": "bfloat16"})).predict_on_batch(batch)
    assert same_bits(found, model.predict_on_batch(batch))
    reasons = {site.reason for site in resolve(model, parse_policy("bfloat16")) if site.slot == "inputs"}
    assert not reasons & {""}


def test_a_mask_is_no_number_and_is_heeded():
    x = keras.Input((5, 3))
    y = layers.LSTM(4, name="lstm")(layers.Masking(name="masking")(x))
    model = keras.Model(x, layers.Dense(2, name="out")(y))
    batch = images(5, 3)
    batch[:, 3:] = 0
    quantised = apply(model, parse_policy({"activations": "fixed(16,10)", "weights": "fixed(16,12)"}))
    found = quantised.predict_on_batch(batch)
    np.testing.assert_allclose(found, model.predict_on_batch(batch), atol=0.01)
    longer = np.concatenate([batch, np.zeros_like(batch)], axis=1)[:, :5]
    assert same_bits(quantised.predict_on_batch(longer), found)
    assert not np.allclose(found, quantised.predict_on_batch(np.where(batch == 0, 1e-3, batch)), atol=1e-4)


def test_an_attention_with_several_tensors_is_rounded():
    x = keras.Input((4, 6))
    y = layers.MultiHeadAttention(2, 3, name="attention")(x, x, use_causal_mask=True)
    model = keras.Model(x, layers.LayerNormalization(name="norm")(x + y))
    policy = parse_policy({"weights": "fixed(6,5)", "activations": "fixed(10,7)"})
    batch = images(4, 6)
    rounded = keras.models.clone_model(model)
    rounded.set_weights([np.clip(np.round(w * 32), -32, 31) / 32 for w in model.get_weights()])
    settings = {"weights": "fixed(6,5)", "biases": "fixed(6,5)"}
    found = apply(model, parse_policy(settings)).predict_on_batch(batch)
    np.testing.assert_allclose(found, rounded.predict_on_batch(batch), atol=1e-5)
    logits = apply(model, policy).predict_on_batch(batch)
    assert same_bits(logits * 128, np.round(logits * 128))


def test_a_lambda_is_called_again_as_it_is():
    x = keras.Input((6,))
    shift = 0.25
    model = keras.Model(x, layers.Lambda(lambda t: t * 2 + shift, name="own")(layers.Dense(3, name="a")(x)))
    found = apply(model, parse_policy({"activations": "fixed(8,4)"})).predict_on_batch(images(6))
    assert same_bits(found * 16, np.round(found * 16))


def test_a_model_without_an_input_shape_is_refused_before_anything_is_computed():
    model = keras.Sequential([layers.Dense(2)], name="net")
    with pytest.raises(PrecisionError, match=r"sequential model 'net' has no input shape.*keras\.Input"):
        resolve(model, parse_policy("fixed(8,4)"))


INSIDE = {
    "lstm": (lambda x: layers.LSTM(3, name="own")(x), "the sums, gates and states of its steps"),
    "distributed": (lambda x: layers.TimeDistributed(layers.Dense(2), name="own")(x), None),
    "distributed model": (
        lambda x: layers.TimeDistributed(
            keras.Sequential([keras.Input((4,)), layers.Dense(2, name="a"), layers.Dense(2, name="b")]),
            name="own",
        )(x),
        r"what passes between its layers \(a, b\)",
    ),
    "attention": (lambda x: layers.Attention(name="own")([x, x]), "its projections, scores and their sums"),
    "composite": (lambda x: Late(name="own")(x), None),
    "masked composite": (lambda x: Heeding(name="own")(x), r"what passes between its layers \(dense"),
    "lambda": (lambda x: layers.Lambda(lambda t: t + 1, name="own")(x), "what its function computes"),
    "dense": (lambda x: layers.Dense(3, name="own")(x), None),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_no_policy_reaches_is_listed(name):
    make, wanted = INSIDE[name]
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.Flatten(name="flatten")(make(x)))
    found = unreached(model, parse_policy({"activations": "fixed(8,4)"}))
    assert list(found) == ([] if wanted is None else ["own"])
    assert wanted is None or re.match(wanted, found["own"])
    assert unreached(model, parse_policy({"weights": "fixed(8,4)"})) == {}


class Two(layers.Layer):
    """Returns two tensors by name."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.dense = layers.Dense(4)

    def call(self, x):
        y = self.dense(x)
        return {"first": y, "second": ops.relu(y)}


class Scaled(layers.Layer):
    """Takes a constant and a tensor by name."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x, factor=1.0, other=None):
        y = x * self.scale * factor
        return y if other is None else y + other


def split(x):
    a, b, c = ops.split(x, 3, axis=-1)
    return ops.concatenate([a * 2, ops.stack([b, c], axis=-1)[..., 0]], axis=-1)


def best(x):
    values, places = ops.top_k(layers.Flatten()(x), 4)
    return layers.Dense(4)(values) + ops.cast(places, "float32")


def shared(x):
    dense = layers.Dense(3, name="dense")
    return keras.Sequential([keras.Input((6, 6, 3)), dense], name="inner")(x) + dense(x)


def named_tensors(x):
    a, b = keras.Input((6, 6, 3), name="a"), keras.Input((6, 6, 3), name="b")
    inner = keras.Model({"a": a, "b": b}, {"p": a - b, "q": layers.Dense(3)(a)}, name="inner")
    found = inner({"b": x, "a": layers.Dense(3)(x)})
    return found["p"] * found["q"]


def twice(x):
    i = keras.Input((6, 6, 3))
    inner = keras.Model(i, layers.Dense(3)(i) + i, name="inner")
    return inner(inner(x))


def by_name(x):
    return Scaled(name="own")(x, factor=0.5, other=layers.Dense(3)(x))


def several(x):
    found = Two(name="own")(x)
    return found["first"] + found["second"]


def with_state(x):
    start = layers.Dense(5)(layers.Flatten()(x))
    return layers.GRU(5)(layers.Reshape((6, 18))(x), initial_state=start)


@pytest.mark.parametrize("make", [split, best, shared, named_tensors, twice, by_name, several, with_state])
def test_any_way_to_write_a_graph(make):
    x = keras.Input((6, 6, 3))
    model, batch = keras.Model(x, make(x)), images(6, 6, 3)
    assert same_bits(flat(model)(batch), model(batch))
    quantised = apply(model, parse_policy(dict.fromkeys(("weights", "activations", "inputs"), "fixed(10,5)")))
    check(quantised, batch)
    found = quantised.predict_on_batch(batch)
    assert same_bits(found * 32, np.round(found * 32))


def test_a_normalisation_that_was_adapted_stays_so():
    norm = layers.Normalization(axis=None, name="norm")
    norm.adapt(RNG.normal(5, 3, (200, 4)).astype(np.float32))
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), norm], name="inner")
    for model in (keras.Model(x, layers.Dense(2)(norm(x))), keras.Model(x, layers.Dense(2)(inner(x)))):
        batch = images(4, deviation=6)
        same = apply(model, parse_policy("float32"))
        np.testing.assert_allclose(same(batch), model(batch), rtol=1e-5, atol=1e-6)
        check_same(model, same, batch, "it is copied")


class Stack(layers.Layer):
    """A class of a user's with the name of an operation that moves values."""

    def build(self, shape):
        self.dense = layers.Dense(3)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def test_the_name_of_a_users_class_says_nothing():
    x = keras.Input((4,))
    model = keras.Model(x, Stack(name="own")(x))
    found = apply(model, parse_policy({"activations": "fixed(8,4)"})).predict_on_batch(images(4))
    assert same_bits(found * 16, np.round(found * 16))


class Doubling(keras.Model):
    """A functional model with a call of its own."""

    def call(self, x, training=None):
        return 2 * super().call(x)


def test_a_model_with_a_call_of_its_own_is_not_taken_apart():
    x = keras.Input((4,))
    own = Doubling(x, layers.Dense(3, name="dense")(x), name="own")
    assert not is_functional(own)
    with pytest.raises(PrecisionError, match="functional and sequential Keras models, but got Doubling"):
        flat(own)


def test_what_operations_compute_with_is_listed_and_what_they_look_up_is_rounded():
    x = keras.Input((3,), dtype="int32")
    table = RNG.normal(0, 1, (50, 4)).astype(np.float32)
    model = keras.Model(x, ops.take(table, x, axis=0))
    policy = parse_policy({"activations": "fixed(8,4)"})
    found = apply(model, policy).predict_on_batch(np.array([[1, 7, 49]], np.int32))
    assert same_bits(found * 16, np.round(found * 16))
    left = "an array or variable of shape (50, 4) that it computes with"
    assert untouched(model, policy) == {left: ["take"]}


def test_averages_by_an_operation_are_exempt_like_those_of_a_layer():
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, ops.average_pool(layers.Conv2D(2, 1, name="conv")(x), 2))
    policy = parse_policy({"activations": "fixed(8,4)", "exempt": ["pooling"]})
    rounded = {site.layer for site in resolve(model, policy) if site.setting}
    assert rounded == {"conv"}


def test_a_variable_that_two_layers_hold_is_rounded_once():
    x = keras.Input((5, 5, 3))
    inner = layers.Conv2DTranspose(4, 2, use_bias=False, name="inner")
    model = keras.Model(x, layers.SpectralNormalization(inner, name="spectral")(x))
    policy = parse_policy(
        {"weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"}}
    )
    wrapped = apply(model, policy).get_layer("spectral")
    assert [axis for _, axis, _ in wrapped.rounded_variables] == [-2]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: layers.RandomFlip(seed=1)(x),
        lambda x: layers.Dropout(0.5, seed=1)(x, training=True),
        lambda x: layers.GaussianNoise(1.0, seed=1)(x),
    ],
)
def test_layers_that_draw_are_no_mistake(make):
    x = keras.Input((6, 6, 3))
    model, batch = keras.Model(x, layers.Dense(2)(make(x))), images(6, 6, 3)
    check(apply(model, parse_policy({"activations": "fixed(8,4)"})), batch)


def test_a_mask_that_comes_with_a_tensor_is_heeded_by_the_check():
    x = keras.Input((5,))
    y = layers.Embedding(20, 4, mask_zero=True)(x)
    model = keras.Model(x, layers.MultiHeadAttention(1, 4)(y, y))
    tokens = np.array([[1, 2, 3, 0, 0]] * 4, np.float32)
    check(apply(model, parse_policy({"weights": "fixed(8,6)", "activations": "fixed(12,8)"})), tokens)
