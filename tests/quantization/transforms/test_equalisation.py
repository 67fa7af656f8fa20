"""Equalisation against the network that it is made of, the formulas of the paper, and what it is for."""

import keras
import numpy as np
import pytest
from keras import layers

from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.transforms.equalisation import equalized, pairs_of
from precision.quantization.transforms.prepared import prepared

EQUAL = parse_policy({"weights": "fixed(8,6)", "transforms": ["equalize"]})


def network(shape, *steps):
    """A chain with biases that are not zero, and channels of all sizes."""
    keras.utils.set_random_seed(3)
    images = x = keras.Input(shape)
    for step in steps:
        x = step(x)
    model = keras.Model(images, layers.Dense(3, name="logits")(x))
    draws = np.random.default_rng(4)
    for layer in model.layers:
        if layer.weights:
            kernel, *biases = layer.get_weights()
            scale = 10 ** draws.uniform(-2, 2, kernel.shape[-1]).astype(np.float32)
            layer.set_weights([kernel * scale, *(b + draws.normal(0, 0.1, b.shape) for b in biases)])
    return model


def scaled(model):
    return prepared(model, EQUAL, lambda: np.zeros((1, *model.input_shape[1:]), np.float32))


CHAINS = {
    "convolutions": ((6, 6, 2), layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(5, 2)),
    "no bias": ((6, 6, 2), layers.Conv2D(4, 3, use_bias=False), layers.ReLU(), layers.Conv2D(5, 2)),
    "depthwise": (
        (6, 6, 2),
        layers.Conv2D(4, 3, activation="leaky_relu"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        layers.LeakyReLU(),
        layers.Conv2D(5, 2),
    ),
    "transposed": (
        (5, 5, 2),
        layers.Conv2DTranspose(4, 3, activation="relu"),
        layers.UpSampling2D(),
        layers.Conv2DTranspose(3, 2),
    ),
    "pooled": (
        (8, 8, 2),
        layers.Conv2D(4, 3),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
    ),
    "averaged": ((8, 8, 2), layers.Conv2D(4, 3), layers.ReLU(), layers.GlobalAveragePooling2D()),
    "in a row": ((9, 3), layers.Conv1D(4, 3), layers.ZeroPadding1D(), layers.Conv1D(5, 3, activation="relu")),
    "dense": ((7,), layers.Dense(6, activation="relu"), layers.Dense(5, activation="relu")),
}
PAIRS = {"depthwise": 2, "in a row": 1, "dense": 2}  # Conv1D ends in an axis of places, over which logits run


@pytest.mark.parametrize("name", CHAINS)
def test_the_network_computes_the_same_and_ranges_are_equal(name):
    shape, *steps = CHAINS[name]
    model = network(shape, *(type(step).from_config(step.get_config()) for step in steps))
    before = [w.copy() for w in model.get_weights()]
    equal = scaled(model)
    images = np.random.default_rng(5).normal(0, 1, (6, *shape)).astype(np.float32)
    exact, found = (np.asarray(each(images), np.float64) for each in (model, equal))
    assert np.abs(exact - found).max() <= 2e-6 * np.abs(exact).max()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    pairs = pairs_of(equal)
    assert len(pairs) >= PAIRS.get(name, 1)
    for pair in pairs:  # equation 11: both ranges are the same in every channel
        np.testing.assert_allclose(*ranges(pair), rtol=1e-4)
    for pair, old in zip(pairs, pairs_of(model), strict=True):
        product = [np.prod(ranges(one), axis=0) for one in (pair, old)]
        if len(pairs) == 1:  # the product of both is what it was
            np.testing.assert_allclose(*product, rtol=1e-5)
            assert not np.allclose(*ranges(old))


def ranges(pair):
    """The largest magnitude of each channel, written and read, by loops over the channels."""
    first, second = (np.abs(layer.kernel.numpy()) for layer in (pair.first, pair.second))
    if "Transpose" in type(pair.first).__name__:
        first = np.swapaxes(first, -1, -2)
    if "Depthwise" in type(pair.first).__name__:
        first = first.reshape(*first.shape[:2], -1)
    if "Transpose" in type(pair.second).__name__:
        second = np.swapaxes(second, -1, -2)
    count = first.shape[-1]
    written = [first[..., i].max() for i in range(count)]
    return written, [second[..., i::count, :].max() for i in range(count)]


def test_scales_are_those_of_the_paper():
    model = network((2,), layers.Dense(3, activation="relu", name="first"))
    first, second = model.get_layer("first"), model.get_layer("logits")
    first.set_weights([np.array([[4, 0, 0.5], [-8, 0, 1]], np.float32), np.array([2, 1, 3], np.float32)])
    second.set_weights([np.array([[2, 0, 1], [5, 5, 5], [16, 0, -1]], np.float32), np.ones(3, np.float32)])
    equalized(model)
    # s = sqrt(r1 / r2) = sqrt(8 / 2), 1 for a channel without weights, sqrt(1 / 16)
    scales = np.array([2, 1, 0.25])
    assert (first.kernel.numpy() == np.array([[4, 0, 0.5], [-8, 0, 1]]) / scales).all()
    assert (first.bias.numpy() == np.array([2, 1, 3]) / scales).all()
    assert (second.kernel.numpy() == scales[:, None] * [[2, 0, 1], [5, 5, 5], [16, 0, -1]]).all()
    assert (second.bias.numpy() == 1).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_of_one_scale_for_all_channels_lose_less(bits):
    shape, *steps = CHAINS["depthwise"]
    model = network(shape, *(type(step).from_config(step.get_config()) for step in steps))
    images = np.random.default_rng(6).normal(0, 1, (20, *shape)).astype(np.float32)
    wanted = np.asarray(model(images))
    policy = parse_policy({"weights": {"format": f"int({bits},symmetric=true)", "scaling": "real"}})
    plain, equal = (
        np.abs(np.asarray(apply(m, policy)(images)) - wanted).mean() for m in (model, scaled(model))
    )
    assert equal < plain / 3


def norm(x):
    return layers.BatchNormalization(name="norm")(x)


def shortcut(x):
    return layers.add([x, layers.ReLU(name="relu")(x)])


def groups(x):
    return layers.Conv2D(4, 1, groups=2, name="grouped")(x)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (layers.ReLU(6, name="six"), "'conv' leads to 'six', which is ReLU"),
        (layers.Activation("tanh", name="tanh"), "'conv' leads to 'tanh', which is Activation"),
        (layers.Softmax(name="soft"), "'conv' leads to 'soft', which is Softmax"),
        (norm, "which is BatchNormalization; 'fold_batch_norm: true' comes first"),
        (shortcut, "what 'conv' returns is read by 2 layers"),
        (groups, "'grouped' is a convolution in groups"),
    ],
)
def test_what_is_not_the_same_when_scaled_is_left_alone(between, reason):
    images = keras.Input((5, 5, 2))
    x = between(layers.Conv2D(4, 3, name="conv")(images))
    end = layers.Conv2D(3, 3, name="logits", activation="softmax")
    model = keras.Model(images, end(x))
    with pytest.raises(PrecisionError, match="no such two") as caught:
        equalized(model)
    assert reason in str(caught.value) and "transforms" in str(caught.value)


def test_an_activation_that_bends_is_named():
    images = keras.Input((5,))
    model = keras.Model(images, layers.Dense(3)(layers.Dense(4, activation="gelu", name="first")(images)))
    with pytest.raises(PrecisionError, match="'first' has the activation function gelu"):
        equalized(model)


def test_folding_comes_first():
    images = keras.Input((8, 8, 2))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(images))
    x = layers.Flatten(name="flat")(layers.ReLU(name="relu")(x))
    model = keras.Model(images, layers.Dense(3, name="logits")(x))
    policy = parse_policy({"weights": "fixed(8,6)", "transforms": ["equalize"], "fold_batch_norm": True})
    found = prepared(model, policy, lambda: np.zeros((1, 8, 8, 2), np.float32))
    assert [(p.first.name, p.second.name, p.repeats) for p in pairs_of(found)] == [("conv", "logits", 36)]
