"""What a given network ends with, and whether that is what is asked of it."""

import keras
import numpy as np
import pytest
from keras import layers

import architectures
from precision.errors import PrecisionError

X = np.random.default_rng(1).normal(0, 1, (9, 5)).astype(np.float32)


@pytest.fixture
def saved(tmp_path):
    """A function that saves a perceptron with an end, and returns it with the path of its file."""

    def make(units, activation=None, *, layer=False):
        inputs = keras.Input((5,))
        hidden = layers.Dense(8, activation="relu", name="hidden")(inputs)
        out = layers.Dense(units, activation=None if layer else activation, name="out")(hidden)
        if layer:
            out = layers.Activation(activation, name="function")(out)
        model = keras.Model(inputs, out)
        model.save(tmp_path / "model.keras")
        return model, str(tmp_path / "model.keras")

    return make


def build(path, outputs, task):
    return architectures.build("keras_file", (5,), outputs, task, path=path)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("activation", [None, "relu", "softplus", "tanh"])
def test_a_regression_is_taken_as_it_is(saved, units, activation):
    model, path = saved(units, activation)
    found = build(path, units, "regression")
    np.testing.assert_array_equal(found.predict_on_batch(X), model.predict_on_batch(X))


@pytest.mark.parametrize("layer", [False, True])
def test_labels_end_with_a_sigmoid_of_each(saved, layer):
    model, path = saved(4, "sigmoid", layer=layer)
    found = build(path, 4, "multi_label").predict_on_batch(X)
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), model.predict_on_batch(X), rtol=1e-4, atol=1e-6)
    model, path = saved(4)
    np.testing.assert_array_equal(
        build(path, 4, "multi_label").predict_on_batch(X), model.predict_on_batch(X)
    )


@pytest.mark.parametrize(
    ("units", "activation", "outputs", "task", "message"),
    [
        (3, None, 2, "regression", "the model returns 3 numbers, but the data set has 2 for each image"),
        (3, "softmax", 3, "regression", "ends with a softmax, which tells classes or labels, but .* numbers"),
        (1, "sigmoid", 1, "regression", r"ends with a sigmoid, .*Dense\(targets\) without an activation"),
        (3, "sigmoid", 4, "multi_label", "tells of 3 labels whether they are there, but the data set has 4"),
        (3, "softmax", 3, "multi_label", r"tells 3 classes apart \(a softmax\), but .* several labels"),
        (3, "hard_sigmoid", 3, "multi_label", "probabilities in a form that is not known here"),
        (
            3,
            "sigmoid",
            3,
            "classification",
            r"from 0 to 1 .*but the data set has classes; .*task: multi_label",
        ),
        (1, None, 2, "classification", "a single number means two classes by a sigmoid"),
    ],
)
def test_an_end_of_another_kind_is_refused(saved, units, activation, outputs, task, message):
    _, path = saved(units, activation)
    with pytest.raises(PrecisionError, match=message):
        build(path, outputs, task)


def test_networks_of_this_project_end_as_they_are_asked():
    assert architectures.build("mlp", (7,), 1, "regression").output_shape == (None, 1)
    assert (
        architectures.build("lenet", (28, 28, 1), 2, "multi_label").layers[-1].activation.__name__ == "linear"
    )
    with pytest.raises(PrecisionError, match="'mlp' needs at least 1 target, but got 0"):
        architectures.build("mlp", (7,), 0, "regression")
    with pytest.raises(PrecisionError, match="'mlp' needs at least 2 labels, but got 1"):
        architectures.build("mlp", (7,), 1, "multi_label")


def test_a_network_of_keras_applications_is_asked_for_numbers():
    shape = (32, 32, 3)
    found = architectures.build("keras_application", shape, 2, "regression", model="MobileNetV2")
    assert found.output_shape == (None, 2)
    images = np.random.default_rng(0).uniform(0, 1, (4, *shape)).astype(np.float32)
    assert not np.allclose(found.predict_on_batch(images).sum(axis=1), 1, atol=1e-3)  # no softmax is left
