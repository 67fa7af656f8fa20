"""What a trial trained comes back out, as a plain Keras model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from precision.deploy.packed.file import unpack_model
from precision.errors import PrecisionError
from precision.formats import parse
from precision.methods.restored import Restoring, exported, packed
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.registry import ARCHITECTURES
from precision.trial import Choice, Training, Trial


@keras.saving.register_keras_serializable("tests of restored")
class Beside(layers.Layer):
    """A composite layer: a convolution beside what it reads."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.conv = layers.Conv2D(4, 1)

    def build(self, shape):  # for a file, from which it is built without a call
        self.conv.build(shape)

    def call(self, x):
        return self.conv(x) + x


@pytest.fixture(scope="module", autouse=True)
def nested():
    """A network with a model and a composite layer inside and operations between its layers."""

    @ARCHITECTURES.register("nested")
    def network(input_shape, classes):
        x = keras.Input(input_shape)
        inner = keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Conv2D(4, 3, strides=3, use_bias=False, name="conv"),
                layers.BatchNormalization(momentum=0.5, name="norm"),
                layers.ReLU(name="relu"),
            ],
            name="backbone",
        )
        y = inner(x)
        y = Beside(name="beside")(layers.Conv2D(4, 3, padding="same", name="conv")(y) + y)
        return keras.Model(x, layers.Dense(classes, name="logits")(layers.Flatten(name="flatten")(y)))

    yield
    ARCHITECTURES.remove("nested")


def trial(policy=None, method=None):
    return Trial(
        Choice("digits", {"train_size": 128, "test_size": 128}),
        Choice("nested"),
        method or Choice("ptq" if policy else "float32"),
        parse_policy(policy).to_json() if policy else {},
        Training(epochs=1, learning_rate=0.01),
        0,
    )


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """Return where trials run, and where they are restored, with a baseline that is trained."""
    folder = tmp_path_factory.mktemp("weights")
    made = [kind(None, lambda key: folder / f"{key}.weights.h5") for kind in (Workbench, Restoring)]
    made.append(run_trial(trial(), made[0]))
    return made


def accuracy(model, bench):
    dataset = bench.dataset(trial().dataset)
    images = dataset.x_test.astype(np.float32) / 255
    return model.predict(images, verbose=0).argmax(axis=1), dataset.y_test


def test_a_baseline_is_what_was_evaluated(benches, tmp_path):
    bench, restoring, result = benches
    model = exported(result, restoring)
    assert [layer.name for layer in model.layers if layer.name in ("backbone", "conv", "logits")] == [
        "backbone",
        "conv",
        "logits",
    ]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(accuracy(loaded, bench)[0], result.predictions)


METHODS = {
    "ptq": ("ptq", {}, {"weights": "fixed(6,4)"}),
    "folded": ("ptq", {}, {"weights": "fixed(8,5)", "fold_batch_norm": True}),
    "qat": ("qat", {}, {"weights": "fixed(6,4)"}),
    "folded qat": ("qat", {}, {"weights": "fixed(8,5)", "biases": "fixed(8,4)", "fold_batch_norm": True}),
    "scratch": ("qat", {"start": "scratch"}, {"weights": "fixed(6,4)"}),
    "scales": ("qat", {"learn_scales": True}, {"weights": {"format": "int(5)", "scaling": "real"}}),
    "low precision": ("low_precision", {}, {"weights": "fixed(10,8)"}),
}


@pytest.mark.parametrize("name", METHODS)
def test_rounded_weights_give_the_predictions_of_the_trial(benches, name, tmp_path):
    bench, restoring, _ = benches
    method, options, policy = METHODS[name]
    result = run_trial(trial(policy, Choice(method, options)), bench)
    exported(result, restoring, rounded=True).save(tmp_path / "model.keras")
    rounded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(accuracy(rounded, bench)[0], result.predictions)
    codes = packed(result, restoring)
    unpacked = unpack_model(exported(result, restoring), codes, "codes")
    assert codes.payload_bytes < 4 * rounded.count_params()
    for variable, expected in zip(unpacked.weights, rounded.weights, strict=True):
        np.testing.assert_array_equal(variable, expected)  # learned scales included
    before = exported(result, restoring)
    kernel, full = (model.get_layer("logits").kernel.numpy() for model in (rounded, before))
    if name == "low precision":  # where nothing but rounded weights is ever kept
        np.testing.assert_array_equal(kernel, full)
        return
    assert (kernel != full).any()
    if name != "scales":
        f = parse(policy["weights"])
        np.testing.assert_array_equal(kernel, f.quantize(kernel))
        np.testing.assert_array_equal(kernel, f.quantize(full))


@pytest.mark.faults("changed weights of a trial that is exported")
def test_other_weights_are_not_exported(benches, tmp_path):
    bench, restoring, result = benches
    path = bench.weights(result.trial.id)
    content = path.read_bytes()
    model = exported(result, restoring)
    model.get_layer("logits").bias.assign_add(np.ones(10, np.float32))
    from precision.quantization.layers.flat import flat

    flat(model).save_weights(path)
    restoring._baselines.clear()
    try:
        with pytest.raises(PrecisionError, match="not the weights that the result is of"):
            exported(result, restoring)
    finally:
        path.write_bytes(content)
