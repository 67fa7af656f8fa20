"""A trial whose method hands back a predictor that is no Keras model."""

import hashlib
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measured import powercap
from sklearn.metrics import balanced_accuracy_score

from precision.data import as_float
from precision.measure.counted.packed import WeightMemory
from precision.measure.machine import calibration, sampler
from precision.measure.machine.sources.found import Found, find
from precision.methods.evaluation import BATCH, evaluate, judge
from precision.methods.outcome import Outcome
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.metrics import METRICS
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial


class Nearest:
    """The class whose mean training image, stored in int8, is the nearest: plain NumPy."""

    def __init__(self, dataset):
        images = as_float(dataset.x_train).reshape(len(dataset.x_train), -1)
        means = [images[dataset.y_train == label].mean(0) for label in range(dataset.classes)]
        self.codes = np.rint(127 * np.array(means)).astype(np.int8)
        self.batches = []

    def logits(self, images):
        self.batches.append((len(images), images.dtype))
        means = self.codes.astype(np.float32) / 127
        differences = as_float(images).reshape(len(images), 1, -1) - means
        return -(differences**2).sum(2)

    def memory(self):
        return WeightMemory(self.codes.size, self.codes.nbytes, 4 * self.codes.size, 8.0)

    def activation_bits(self):
        return float("nan")

    def digest(self):
        return hashlib.sha256(self.codes.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return Workbench(None, lambda trial_id: folder / trial_id)


TRIAL = Trial(
    Choice("digits", {"train_size": 200, "test_size": 60}),
    Choice("none"),  # no network is built
    Choice("nearest", {"trained": False}),
    {},
    Training(),
    seed=0,
)


@pytest.fixture
def made():
    """The predictors that the registered method has handed back."""
    predictors = []

    @METHODS.register("nearest")
    def nearest(trial, bench, *, trained=False):
        from precision.methods.training import Trained

        predictors.append(Nearest(bench.dataset(trial.dataset)))
        row = {"epoch": 1, "loss": 0.5, "accuracy": 0.5, "val_loss": 0.5, "val_accuracy": 0.5, "seconds": 2.0}
        how = Trained([row], None) if trained else None
        return Outcome(predictors[-1], how, timing="native", facts={"distance": "euclidean"})

    yield predictors
    METHODS.remove("nearest")


def expected(dataset, predictor):
    """Return predictions, accuracy and loss, one image at a time."""
    predictions, losses = [], []
    for image, label in zip(as_float(dataset.x_test), dataset.y_test, strict=True):
        gaps = [((image.ravel() - mean) ** 2).sum() for mean in predictor.codes.astype(np.float32) / 127]
        predictions.append(int(np.argmin(gaps)))
        losses.append(np.log(np.exp(-np.float64(gaps)).sum()) + gaps[label])
    return predictions, np.mean(predictions == dataset.y_test), np.mean(losses)


def test_its_evaluation(bench):
    dataset = bench.dataset(TRIAL.dataset)
    predictor = Nearest(dataset)
    tested = evaluate(predictor, dataset.x_test, dataset.y_test)
    predictions, accuracy, loss = expected(dataset, predictor)
    np.testing.assert_array_equal(tested.predictions, predictions)
    assert tested.accuracy == accuracy > 0.6
    assert tested.loss == pytest.approx(loss, rel=1e-5)
    assert tested.images_per_second > 0
    many = np.concatenate([dataset.x_test] * 10)
    tested = evaluate(predictor, many, np.concatenate([dataset.y_test] * 10))
    np.testing.assert_array_equal(tested.predictions, predictions * 10)
    # Each size once before the clock runs; the images come as they are stored.
    assert [size for size, _ in predictor.batches] == [60, 60] + 2 * [BATCH, 600 - BATCH]
    assert {dtype for _, dtype in predictor.batches} == {dataset.x_test.dtype}


@pytest.mark.parametrize(
    ("labels", "accuracy", "balanced"),
    [
        ([0] * 9 + [1], 0.9, 0.5),  # always the frequent class: no better than a guess
        ([0, 0, 1, 3], 0.5, 1 / 3),  # class 2 has no image and does not count
        ([0, 0], 1.0, 1.0),
    ],
)
def test_balanced_accuracy_is_the_mean_over_classes(labels, accuracy, balanced):
    logits = np.tile(np.float32([1, 0, 0, 0]), (len(labels), 1))
    judged = judge(logits, np.array(labels))
    assert (judged.accuracy, judged.balanced_accuracy) == (accuracy, pytest.approx(balanced))
    logits[:] = np.nan
    assert judge(logits, np.array(labels)).balanced_accuracy == 0


def test_its_trial(bench, made):
    result = run_trial(TRIAL, bench)
    (predictor,) = made
    predictions, accuracy, loss = expected(bench.dataset(TRIAL.dataset), predictor)
    np.testing.assert_array_equal(result.predictions, predictions)
    assert result.status == "ok"
    assert result.metrics["accuracy"] == accuracy
    assert result.metrics["loss"] == pytest.approx(loss, rel=1e-5)
    sizes = ("parameters", "weight_bytes", "float32_weight_bytes", "weight_bits")
    assert [result.metrics[name] for name in sizes] == [7840, 7840, 4 * 7840, 8]
    assert np.isnan(result.metrics["activation_bits"])
    assert result.metrics["epochs"] == 0 and result.history == []
    assert result.facts["distance"] == "euclidean"
    assert result.facts["scale"] == "divided by 255"
    labels = bench.dataset(TRIAL.dataset).y_test
    assert result.metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert result.facts["test_classes"].split(", ")[7] == f"7 {(labels == 7).sum()}"
    assert sum(int(one.split()[1]) for one in result.facts["train_classes"].split(", ")) == 200
    assert result.facts["timing"] == "native"
    assert "weights_digest" not in result.facts


def test_what_its_machine_tells(bench, made, tmp_path, monkeypatch):
    """A machine with a counter of energy, which each look finds a joule further."""
    monkeypatch.setattr(METHODS["nearest"], "alone", True, raising=False)
    root = powercap(tmp_path / "powercap", 0)
    monkeypatch.setattr(sampler, "find", lambda: find(powercap=root))
    read, count = Path.read_text, itertools.count()

    def counted(path):
        return str(10**6 * next(count)) if path.name == "energy_uj" else read(path)

    (root / "intel-rapl:0" / "max_energy_range_uj").write_text(str(10**12))
    monkeypatch.setattr(Path, "read_text", counted)
    result = run_trial(TRIAL, bench)
    assert result.facts["energy_source"].startswith("RAPL (package-0)")
    assert result.metrics["measured_image_joules"] * result.metrics["test_images"] >= 1
    assert math.isnan(result.metrics["measured_train_joules"])  # it trained nothing
    assert (
        len(result.samples) >= 2
        and result.samples.peak("memory_bytes") == result.metrics["peak_memory_bytes"]
    )


def test_a_machine_that_tells_nothing_costs_no_trial(bench, made, monkeypatch):
    monkeypatch.setattr(METHODS["nearest"], "alone", True, raising=False)
    monkeypatch.setattr(sampler, "find", Found)
    result = run_trial(TRIAL, bench)
    assert result.status == "ok" and math.isnan(result.metrics["measured_image_joules"])
    assert math.isnan(result.metrics["peak_memory_bytes"]) and result.samples.series == {}


def test_its_trial_after_a_training(bench, made):
    trial = Trial.from_json({**TRIAL.to_json(), "method": {"name": "nearest", "options": {"trained": True}}})
    result = run_trial(trial, bench)
    assert result.facts["weights_digest"] == made[0].digest()
    assert result.metrics["train_seconds"] == result.metrics["seconds_per_epoch"] == 2
    assert [row["epoch"] for row in result.history] == [1]


def test_a_trial_that_asks_for_its_latency_has_the_same_numbers(made, bench):
    """It is timed last, with batches of its own."""
    usual, timed = (run_trial(replace(TRIAL, latency=sizes), bench) for sizes in ((), (1, 8)))
    for name, metric in METRICS.items():
        if not metric.of_machine:
            assert repr(usual.metrics.get(name)) == repr(timed.metrics.get(name)), name
    assert usual.facts == timed.facts and usual.batches == []
    assert "latency_ms" not in usual.metrics
    assert [row["batch"] for row in timed.batches] == [1, 8]
    assert timed.metrics["latency_ms"] == timed.batches[0]["median_ms"] > 0
    assert timed.metrics["latency_p95_ms"] >= timed.metrics["latency_ms"]
    assert {size for size, _ in made[1].batches} == {60, 1, 8}


def test_the_machine_is_looked_at_beside_the_times(made, bench, monkeypatch):
    looks = iter([0.04, 0.02, 0.06])
    machine = calibration.Calibration()
    monkeypatch.setattr(calibration, "of_process", lambda: machine)
    monkeypatch.setattr(machine, "look", lambda: next(looks))
    machine.best = 0.02
    metrics = run_trial(replace(TRIAL, latency=(1,)), bench).metrics
    assert metrics["inference_loop_ms"] == pytest.approx(40.0)
    assert metrics["best_loop_ms"] == pytest.approx(20.0)
    assert math.isnan(metrics["train_loop_ms"])
    assert METRICS.numbers(metrics)["inference_disturbance"] == pytest.approx(2.0)
