"""Networks that a user gives: a model file, or one of keras.applications."""

from __future__ import annotations

import json
import warnings

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

import architectures
from architectures._model_file import load
from architectures.given import file_options, identity, is_given, is_pretrained
from precision import plugins
from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.grid.plan.unrounded import epochs_before, epochs_of
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.quantization.layers.flat import address, flat
from precision.registry import MODEL_FILE
from precision.trial import Choice, Training, Trial

RNG = np.random.default_rng(3)
SHAPE = (28, 28, 1)


def body():
    x = keras.Input(SHAPE)
    y = layers.MaxPooling2D(4, name="pool")(x)
    y = layers.Flatten(name="flatten")(layers.Conv2D(6, 3, activation="relu", name="conv")(y))
    return x, layers.Dense(16, activation="relu", name="hidden")(y)


def softmax_in_the_layer():
    x, y = body()
    return keras.Model(x, layers.Dense(10, activation="softmax", name="out")(y))


def softmax_as_a_layer():
    x, y = body()
    return keras.Model(x, layers.Softmax(name="softmax")(layers.Dense(10, name="out")(y)))


def softmax_as_an_activation():
    x, y = body()
    return keras.Model(x, layers.Activation("softmax", name="softmax")(layers.Dense(10, name="out")(y)))


def softmax_as_an_operation():
    x, y = body()
    return keras.Model(x, ops.softmax(layers.Dense(10, name="out")(y)))


def softmax_in_a_model_inside():
    x, y = body()
    head = keras.Sequential(
        [keras.Input((16,)), layers.Dense(10, activation="softmax", name="out")], name="head"
    )
    return keras.Model(x, head(y))


def logits():
    x, y = body()
    return keras.Model(x, layers.Dense(10, name="out")(y))


HEADS = [
    softmax_in_the_layer,
    softmax_as_a_layer,
    softmax_as_an_activation,
    softmax_as_an_operation,
    softmax_in_a_model_inside,
]


@pytest.mark.parametrize("make", [*HEADS, logits], ids=lambda make: make.__name__)
def test_whatever_a_model_ends_with_it_returns_logits(make, tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    found = architectures.build("keras_file", SHAPE, 10, path=str(tmp_path / "model.keras"))
    images = RNG.uniform(0, 1, (6, *SHAPE)).astype(np.float32)
    wanted = model.predict_on_batch(images)
    given = found.predict_on_batch(images)
    if make is not logits:
        given = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-6)


def test_a_sigmoid_tells_two_classes_apart(tmp_path):
    x, y = body()
    model = keras.Model(x, layers.Dense(1, activation="sigmoid", name="out")(y))
    model.save(tmp_path / "model.keras")
    found = architectures.build("keras_file", SHAPE, 2, path=tmp_path / "model.keras")
    images = RNG.uniform(0, 1, (6, *SHAPE)).astype(np.float32)
    given = found.predict_on_batch(images)
    second = 1 / (1 + np.exp(given[:, 0] - given[:, 1]))  # the share of class 1 under a softmax
    np.testing.assert_allclose(second, model.predict_on_batch(images)[:, 0], rtol=1e-4, atol=1e-6)


def ending(units, activation=None):
    x, y = body()
    return keras.Model(x, layers.Dense(units, activation=activation, name="out")(y))


def boxes():
    x, y = body()
    return keras.Model(x, [layers.Dense(10, name="classes")(y), layers.Dense(4, name="box")(y)])


def mask():
    x = keras.Input(SHAPE)
    return keras.Model(x, layers.Conv2D(2, 3, padding="same", name="mask")(x))


REFUSED = {
    "other classes": (lambda: ending(7), SHAPE, 10, "tells 7 classes apart, but the data set has 10"),
    "many labels": (lambda: ending(10, "sigmoid"), SHAPE, 10, r"each of 10 labels.*from 0 to 1"),
    "one number": (lambda: ending(1, "relu"), SHAPE, 2, r"Dense\(1, activation='sigmoid'\)"),
    "boxes": (boxes, SHAPE, 10, "one output, but the model has 2; .*served .*; detection"),
    "a mask": (mask, SHAPE, 2, r"returns the shape \(None, 28, 28, 2\); .*; detection and segmentation"),
    "other images": (
        logits,
        (32, 32, 1),
        10,
        r"reads 28x28x1.*32x32x1; give the data set resize: \[28, 28\]",
    ),
    "colours": (logits, (28, 28, 3), 10, "the data set has 3 channels, the model reads 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_classifier_of_these_images_is_refused(name, tmp_path):
    make, shape, classes, message = REFUSED[name]
    make().save(tmp_path / "model.keras")
    with pytest.raises(PrecisionError, match=message):
        architectures.build("keras_file", shape, classes, path=tmp_path / "model.keras")


def test_files_that_are_no_models_are_refused(tmp_path):
    (tmp_path / "a.keras").write_bytes(b"no zip")
    with pytest.raises(PrecisionError, match=r"a\.keras: this is no \.keras file"):
        load(tmp_path / "a.keras")
    (tmp_path / "b.h5").write_bytes(b"no hdf5")
    with pytest.raises(PrecisionError, match=r"b\.h5: this is no \.h5 file of Keras"):
        load(tmp_path / "b.h5")
    with pytest.raises(PrecisionError, match=r"gone\.keras"):
        load(tmp_path / "gone.keras")
    logits().save_weights(tmp_path / "c.weights.h5")
    with pytest.raises(PrecisionError, match="no model in this file, only weights"):
        load(tmp_path / "c.weights.h5")
    with pytest.raises(PrecisionError, match=r"\.keras or \.h5 file"):
        architectures.build("keras_file", SHAPE, 10, path=tmp_path / "model.onnx")


def test_no_code_of_a_file_is_run(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Lambda(lambda t: t * 2, name="own")(x))
    model.save(tmp_path / "model.keras")
    with pytest.raises(PrecisionError, match=r"model\.keras: Keras cannot load this model"):
        load(tmp_path / "model.keras")
    with h5py.File(tmp_path / "model.h5", "w") as stream:
        inner = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}
        stream.attrs["model_config"] = json.dumps(inner)
    with pytest.raises(PrecisionError, match=r"model\.h5: the model has Python code in it"):
        load(tmp_path / "model.h5")


def test_an_older_file_is_read_too(tmp_path):
    model = logits()
    model.save(tmp_path / "model.h5")
    images = RNG.uniform(0, 1, (3, *SHAPE)).astype(np.float32)
    found = architectures.build("keras_file", SHAPE, 10, path=tmp_path / "model.h5")
    np.testing.assert_array_equal(found.predict_on_batch(images), model.predict_on_batch(images))


def test_a_network_of_keras_applications_is_built_for_the_images():
    model = architectures.build("keras_application", (32, 32, 3), 4, model="MobileNetV3Small")
    assert model.output_shape == (None, 4)
    assert (model.predict_on_batch(RNG.uniform(0, 1, (2, 32, 32, 3))).sum(axis=1) != 1).all()  # logits
    with pytest.raises(PrecisionError, match=r"keras_application.*did you mean 'MobileNetV2'"):
        architectures.build("keras_application", (32, 32, 3), 4, model="MobilNetV2")
    with pytest.raises(PrecisionError, match="VGG16: cannot be built for these images"):
        architectures.build("keras_application", (28, 28, 1), 4, model="VGG16")


def test_what_is_known_of_them_without_building(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"one")
    assert is_given("keras_file") and not is_given("lenet")
    assert file_options("keras_application") == {"weights"} and file_options("lenet") == set()
    assert is_pretrained("keras_file", {"path": path})
    assert not is_pretrained("keras_file", {"path": path, "start": "fresh"})
    assert not is_pretrained("keras_application", {"model": "VGG16"})
    first = identity("keras_file", {"path": path})
    path.write_bytes(b"another")
    assert identity("keras_file", {"path": path}) != first
    assert identity("lenet", {}) == identity("keras_application", {"model": "VGG16"}) == {}


def trial(path, method=None, policy=None, **options):
    choice = Choice("keras_file", {"path": str(path), **options})
    return Trial(
        Choice("digits", {"train_size": 300, "test_size": 60}),
        choice,
        method or Choice("float32"),
        parse_policy(policy).to_json() if policy else {},
        Training(epochs=1, learning_rate=0.01),
        0,
        plugins=identity(choice.name, choice.options),
    )


def test_the_content_of_a_file_makes_a_trial_not_its_place(tmp_path):
    logits().save(tmp_path / "a.keras")
    (tmp_path / "b.keras").write_bytes((tmp_path / "a.keras").read_bytes())
    first = trial(tmp_path / "a.keras")
    assert first.plugins[MODEL_FILE] and first.id == trial(tmp_path / "b.keras").id
    assert trial(tmp_path / "a.keras", start="fresh").id != first.id
    logits().save(tmp_path / "b.keras")
    assert trial(tmp_path / "b.keras").id != first.id
    assert first.baseline.id == trial(tmp_path / "a.keras", Choice("ptq"), "fixed(8,4)").baseline.id


def test_the_float32_row_is_the_model_as_it_came(tmp_path):
    bench = Workbench(None, lambda key: tmp_path / f"{key}.weights.h5")
    model = softmax_in_the_layer()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    path = tmp_path / "model.keras"
    model.save(path)
    one = trial(path)
    dataset = bench.dataset(one.dataset)
    images = dataset.x_train.astype(np.float32) / 255, dataset.x_test.astype(np.float32) / 255
    model.fit(images[0], dataset.y_train, epochs=4, verbose=0)
    model.save(path)
    one = trial(path)
    right = model.predict(images[1], verbose=0).argmax(axis=1) == dataset.y_test
    assert right.mean() > 0.4  # it has learned something
    result = run_trial(one, bench)
    assert result.metrics["accuracy"] == pytest.approx(right.mean())
    assert result.metrics["epochs"] == 0 and result.history == []
    fine = run_trial(trial(path, Choice("ptq"), "fixed(16,10)"), bench)
    assert abs(fine.metrics["accuracy"] - right.mean()) < 0.05
    trained = run_trial(trial(path, Choice("qat", {"epochs": 1}), "fixed(8,4)"), bench)
    assert trained.metrics["epochs"] == 1
    fresh = run_trial(trial(path, start="fresh"), bench)
    assert fresh.metrics["epochs"] == 1 and fresh.metrics["accuracy"] != result.metrics["accuracy"]
    with pytest.raises(PrecisionError, match="comes with its weights, but the method qat is to start from"):
        run_trial(trial(path, Choice("qat", {"start": "scratch"}), "fixed(8,4)"), bench)
    with pytest.raises(PrecisionError, match="computes in float32 whatever the method says"):
        run_trial(trial(path, Choice("native", {"start": "baseline"}), "float16"), bench)


def test_a_network_that_comes_trained_has_no_epochs_before_it(tmp_path):
    logits().save(tmp_path / "model.keras")
    for start, epochs in (("pretrained", 0), ("fresh", 1)):
        baseline = trial(tmp_path / "model.keras", start=start)
        rounded = trial(tmp_path / "model.keras", Choice("qat", {"epochs": 2}), "fixed(8,4)", start=start)
        assert epochs_of(baseline) == epochs_before(rounded) == epochs
        assert epochs_of(rounded) == 2


def test_a_model_from_a_file_depends_on_the_plugins_that_may_hold_its_layers(tmp_path):
    logits().save(tmp_path / "model.keras")
    layer = (
        "import keras\n\n@keras.saving.register_keras_serializable('own')\nclass Own(keras.layers.Layer):\n"
    )
    grid = {
        "name": "own",
        "plugins": ["own.py"],
        "datasets": "digits",
        "architectures": [{"name": "keras_file", "path": "model.keras"}],
        "policies": {"float32": "float32"},
    }
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    found = []
    for factor in (2, 3, 2):
        (tmp_path / "own.py").write_text(f"{layer}    def call(self, x):\n        return x * {factor}\n")
        found.append(expand(*load_grid(tmp_path / "grid.yaml"))[0].trial.id)
    plugins.load([])
    assert found[0] == found[2] != found[1]


def several(*last):
    """End a network with something behind its softmax or sigmoid."""
    x, y = body()
    for layer in last:
        y = layer(y)
    return keras.Model(x, y)


def twice(shared):
    x = keras.Input(SHAPE)
    return keras.Model(x, shared(shared(layers.Dense(10)(layers.Flatten()(x))) * 10.0))


UNKNOWN = {
    "sigmoid, reshaped": lambda: several(layers.Dense(1, activation="sigmoid"), layers.Reshape((1,))),
    "softmax, reshaped": lambda: several(layers.Dense(10, activation="softmax"), layers.Reshape((10,))),
    "softmax, clipped": lambda: several(layers.Dense(10, activation="softmax"), lambda y: ops.clip(y, 0, 1)),
    "softmax as an object": lambda: several(layers.Dense(10, activation=layers.Softmax())),
    "shared": lambda: twice(layers.Dense(10, activation="softmax")),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_probabilities_in_another_form_are_no_logits(name, tmp_path):
    model = UNKNOWN[name]()
    model.save(tmp_path / "model.keras")
    classes = max(2, model.output_shape[-1])
    with pytest.raises(PrecisionError, match="probabilities in a form that is not known here"):
        architectures.build("keras_file", SHAPE, classes, path=tmp_path / "model.keras")


def test_models_that_do_not_hold_float32_are_refused(tmp_path):
    model = logits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that have nothing to quantise
        model.quantize("int8")
    model.save(tmp_path / "quantised.keras")
    with pytest.raises(PrecisionError, match=r"was quantised by Keras \(int8\)"):
        architectures.build("keras_file", SHAPE, 10, path=tmp_path / "quantised.keras")
    x = keras.Input(SHAPE)
    half = keras.Model(x, layers.Dense(10, dtype="mixed_float16", name="half")(layers.Flatten()(x)))
    half.save(tmp_path / "half.keras")
    with pytest.raises(PrecisionError, match="layer 'half' computes in float16"):
        architectures.build("keras_file", SHAPE, 10, path=tmp_path / "half.keras")


def test_a_sequential_model_with_a_model_inside_is_read(tmp_path):
    base = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(2, 5, strides=4, name="conv")], name="base")
    model = keras.Sequential(
        [keras.Input(SHAPE), base, layers.Flatten(), layers.Dense(10, activation="softmax", name="out")]
    )
    model.save(tmp_path / "model.keras")
    found = flat(architectures.build("keras_file", SHAPE, 10, path=tmp_path / "model.keras"))
    assert [address(layer) for layer in found.layers][1] == "base/conv"
