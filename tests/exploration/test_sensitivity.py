import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from stored import rewrite

from precision import plugins
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError
from precision.exploration import sensitivity as module
from precision.exploration.sensitivity import sensitivity
from precision.grid import Store, expand, load_grid
from precision.methods.evaluation import evaluate
from precision.methods.workbench import Workbench
from precision.quantization import Policy

NETWORK = """\
from precision.registry import ARCHITECTURES


@ARCHITECTURES.register("normalised")
def normalised(input_shape, classes):
    import keras
    from keras import layers

    x = images = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, name="conv")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    return keras.Model(images, layers.Dense(classes, name="logits")(layers.Flatten(name="flatten")(x)))
"""


@pytest.fixture(autouse=True)
def _forget_plugins():
    yield
    plugins.load([])


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the trained tiny grid that a test may change."""
    return Path(shutil.copytree(trained.parent, tmp_path / "copy"))


def measured(folder, **options):
    return sensitivity(folder / "tiny.yaml", store=folder / "runs", quiet=True, **options)


def test_each_row_is_a_network_with_one_slot_rounded(folder):
    """Against a policy that names that layer and slot alone, applied in the ordinary way."""
    found = measured(folder, policies=["int8", "int2"])
    frame = found.frame
    assert found.left_out == ()
    seen = {(row.seed, row.policy, row.layer, row.slot) for row in frame.itertuples()}
    assert len(seen) == len(frame) == 2 * 2 * 7
    dense = {"weights", "biases", "activations"}
    slots = {name: {s for _, _, layer, s in seen if layer == name} for name in frame["layer"].unique()}
    assert slots == {"flatten": {"inputs"}, "dense1": dense, "logits": dense}
    grid, source = load_grid(folder / "tiny.yaml")
    store = Store(folder / "runs")
    bench = Workbench(None, store.weights)
    trials = {cell.seed: cell.trial.baseline for cell in expand(grid, source)}
    data = bench.dataset(trials[0].dataset)
    checked = 0
    for row in frame[frame["policy"] == "int2"].itertuples():
        if row.seed == 1 and row.slot not in ("weights", "inputs"):
            continue
        setting = grid.policies["int2"].slots[row.slot]
        alone = Policy(layers=((row.layer, {row.slot: setting}),), images=100)
        expected = evaluate(
            KerasPredictor(bench.quantised(trials[row.seed], alone)), data.x_test, data.y_test
        )
        assert (row.accuracy, row.loss) == pytest.approx((expected.accuracy, expected.loss), rel=1e-6), row
        baseline = store.load(trials[row.seed].id).metrics
        assert row.baseline_accuracy == baseline["accuracy"]
        assert row.accuracy_loss == pytest.approx(100 * (baseline["accuracy"] - expected.accuracy))
        checked += 1
    assert checked == 7 + 3
    # A weight of two bits is coarse, and one of eight bits is not.
    weights = frame[frame["slot"] == "weights"].groupby("policy")
    assert weights["tensor_sqnr"].max()["int2"] < 8 < 40 < weights["tensor_sqnr"].min()["int8"]
    assert weights["logits_sqnr"].max()["int2"] < weights["logits_sqnr"].min()["int8"]


def test_a_part_of_a_grid_that_was_changed(folder):
    found = measured(folder, policies=["int2"], only=["seed=1"], changes=["name=other"])
    assert found.name == "other"
    assert set(found.frame["seed"]) == {1}
    with pytest.raises(PrecisionError, match="--only seed=7: no cell has the seed '7'"):
        measured(folder, only=["seed=7"])


def test_what_is_stored_is_not_measured_again(folder, monkeypatch):
    first = measured(folder, policies=["int4"], slots=["weights"]).frame
    files = list((folder / "runs" / "sensitivity").glob("*.jsonl"))
    assert len(files) == 2  # one per seed
    torn = files[0].read_bytes()
    lines = torn.splitlines(keepends=True)
    files[0].write_bytes(b"".join(lines[:-1]) + lines[-1][:9])
    calls = []
    alone = module._alone
    monkeypatch.setattr(
        module,
        "_alone",
        lambda evaluator, policy, seed, sites: calls.append(sites) or alone(evaluator, policy, seed, sites),
    )
    again = measured(folder, policies=["int4"], slots=["weights"]).frame
    assert [len(sites) for sites in calls] == [1]
    assert again.equals(first)
    assert files[0].read_bytes() == torn
    more = measured(folder, policies=["int4"], slots=["weights", "biases"]).frame
    assert [[site.slot for site in sites] for sites in calls[1:]] == [["biases", "biases"]] * 2
    assert len(more) == 2 * len(first)


def test_fewer_images_are_other_rows(folder):
    few = measured(folder, policies=["int2"], slots=["weights"], images=10).frame
    assert set(few["images"]) == {10}
    assert all(np.isclose(few["accuracy"] * 10 % 1, 0))
    everything = measured(folder, policies=["int2"], slots=["weights"]).frame
    assert set(everything["images"]) == {60}


def test_a_policy_that_does_not_fit_is_left_out(folder):
    path = folder / "tiny.yaml"
    path.write_text(path.read_text().replace("  int4:", "  odd: {layers: {nowhere: float16}}\n  int4:"))
    found = measured(folder, policies=["odd", "int4"], slots=["weights"], images=10)
    assert set(found.frame["policy"]) == {"int4"}
    (text,) = found.left_out
    assert "digits mlp odd: the policy's layer pattern 'nowhere' matches no layer" in text
    with pytest.raises(PrecisionError, match="nothing to measure: digits mlp odd"):
        measured(folder, policies=["odd"])


def test_a_folded_network_has_no_normalisation_to_round(tmp_path, train):
    (tmp_path / "normalised.py").write_text(NETWORK)
    text = """\
name: tiny
plugins: [normalised.py]
datasets: [{name: digits, train_size: 60, test_size: 20}]
architectures: [normalised]
policies:
  float32: float32
  plain: {weights: "fixed(6,4)"}
  folded: {weights: "fixed(6,4)", fold_batch_norm: true}
training: {epochs: 1, batch_size: 32}
"""
    train(tmp_path, text)
    frame = measured(tmp_path).frame
    kinds = frame.groupby("policy")["kind"].unique()
    assert set(kinds["plain"]) == {"Conv2D", "BatchNormalization", "Dense"}
    assert set(kinds["folded"]) == {"Conv2D", "Dense"}
    assert np.isfinite(frame["logits_sqnr"]).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"slots": ["weight"]}, "unknown slot 'weight'; did you mean 'weights'"),
        ({"policies": ["int9"]}, "unknown policy 'int9'; did you mean"),
        ({"policies": ["float32"]}, "rounds nothing"),
        ({"images": 0}, "--images must be a whole number above 0"),
        ({"images": 61}, "has 60 test images, but --images is 61"),
    ],
)
def test_wrong_options(folder, options, text):
    with pytest.raises(PrecisionError, match=text):
        measured(folder, **options)


def test_stored_networks_of_other_images_are_refused(folder):
    for path in (folder / "runs" / "trials").glob("*/result.json"):
        facts = json.loads(path.read_text())["facts"]
        rewrite(path, facts={**facts, "data_digest": "0"})
    with pytest.raises(PrecisionError, match="this result is of other images"):
        measured(folder)
