"""Every number of a task a second way: against scikit-learn, and the loss of Keras against the one here."""

import math

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import metrics as sk

from precision import tasks
from precision.errors import PrecisionError
from precision.metrics import METRICS
from precision.tasks.multi_label import average_precision

RNG = np.random.default_rng(8)


def test_classes():
    targets = RNG.integers(0, 4, 200)
    logits = RNG.normal(0, 2, (200, 4)).astype(np.float32)
    found = tasks.named("classification").judge(logits, targets)
    said = logits.argmax(axis=1)
    assert found.predictions.tolist() == said.tolist() and found.predictions.dtype == np.uint8
    assert found.metrics == {
        "accuracy": pytest.approx(sk.accuracy_score(targets, said)),
        "balanced_accuracy": pytest.approx(sk.balanced_accuracy_score(targets, said)),
        "loss": pytest.approx(sk.log_loss(targets, softmax(logits.astype(float), axis=1))),
    }


@pytest.mark.parametrize("step", [0, 0.5, 4], ids=["float", "many equal", "hardly any values"])
def test_labels(step):
    """Of a narrow format many logits are equal, which an average precision has to take as one threshold."""
    targets = (RNG.random((300, 5)) < [0.5, 0.1, 0.9, 0.3, 0.02]).astype(np.uint8)
    targets[0] = 1
    logits = (RNG.normal(0, 3, (300, 5)) + 2 * targets).astype(np.float32)
    logits = np.round(logits / step) * np.float32(step) if step else logits
    found = tasks.named("multi_label").judge(logits, targets)
    said = (logits > 0).astype(int)
    assert found.predictions.tolist() == said.tolist() and found.predictions.dtype == np.uint8
    each = [sk.log_loss(targets[:, k], expit(logits[:, k].astype(float))) for k in range(5)]
    assert found.metrics == {
        "accuracy": pytest.approx(sk.accuracy_score(targets, said)),
        "macro_f1": pytest.approx(sk.f1_score(targets, said, average="macro", zero_division=0)),
        "mean_average_precision": pytest.approx(sk.average_precision_score(targets, logits, average="macro")),
        "hamming_loss": pytest.approx(sk.hamming_loss(targets, said)),
        "loss": pytest.approx(np.mean(each)),
    }


def test_labels_that_no_image_has_and_logits_that_are_no_numbers():
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.uint8)
    logits = np.array([[3.0, -1, -1], [-1, 2, -1], [np.nan, 5, 5]], np.float32)
    found = tasks.named("multi_label").judge(logits, targets)
    assert found.predictions.tolist() == [[1, 0, 0], [0, 1, 0], [255, 255, 255]]
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert found.metrics["hamming_loss"] == pytest.approx(1 / 3)  # of the third image every label
    assert math.isnan(found.metrics["mean_average_precision"]) and math.isnan(found.metrics["loss"])
    # Labels 0 and 1: one found of two, none too many; label 2: none there, one said.
    assert found.metrics["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    without = tasks.named("multi_label").judge(logits[:2], targets[:2]).metrics
    assert without["mean_average_precision"] == 1  # of the two labels that an image has


def test_an_average_precision_by_hand():
    """Thresholds 2, 1 and 0: recall 1/2, 1/2, 1 at precision 1, 1/3, 2/4."""
    assert average_precision(np.array([2, 1, 1, 0]), np.array([1, 0, 0, 1]) > 0) == pytest.approx(0.75)


@pytest.mark.parametrize("count", [1, 3])
def test_a_regression(count):
    targets = RNG.normal(5, [2, 30, 0.1][:count], (150, count)).astype(np.float32)
    outputs = (targets + RNG.normal(0, 0.3, targets.shape)).astype(np.float32)
    found = tasks.named("regression").judge(outputs, targets)
    truth, said = targets.astype(float), outputs.astype(float)
    assert found.metrics == {
        "rmse": pytest.approx(math.sqrt(sk.mean_squared_error(truth, said))),
        "mae": pytest.approx(sk.mean_absolute_error(truth, said)),
        "r2": pytest.approx(sk.r2_score(truth, said)),
        "loss": pytest.approx(sk.mean_squared_error(truth, said)),
    }
    assert found.predictions.dtype == np.float32 and found.reason == ""
    np.testing.assert_allclose(found.predictions, said - truth, rtol=1e-6)


@pytest.mark.parametrize("outputs", [[4, 4, 4], [4, 4, 5]])
def test_a_target_that_is_always_the_same(outputs):
    targets, outputs = np.full((3, 1), 4, np.float32), np.array(outputs, np.float32)[:, None]
    assert tasks.named("regression").judge(outputs, targets).metrics["r2"] == sk.r2_score(targets, outputs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_no_numbers_leave_a_regression_without_a_result(value):
    outputs = np.array([[1.0], [value], [value]], np.float32)
    found = tasks.named("regression").judge(outputs, np.ones((3, 1), np.float32))
    assert found.reason == "the network returns no finite number for 2 of 3 test images"
    assert found.metrics["rmse"] == found.metrics["mae"] == math.inf
    assert found.predictions.ravel().tolist() == [0, math.inf, math.inf]


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_keras_trains_on_the_loss_that_is_reported(name):
    task = tasks.named(name)
    outputs = RNG.normal(0, 2, (64, 3)).astype(np.float32)
    targets = {
        "classification": RNG.integers(0, 3, 64),
        "multi_label": RNG.integers(0, 2, (64, 3)).astype(np.uint8),
        "regression": RNG.normal(0, 1, (64, 3)).astype(np.float32),
    }[name]
    task.check("data", targets, ("a", "b", "c"))
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    loss, score = task.compiled()
    model.compile(loss=loss, metrics=[score])
    found = model.evaluate(outputs, targets, verbose=0, return_dict=True)
    judged = task.judge(outputs, targets).metrics
    assert found["loss"] == pytest.approx(judged["loss"], rel=1e-5)
    assert found[task.score] == pytest.approx(judged[task.score], rel=1e-5)


@pytest.mark.parametrize("name", list(tasks.TASKS))
def test_a_task_and_its_metric_agree_on_what_is_better(name):
    task = tasks.named(name)
    assert METRICS[task.score].better == {1: "higher", -1: "lower"}[task.sign]
    worse = task.differs(0.4, 0.5) if task.sign > 0 else task.differs(0.5, 0.4)
    assert task.loss_of(worse) == pytest.approx(25 if task.relative else 10)


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("classification", np.array([0, 3]), r"must be int64 in 0..2, but got int64 in 0..3"),
        ("classification", np.zeros((2, 3), np.int64), r"shape \(N,\), but got \(2, 3\)"),
        ("multi_label", np.full((2, 3), 2, np.uint8), "0 or 1, but got uint8 up to 2"),
        ("multi_label", np.zeros((2, 2), np.uint8), r"shape \(N, 3\), but got \(2, 2\)"),
        ("regression", np.zeros((2, 3)), r"float32 of the shape \(N, 3\), but got float64"),
        ("regression", np.full((2, 3), np.nan, np.float32), "finite, but image 0 has NaN"),
    ],
)
def test_targets_that_are_none(name, targets, message):
    with pytest.raises(PrecisionError, match=message):
        tasks.named(name).check("data", targets, ("a", "b", "c"))


def test_an_unknown_task():
    with pytest.raises(PrecisionError, match="unknown task 'regresion'; did you mean 'regression'"):
        tasks.named("regresion")
    assert tasks.named("") is tasks.CLASSIFICATION  # of what was stored before there were others
    assert tasks.of_all(["", float("nan"), "regression"]).score == "rmse"


def test_scores_in_words():
    assert tasks.score_in_words({"loss": 1, "val_accuracy": 0.875}, "val_") == "87.50 %"
    assert tasks.score_in_words({"rmse": 1234.5}) == "RMSE 1234" and tasks.score_in_words({}) == ""
