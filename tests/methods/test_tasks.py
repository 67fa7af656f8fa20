"""Regressions and several labels through whole grids; a quantised regression against NumPy."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import metrics as sk

import precision
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError
from precision.grid import Store, expand, load_grid
from precision.grid.execution.preflight import check_grid
from precision.grid.execution.same_numbers import compare
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.report import answer_text, pivot_text

POLICIES = """\
policies:
  float32: float32
  fixed12: {weights: "fixed(12,9)", biases: "fixed(12,9)", activations: "fixed(12,7)", inputs: "fixed(12,8)"}
  fixed5: {weights: "fixed(5,3)", biases: "fixed(5,3)", activations: "fixed(5,2)", inputs: "fixed(5,3)"}
training: {epochs: 6, batch_size: 16, learning_rate: 0.005}
"""
SUGAR = f"""\
name: sugar
datasets: [{{name: diabetes, target_scale: standard}}]
architectures: [{{name: mlp, width: 0.125}}]
methods: [ptq, qat]
report: {{tolerance: 10}}
{POLICIES}"""


class Grid:
    """The trials of a grid, run in this process and stored."""

    def __init__(self, folder, text):
        self.path = folder / "grid.yaml"
        self.path.write_text(text)
        parsed, source = load_grid(self.path)
        self.cells = expand(parsed, source)
        check_grid(self.cells, source, None)
        self.store = Store(folder / "runs")
        self.store.create()
        self.bench = Workbench(None, self.store.weights)
        trials = {t.id: t for cell in self.cells for t in (cell.trial.baseline, cell.trial)}
        for trial in trials.values():
            self.store.save(run_trial(trial, self.bench))

    def cell(self, policy, method="ptq"):
        return next(cell for cell in self.cells if (cell.policy, cell.method) == (policy, method))

    def result(self, policy, method="ptq"):
        return self.store.load(self.cell(policy, method).trial.id)

    def predictions(self, policy):
        return self.store.predictions(self.cell(policy).trial.id)

    @property
    def dataset(self):
        return self.bench.dataset(self.cells[0].trial.dataset)


@pytest.fixture(scope="module")
def sugar(tmp_path_factory):
    return Grid(tmp_path_factory.mktemp("sugar"), SUGAR)


def fixed(x, bits, fraction):
    """Round to nearest, ties to even, and saturate."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return np.clip(np.round(x * 2.0**fraction), low, high) / 2.0**fraction


def test_a_regression_is_trained_and_scored(sugar):
    result, data = sugar.result("float32"), sugar.dataset
    assert result.status == "ok" and result.facts["task"] == "regression"
    assert result.facts["target_scale"].startswith("progression less 1")
    errors = sugar.predictions("float32")
    said, truth = data.y_test + errors.astype(float), data.y_test.astype(float)
    metrics = result.metrics
    assert metrics["rmse"] == pytest.approx(sk.mean_squared_error(truth, said) ** 0.5)
    assert metrics["mae"] == pytest.approx(sk.mean_absolute_error(truth, said))
    assert metrics["r2"] == pytest.approx(sk.r2_score(truth, said))
    assert 0.25 < metrics["r2"] < 0.7  # linear regression has about 0.45 here
    assert "accuracy" not in metrics
    assert set(result.history[0]) == {"epoch", "loss", "rmse", "val_loss", "val_rmse", "seconds"}
    assert result.history[-1]["val_rmse"] == metrics["rmse"]


@pytest.mark.parametrize(
    ("policy", "parts"), [("fixed12", ((12, 9), (12, 7), (12, 8))), ("fixed5", ((5, 3), (5, 2), (5, 3)))]
)
def test_a_rounded_regression_is_what_numpy_computes(sugar, policy, parts):
    weights, activations, inputs = parts
    data, model = sugar.dataset, sugar.bench.baseline(sugar.cell("float32").trial)
    w1, b1, w2, b2 = (fixed(np.asarray(v, np.float64), *weights) for v in model.get_weights())
    hidden = fixed(np.maximum(fixed(data.x_test.astype(np.float64), *inputs) @ w1 + b1, 0), *activations)
    errors = fixed(hidden @ w2 + b2, *activations) - data.y_test
    np.testing.assert_allclose(sugar.predictions(policy), errors, atol=1e-6)
    result = sugar.result(policy)
    assert result.metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert result.metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-6)
    assert sugar.result("fixed5").metrics["rmse"] > sugar.result("fixed12").metrics["rmse"]


def test_training_goes_on_with_the_format(sugar):
    history = sugar.result("fixed5", "qat").history
    assert len(history) == 6 and history[-1]["rmse"] < history[0]["rmse"]


def test_a_regression_is_reported_as_one(sugar, tmp_path):
    results = precision.run(sugar.path, store=sugar.store.root, output=tmp_path / "report", quiet=True)
    cells = results.cells().set_index(["policy", "method"])
    rise = sugar.result("fixed5").metrics["rmse"] / sugar.result("float32").metrics["rmse"] - 1
    row = cells.loc["fixed5", "ptq"]
    assert row["rmse_difference"] == pytest.approx(rise)
    assert row["rmse_difference_low"] < rise < row["rmse_difference_high"]
    assert "fixed12 is the smallest format shown to stay within 10 % of the RMSE of float32" in answer_text(
        results
    )
    assert "RMSE on the test images in the unit of the targets" in pivot_text(results)
    text = " ".join((tmp_path / "report" / "report.md").read_text().split())
    for words in (
        "shown to raise the RMSE on the test images by at most 10 % against float32",
        "## RMSE RMSE on the test images",
        "By how many per cent the RMSE of each run on the test images is higher than that of the float32 run",
        "](rmse_vs_bits.png)",
        "| Mean absolute error | R2 | Loss |",
        "| diabetes | progression 0 ± 1 (-1.",
    ):
        assert words in text, words
    assert "ccuracy" not in text  # of which there is none
    assert {path.name for path in (tmp_path / "report").glob("*.png")} == {
        "rmse_vs_bits.png",
        "loss_curves.png",
        "memory.png",
        "resources.png",
    }


def test_the_same_numbers_again(sugar):
    before = sugar.result("fixed5")
    before.predictions = sugar.predictions("fixed5")
    again = run_trial(before.trial, sugar.bench)
    assert compare(before, again).different == []
    again.predictions = again.predictions.copy()
    again.predictions[7, 0] += 1
    (row,) = compare(before, again).different
    assert row.name == "predictions: 1 of 89 differ, first image 7" and row.before.startswith("errors [")


def test_a_model_of_ones_own_is_the_float32_row_as_it_came(tmp_path):
    """In the unit of the targets, with a function of its own at the end, from vectors as they are."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 4, (200, 3)).astype(np.float32)
    y = np.stack([3 * x[:, 0] + x[:, 1], x[:, 2] ** 2], axis=1) + 0.1
    np.savez(tmp_path / "houses.npz", x=x, y=y)
    inputs = keras.Input((3,))
    hidden = layers.Dense(16, activation="tanh", name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="softplus", name="price")(hidden))
    model.save(tmp_path / "model.keras")
    text = f"""\
name: houses
datasets: [{{name: npz, path: houses.npz, scale: none, target_scale: none}}]
architectures: [{{name: keras_file, path: model.keras}}]
methods: [ptq]
{POLICIES}"""
    grid = Grid(tmp_path, text)
    data = grid.dataset
    np.testing.assert_allclose(
        grid.predictions("float32"), model.predict_on_batch(data.x_test) - data.y_test, rtol=1e-5, atol=1e-5
    )
    assert grid.result("float32").metrics["epochs"] == 0 and grid.result("fixed5").status == "ok"


def test_a_network_that_does_not_fit_is_refused_before_anything_is_trained(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.zeros((20, 3)), y=np.arange(20) / 3)
    inputs = keras.Input((3,))
    keras.Model(inputs, layers.Dense(1, activation="sigmoid")(inputs)).save(tmp_path / "model.keras")
    text = f"""\
name: houses
datasets: [{{name: npz, path: own.npz}}]
architectures: [{{name: keras_file, path: model.keras}}]
{POLICIES}"""
    with pytest.raises(
        PrecisionError, match=r"grid.yaml:3: architecture 'keras_file': .* ends with a sigmoid"
    ):
        Grid(tmp_path, text)


class Broken(KerasPredictor):
    def logits(self, images):
        return np.full((len(images), 1), np.nan, np.float32)


def test_a_regression_without_finite_numbers_has_no_result(sugar, monkeypatch):
    monkeypatch.setattr("precision.deploy.predictor.KerasPredictor", Broken)
    result = run_trial(sugar.cell("fixed5").trial, sugar.bench)
    assert result.status == "diverged"
    assert result.reason == "the network returns no finite number for 89 of 89 test images"


def test_several_labels(tmp_path):
    """Which of three numbers are above 0, and whether their sum is: a perceptron learns it nearly."""
    rng = np.random.default_rng(7)
    x = rng.normal(0, 1, (600, 3))
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0, x[:, 2] > 0.5, x.sum(axis=1) > 0], axis=1).astype(int)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    text = f"""\
name: labels
datasets: [{{name: npz, path: own.npz}}]
architectures: [{{name: mlp, width: 0.25}}]
methods: [ptq]
{POLICIES}"""
    grid = Grid(tmp_path, text.replace("learning_rate: 0.005", "learning_rate: 0.02"))
    truth = grid.dataset.y_test
    for policy in ("float32", "fixed12", "fixed5"):
        said, metrics = grid.predictions(policy), grid.result(policy).metrics
        assert metrics["accuracy"] == pytest.approx(sk.accuracy_score(truth, said))
        assert metrics["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro"))
        assert metrics["hamming_loss"] == pytest.approx(sk.hamming_loss(truth, said))
        assert 0 < metrics["mean_average_precision"] <= 1 and "balanced_accuracy" not in metrics
    assert grid.result("float32").metrics["accuracy"] > 0.8
    assert grid.result("float32").facts["test_classes"].startswith("label0 ")
    assert set(grid.result("float32").history[0]) >= {"accuracy", "val_accuracy"}
    results = precision.run(grid.path, store=grid.store.root, output=tmp_path / "report", quiet=True)
    row = results.cells().set_index("policy").loc["fixed5"]
    assert row["accuracy_difference_low"] <= row["accuracy_difference"] <= row["accuracy_difference_high"]
    report = (tmp_path / "report" / "report.md").read_text()
    assert "Macro F1" in report and "Hamming loss" in report
    # How many images have each label, in training and in the test.
    parts = grid.dataset.y_train.sum(axis=0), grid.dataset.y_test.sum(axis=0)
    told = [", ".join(f"label{k} {n}" for k, n in enumerate(counts)) for counts in parts]
    assert f"| npz | {told[0]} | {told[1]} |" in " ".join(report.split())


def test_native_types_take_a_regression_too(sugar):
    text = SUGAR.replace("methods: [ptq, qat]", "methods: [native]")
    cells = expand(*load_grid(_written(sugar.path.parent, text.replace(POLICIES, _HALF))))
    result = run_trial(cells[-1].trial, sugar.bench)
    assert result.status == "ok" and result.facts["dtype"] == "bfloat16"
    assert result.metrics["rmse"] == pytest.approx(sugar.result("float32").metrics["rmse"], rel=0.15)


_HALF = """\
policies: {float32: float32, bfloat16: bfloat16}
training: {epochs: 6, batch_size: 16, learning_rate: 0.005}
"""


def _written(folder, text):
    path = folder / "native.yaml"
    path.write_text(text)
    return path


def test_a_policy_without_rounding_gives_the_errors_of_float32(sugar):
    trial = sugar.cell("float32").trial
    model = sugar.bench.quantised(trial, Policy())
    found = KerasPredictor(model).logits(sugar.dataset.x_test) - sugar.dataset.y_test
    np.testing.assert_array_equal(found, sugar.predictions("float32"))
