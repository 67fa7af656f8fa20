"""Which normalisations fold, why the others stay, and what else is in the graph of a network."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from normalised import ULP, assert_close, assert_points_stay, chain, norm, outputs, randomise, samples

import architectures
from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.transforms.folding import fold


def branch(make):
    inputs = keras.Input((6, 6, 3), name="in")
    return keras.Model(inputs, make(inputs), name="net")


def conv(x, name="conv", **options):
    return layers.Conv2D(4, 3, padding="same", name=name, **options)(x)


def two_consumers(x):
    x = conv(x)
    return layers.Add(name="add")([norm()(x), layers.ReLU(name="relu")(x)])


def an_output_too(x):
    x = conv(x)
    return [x, norm()(x)]


def after_an_operation(x):
    return norm()(conv(x) + 1)


def several_layers(x):
    shared = norm()
    return [shared(conv(x, "a")), shared(conv(x, "b"))]


def shared_layer(x):
    """One of the two results of the layer is not normalised."""
    shared = layers.Conv2D(3, 3, padding="same", name="conv")
    return norm()(shared(layers.ReLU(name="relu")(shared(x))))


def lora(x):
    layer = layers.Dense(4, name="dense")
    x = layer(x)
    layer.enable_lora(2)
    return norm()(x)


class OwnNormalisation(layers.BatchNormalization):
    """Any class of a user's that calls itself a batch normalisation."""


class OwnConvolution(layers.Conv2D):
    """Any class of a user's that calls itself a convolution."""


KEPT = {
    "nonlinear activation": (lambda x: norm()(conv(x, activation="relu")), "'conv', has the .* relu"),
    "two consumers": (two_consumers, "'conv', also feeds 'relu'"),
    "an output too": (an_output_too, "'conv', is an output of the network"),
    "after an addition": (
        lambda x: norm()(layers.Add(name="add")([conv(x, "a"), conv(x, "b")])),
        "'add', is no linear layer with weights but Add",
    ),
    "after an operation": (after_an_operation, "is no linear layer with weights but Add"),
    "before a convolution": (lambda x: conv(norm()(x)), "'in', is no linear layer .* InputLayer"),
    "after another": (
        lambda x: norm()(layers.BatchNormalization(name="first")(x)),
        "'first', is no linear layer with weights but BatchNormalization",
    ),
    "another axis": (lambda x: norm(axis=1)(conv(x)), "axis 1, which is not that of the channels of 'conv'"),
    "another axis of a channels first layer": (
        lambda x: norm(axis=-1)(layers.Conv2D(4, 3, data_format="channels_first", name="conv")(x)),
        "axis -1, which is not that of the channels of 'conv'",
    ),
    "elided axis": (
        lambda x: norm(axis=1)(layers.EinsumDense("...x,xy->...y", 4, name="einsum")(x)),
        "axis 1, which is not that of the channels of 'einsum'",
    ),
    "several layers": (several_layers, "outputs of several layers: '[ab]', '[ab]'"),
    "shared layer": (shared_layer, "'conv', also feeds 'relu'"),
    "batch statistics": (lambda x: norm()(conv(x), training=True), "called with training=True"),
    "float16": (lambda x: norm()(conv(x, dtype="mixed_float16")), "'conv' computes in mixed_float16"),
    "float16 itself": (lambda x: norm(dtype="float16")(conv(x)), "'norm' computes in float16"),
    "LoRA": (lora, "'dense', has LoRA weights"),
    "own normalisation": (lambda x: OwnNormalisation(name="norm")(conv(x)), "OwnNormalisation may"),
    "own convolution": (
        lambda x: norm()(OwnConvolution(4, 3, name="conv")(x)),
        "'conv', is no linear layer with weights but OwnConvolution",
    ),
    "wrapped": (
        lambda x: norm()(layers.TimeDistributed(layers.Dense(4), name="each")(x)),
        "'each', is no linear layer with weights but TimeDistributed",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_fold_is_kept_with_the_reason(name):
    make, reason = KEPT[name]
    model = randomise(branch(make))
    folded = fold(model)
    assert folded.folded == {}
    assert "norm" in folded.kept
    assert len(folded.kept) == sum(isinstance(x, layers.BatchNormalization) for x in model.layers)
    assert re.search(reason, folded.kept["norm"]), folded.kept["norm"]
    for a, b in zip(model.get_weights(), folded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_points_stay(model, folded)
    if "channels first" not in name:  # which TensorFlow does not compute on every CPU
        for a, b in zip(outputs(model, x := samples(model)), outputs(folded.model, x), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_normalisation_in_a_model_inside_folds_as_if_it_stood_outside():
    inner = chain((6, 6, 3), layers.Conv2D(3, 3, name="conv"), norm(), name="inner")
    model = randomise(branch(lambda x: layers.BatchNormalization(name="outer")(conv(inner(x), "last"))))
    folded = fold(model)
    assert folded.folded == {"inner/norm": "inner/conv", "outer": "last"} and folded.kept == {}
    assert_close(model, folded.model)


class Block(layers.Layer):
    """A layer with a normalisation inside, and a weight of its own."""

    def __init__(self, own=False, **options):
        super().__init__(**options)
        self.conv, self.norm = layers.Conv2D(3, 3, name="conv"), layers.BatchNormalization(name="norm")
        self.own = self.add_weight(shape=(), initializer="ones", name="own") if own else 1.0

    def call(self, x):
        return self.norm(self.conv(x)) * self.own


def test_a_normalisation_of_a_layer_that_is_taken_apart_folds():
    model = randomise(branch(Block(name="block")))
    folded = fold(model)
    assert folded.folded == {"block/norm": "block/conv"} and folded.kept == {}
    assert_close(model, folded.model)


def test_a_normalisation_inside_a_layer_is_kept():
    model = randomise(branch(Block(own=True, name="block")))
    folded = fold(model)
    assert folded.folded == {}
    assert folded.kept == {"block/norm": "it is inside 'block' (Block)"}
    assert_close(model, folded.model)


@pytest.mark.parametrize("name", ["vgg", "lenet"])
def test_without_normalisations_it_is_an_equal_copy(name):
    model = architectures.build(name, width=0.125)
    folded = fold(model)
    assert (folded.folded, folded.kept) == ({}, {})
    x = samples(model)
    np.testing.assert_array_equal(outputs(model, x)[0], outputs(folded.model, x)[0])
    for a, b in zip(model.layers, folded.model.layers, strict=True):
        assert (a.name, a.get_config()) == (b.name, b.get_config())
    before = model.get_weights()
    for variable in folded.model.variables:
        variable.assign(variable.numpy() + 1)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pair_that_is_called_twice_folds():
    one, two = keras.Input((6, 6, 3), name="one"), keras.Input((6, 6, 3), name="two")
    layer, normalisation = layers.Conv2D(4, 3, name="conv"), norm()
    model = keras.Model({"one": one, "two": two}, [normalisation(layer(one)), normalisation(layer(two))])
    randomise(model)
    folded = fold(model)
    assert folded.folded == {"norm": "conv"}
    assert [x.name for x in folded.model.layers] == [x.name for x in model.layers]
    random = np.random.default_rng(1)
    x = {key: random.normal(0, 1, (3, 6, 6, 3)).astype(np.float32) for key in ("two", "one")}
    for a, b in zip(model(x), folded.model(x), strict=True):
        assert abs(a - b).numpy().max() <= 4 * ULP * max(abs(a.numpy()).max(), 1)
    assert_points_stay(model, folded)


def test_several_inputs_and_outputs():
    one, two = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))  # named by Keras
    a = layers.BatchNormalization(name="norm_a")(conv(one, "a"))
    b = layers.BatchNormalization(name="norm_b")(conv(two, "b", activation="tanh"))
    logits = layers.Dense(3, name="logits")(layers.Flatten(name="flatten")(layers.Add(name="add")([a, b])))
    model = randomise(keras.Model([one, two], {"logits": logits, "features": a}))
    folded = fold(model)
    assert folded.folded == {"norm_a": "a"}
    assert list(folded.kept) == ["norm_b"]
    assert set(folded.model(samples(model))) == {"logits", "features"}
    assert_close(model, folded.model)
    assert_points_stay(model, folded)


def test_a_layer_shared_with_another_model_folds():
    """What another model does with a layer is no matter of this one."""
    inputs = keras.Input((6, 6, 3))
    features = conv(inputs)
    keras.Model(inputs, layers.ReLU()(features))
    model = randomise(keras.Model(inputs, norm()(features)))
    folded = fold(model)
    assert folded.folded == {"norm": "conv"}
    assert_close(model, folded.model)


@pytest.mark.parametrize("options", [{"training": False}, {"mask": None}, {"training": None}])
def test_options_of_the_call(options):
    model = randomise(branch(lambda x: norm()(conv(x), **options)))
    assert_close(model, fold(model).model)


def test_masks_pass_through():
    inputs = keras.Input((None, 3), name="in")
    x = norm()(layers.Dense(4, name="dense")(layers.Masking(name="masking")(inputs)))
    model = randomise(keras.Model(inputs, layers.LSTM(2, name="lstm")(x)))
    folded = fold(model)
    assert folded.folded == {"norm": "dense"}
    x = np.random.default_rng(1).normal(0, 1, (4, 8, 3)).astype(np.float32)
    x[:, 5:] = 0
    [masked], [result] = outputs(model, [x]), outputs(folded.model, [x])
    np.testing.assert_allclose(result, masked, atol=1e-6)
    assert abs(outputs(folded.model, [x[:, :5]])[0] - result).max() < 1e-6  # the mask was used


@pytest.mark.parametrize("named", [True, False])
def test_sequential(named):
    stack = [
        layers.Conv2D(4, 3, name="conv"),
        norm(),
        layers.ReLU(name="relu"),
        layers.BatchNormalization(name="late"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 3)), *stack] if named else stack, name="net")
    if not named:
        with pytest.raises(PrecisionError, match="'net' has no input shape; begin it with"):
            fold(model)
        model.build((None, 6, 6, 3))
    folded = fold(randomise(model))
    assert isinstance(folded.model, keras.Sequential)
    assert folded.folded == {"norm": "conv"}
    assert list(folded.kept) == ["late"]
    assert_close(model, folded.model)
    assert_points_stay(model, folded)


@pytest.mark.parametrize("variance", [np.nan, -1.0])
def test_a_diverged_network_is_refused(variance):
    model = chain((6, 6, 3), layers.Conv2D(4, 3, name="conv"), norm())
    model.get_layer("norm").moving_variance.assign([1, 1, variance, 1])
    with pytest.raises(
        PrecisionError, match=r"those of 'conv' with 'norm' are not .* has the training diverged"
    ):
        fold(model)


def test_other_models_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(PrecisionError, match="functional and sequential Keras models, but got Own"):
        fold(Own())
    quantised = apply(chain((5,), layers.Dense(4, name="dense"), norm()), parse_policy("fixed(8,4)"))
    with pytest.raises(PrecisionError, match="its layer 'dense' is quantised already"):
        fold(quantised)


def test_a_layer_that_cannot_be_copied_is_named():
    class Scaled(layers.Layer):
        def __init__(self, factor, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, x):
            return self.factor * x

        def get_config(self):
            return super().get_config()

    with pytest.raises(
        PrecisionError, match=r"layer 'own' \(Scaled\) cannot be copied .* needs a get_config"
    ):
        fold(chain((5,), Scaled(2.0, name="own")))
