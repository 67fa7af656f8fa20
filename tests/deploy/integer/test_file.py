"""What is written of a network of integers suffices to compute it again, in NumPy alone."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from commands import here
from keras import layers
from safetensors import safe_open
from tiny import registered

from precision.deploy.integer import Arithmetic, integer_network
from precision.deploy.integer.file import written
from precision.deploy.packed.file import read
from precision.errors import PrecisionError
from precision.grid import Store
from precision.methods.restored import Restoring, coded, exported
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import Policy, apply, parse_policy
from precision.quantization.calibration.calibrator import observe
from precision.quantization.model import calibrated
from precision.trial import Choice, Training, Trial

RNG = np.random.default_rng(6)
INT8 = {"format": "int(8)", "scaling": "real", "zero_point": True}
WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
AFFINE = {"weights": WEIGHTS, "activations": INT8, "inputs": INT8, "biases": "fixed(16,10)"}
FIXED = {"weights": "fixed(4,3)", "activations": "fixed(8,3)", "inputs": "fixed(8,7)"}


def loaded(content: bytes, path):
    """Return the tensors and the description of a file."""
    path.write_bytes(content)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(  # noqa: SIM118
            metadata["integers"]
        )


def window_sums(a, w, step, zero):
    """Return the sums of a convolution or dense layer, int64, whose padding is the code of zero."""
    window = step["window"]
    if not window["sizes"]:
        return a @ w
    (rows, columns), (down, right) = window["sizes"], window["strides"]
    if window["padding"] == "same":  # of stride 1 here
        pads = [((n - 1) // 2, n // 2) for n in (rows, columns)]
        a = np.pad(a, ((0, 0), *pads, (0, 0)), constant_values=zero)
    high, wide = ((a.shape[1] - rows) // down + 1, (a.shape[2] - columns) // right + 1)
    return sum(
        a[:, i : i + down * (high - 1) + 1 : down, j : j + right * (wide - 1) + 1 : right] @ w[i, j]
        for i in range(rows)
        for j in range(columns)
    )


def computed(tensors, network, images):
    """Return the logits of a network, by the formulas of the file's documentation."""
    values = {-1: ("real", np.asarray(images, np.float32), None)}
    for place, step in enumerate(network["steps"]):
        kind, x, about = values[step["reads"][0]]
        if step["computes"] == "Round":
            zero, low, high = step["zero"], step["lowest"], step["highest"]
            if kind == "real":
                steps = x * (np.float32(1) / np.float32(step["scale"]))
            elif kind == "codes":
                steps = (x - about["zero"]) * (about["scale"] / step["scale"])
            else:
                unit, low = about[0], max(low, zero) if about[1] else low
                steps = x * (unit / step["scale"])
            values[place] = "codes", np.clip(np.rint(steps) + zero, low, high).astype(np.int64), step
        elif step["computes"] == "Linear":
            label = step["tensors"]
            w, t = tensors[f"{label}/weights"].astype(np.int64), tensors[f"{label}/scales"].astype(float)
            flat = w.reshape(-1, w.shape[-1])
            bias = tensors.get(f"{label}/bias", np.zeros(w.shape[-1], np.int64))
            assert bias.dtype.kind == "i"
            sums = window_sums(x, w, step, about["zero"]) + bias - about["zero"] * flat.sum(axis=0)
            values[place] = "wide", sums, (about["scale"] * t, False)
        elif step["computes"] == "Clamp":
            values[place] = "wide", x, (about[0], True)
        elif step["computes"] == "Add":
            other = values[step["reads"][1]]
            total = sum((v - g["zero"]) * g["scale"] for _, v, g in (values[step["reads"][0]], other))
            values[place] = "wide", total, (1.0, False)
        else:
            assert step["computes"] == "Move"
            values[place] = kind, x.reshape(len(x), -1), about
    kind, x, about = values[len(network["steps"]) - 1]
    return ((x - about["zero"]) * about["scale"]).astype(np.float32)


def residual():
    keras.utils.set_random_seed(3)
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3, activation="relu", name="conv1")(x)
    y = layers.Add(name="add")([y, layers.Conv2D(3, 3, padding="same", name="conv2")(y)])
    model = keras.Model(x, layers.Dense(5, name="logits")(layers.Flatten(name="flatten")(y)))
    model.set_weights([RNG.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("policy", [AFFINE, FIXED], ids=["affine", "fixed"])
def test_what_is_written_gives_the_outputs_of_the_network(policy, tmp_path):
    model, parsed = residual(), parse_policy(policy)
    images = RNG.uniform(0, 1, (7, 6, 6, 2)).astype(np.float32)
    quantised = apply(model, parsed, observed=observe(model, calibrated(model, parsed), images))
    network = integer_network(quantised, lambda layer: Arithmetic())
    tensors, described = loaded(written(network, (6, 6, 2)).to_bytes(parsed), tmp_path / "net.safetensors")
    assert described["requantisation"] == "float"
    assert {t.dtype for name, t in tensors.items() if name.endswith("weights")} == {np.dtype("int8")}
    assert {t.dtype for name, t in tensors.items() if name.endswith("bias")} == {np.dtype("int32")}
    found = computed(tensors, described, images)
    assert np.array_equal(found.view(np.int32), network(images).view(np.int32))
    assert len(np.unique(found)) > 10
    changed = {**tensors, "conv2/weights": tensors["conv2/weights"] + 1}
    assert not np.array_equal(computed(changed, described, images), found)


def test_a_layer_that_is_called_twice_has_a_bias_for_each_scale_that_it_reads():
    x = keras.Input((4,))
    dense = layers.Dense(4, name="dense")
    model, policy = keras.Model(x, dense(dense(x))), parse_policy(FIXED)
    file = written(integer_network(apply(model, policy)), (4,))
    assert [step["tensors"] for step in file.steps if step["computes"] == "Linear"] == [
        "dense",
        "dense (call 2)",
    ]
    assert file.tensors["dense/scales"].dtype == np.float32


def test_a_bias_beside_a_scale_of_each_image_is_real():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, name="dense", bias_initializer="ones")(x))
    moving = {"format": "int(8)", "scaling": "real", "dynamic": True}
    policy = parse_policy({"weights": WEIGHTS, "activations": moving, "inputs": moving})
    file = written(integer_network(apply(model, policy)), (4,))
    assert np.array_equal(file.tensors["dense/bias"], np.ones(3, np.float32))
    rounds = [step for step in file.steps if step["computes"] == "RoundEach"]
    assert [step["scale"] for step in rounds] == ["of each image"] * 2
    json.dumps(file.steps, allow_nan=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a trial of method integer that went on training."""
    with registered():
        store = Store(tmp_path_factory.mktemp("store"))
        store.create()
        bench = Workbench(None, store.weights)
        trial = Trial(
            Choice("digits", {"train_size": 128, "test_size": 40}),
            Choice("tiny"),
            Choice("integer", {"epochs": 1}),
            parse_policy(AFFINE).to_json(),
            Training(epochs=1, learning_rate=0.01),
            0,
        )
        for each in (trial.baseline, trial):
            store.save(run_trial(each, bench))
        yield store, store.load(trial.id)


def test_a_trial_comes_back_out_as_integers(trained, tmp_path):
    store, result = trained
    path = tmp_path / "trial.safetensors"
    run = here(tmp_path, "export", result.trial.id, path, "--store", store.root)
    assert "tensors of integers of trial" in run.stdout
    tensors, described = loaded(path.read_bytes(), path)
    bench = Restoring(None, store.weights)
    images = np.asarray(bench.dataset(result.trial.dataset).x_test, np.float32) / 255
    found = computed(tensors, described, images)
    assert np.array_equal(found.argmax(axis=1), store.predictions(result.trial.id))
    with pytest.raises(PrecisionError, match="network of integers"):
        read(path)
    # The rounded weights are the integers times their scales.
    model = exported(result, bench, rounded=True)
    for name in ("conv", "logits"):
        real = tensors[f"{name}/weights"] * tensors[f"{name}/scales"]
        assert np.array_equal(real, model.get_layer(name).kernel.numpy())
    before = exported(result, bench)
    assert not np.array_equal(before.get_layer("conv").kernel, model.get_layer("conv").kernel)


def test_the_file_is_that_of_its_policy(trained, tmp_path):
    store, result = trained
    content, count, size = coded(result, Restoring(None, store.weights))
    tensors, _ = loaded(content, tmp_path / "x.safetensors")
    assert (count, size) == (len(tensors), sum(t.nbytes for t in tensors.values()))
    with safe_open(tmp_path / "x.safetensors", framework="numpy") as file:
        assert Policy.from_json(json.loads(file.metadata()["policy"])) == parse_policy(AFFINE)
