"""A grid on JAX, where TensorFlow is not installed, against TensorFlow from the same weights."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import architectures
from precision import data, plugins
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.methods.training import train
from precision.quantization import Policy, apply
from precision.quantization.scales.base import Backward
from precision.trial import Training

pytest.importorskip("jax")

DIGITS = {"train_size": 96, "test_size": 48}
NETWORK = """\
from precision.registry import ARCHITECTURES

@ARCHITECTURES.register("tiny")
def tiny(input_shape, classes):
    import keras
    from keras import layers
    return keras.Sequential([
        keras.Input(input_shape),
        layers.Conv2D(4, 5, strides=4, use_bias=True, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Flatten(name="flatten"),
        layers.Dense(classes, name="logits"),
    ])
"""
GRID = f"""\
name: on-jax
plugins: [tiny.py]
datasets: [{{name: digits, train_size: {DIGITS["train_size"]}, test_size: {DIGITS["test_size"]}}}]
architectures: [tiny]
policies:
  float32: float32
  fixed: {{weights: "fixed(6,4)", activations: "fixed(8,4)"}}
methods: [ptq, {{name: qat, epochs: 1}}]
training: {{epochs: 1, batch_size: 32, optimizer: sgd, learning_rate: 0.05}}
runtime: {{backend: jax}}
"""
COMMAND = "from precision.cli import main; main()"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run by command in which nothing can import TensorFlow."""
    folder = tmp_path_factory.mktemp("jax")
    (folder / "grid.yaml").write_text(GRID)
    (folder / "tiny.py").write_text(NETWORK)
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['tensorflow'] = None\n")
    root = str(Path(architectures.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), root]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "run", "grid.yaml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with contextlib.chdir(folder):
        cells = {(cell.method, cell.policy): cell.trial for cell in expand(*load_grid("grid.yaml"))}
        yield folder, Store(folder / "runs"), cells
    plugins.load([])


def test_every_trial_ran_on_jax(finished):
    folder, store, cells = finished
    for trial in cells.values():
        result = store.load(trial.id)
        assert result.status == "ok", result.reason
        assert result.provenance["jax"] and "tensorflow" not in result.provenance
        assert trial.runtime.backend == "jax"
    report = (folder / "reports" / "on-jax" / "report.md").read_text()
    assert "- jax: " in report and "- tensorflow: " not in report


def test_the_numbers_are_those_of_tensorflow_from_the_same_weights(finished):
    _, store, cells = finished
    rounded, trained = cells["ptq", "fixed"], cells["qat", "fixed"]
    dataset = data.load("digits", **DIGITS)
    source = architectures.build("tiny", dataset.input_shape, dataset.classes)
    source.load_weights(store.weights(rounded.baseline.id))
    policy = Policy.from_json(rounded.policy)
    model = apply(source, policy, 0)
    logits = model(dataset.x_test.astype(np.float32) / 255, training=False).numpy()
    # Sums in another order move a few values over a step of the format.
    assert np.mean(logits.argmax(1) == store.predictions(rounded.id)) > 0.9

    model = apply(source, policy, 0, backward=Backward(follow=True))
    options = Training(epochs=1, batch_size=32, optimizer="sgd", learning_rate=0.05)
    ours = train(model, dataset, options, 0, None, lambda row: None).history[0]
    theirs = store.load(trained.id).history[0]
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.02)

    # All that is trained has moved, rounded or not, and so have the statistics of the normalisations.
    before = {layer.name: layer.get_weights() for layer in source.layers}
    after = apply(source, policy, 0)
    after.load_weights(store.weights(trained.id))
    for name in ("conv", "norm", "logits"):
        now = after.get_layer(name).layer.get_weights()
        moved = [not np.array_equal(a, b) for a, b in zip(before[name], now, strict=True)]
        assert len(moved) == (4 if name == "norm" else 2) and all(moved), name


def test_the_backend_is_part_of_the_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(NETWORK)

    def ids():
        return [cell.trial.id for cell in expand(*load_grid(tmp_path / "grid.yaml"))]

    text = GRID.replace("runtime: {backend: jax}\n", "")
    (tmp_path / "grid.yaml").write_text(text)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    usual = ids()
    (tmp_path / "grid.yaml").write_text(text + "runtime: {backend: tensorflow}\n")
    assert ids() == usual
    (tmp_path / "grid.yaml").write_text(GRID)
    on_jax = ids()
    assert not {*on_jax} & {*usual}
    (tmp_path / "grid.yaml").write_text(text)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert ids() == on_jax, "what the environment says is what the trials say"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(PrecisionError, match="tensorflow and jax of Keras, but KERAS_BACKEND is 'torch'"):
        ids()
