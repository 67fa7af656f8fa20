"""Estimates of time, by arithmetic that can be done by hand."""

import pytest

from precision.grid.plan.forecast import LEVELS, Estimator
from precision.trial import Choice, Runtime, Training, Trial, TrialResult

HERE = "a processor, 2 cores"


def forecast(trials, summaries, machine):
    return Estimator(trials, summaries, machine).forecast()


def trained(**changes):
    """A float32 training of 3 epochs of 10 s, which took 35 s in all."""
    return {
        "status": "ok",
        "dataset": "mnist",
        "dataset_options": {"train_size": 1000},
        "architecture": "lenet",
        "architecture_options": {},
        "method": "float32",
        "method_options": {},
        "epochs": 3,
        "batch_size": 128,
        "device": None,
        "threads": None,
        "machine": HERE,
        "seconds": 35.0,
        "train_images": 1000,
        "train_seconds": 30.0,
        "seconds_per_epoch": 10.0,
    } | changes


def rounded(**changes):
    """A network rounded after training, in 4 s."""
    return trained(method="ptq", seconds=4.0, train_seconds=None, seconds_per_epoch=None) | changes


def trial(method="float32", policy=None, seed=0, **changes):
    return Trial(
        changes.get("dataset", Choice("mnist", {"train_size": 1000})),
        changes.get("architecture", Choice("lenet")),
        Choice(method, changes.get("options", {})),
        policy or {},
        changes.get("training", Training(epochs=3)),
        seed,
        runtime=changes.get("runtime", Runtime()),
    )


@pytest.mark.parametrize(
    ("wanted", "known", "seconds", "level"),
    [
        (trial(), [trained()], 35.0, 0),
        (trial(seed=9), [trained(), trained(seconds=37.0), trained(seconds=99.0)], 37.0, 0),  # the median
        (trial(training=Training(epochs=6)), [trained()], 5.0 + 60.0, 0),
        (trial("qat", {"w": 1}, options={"epochs": 2}), [trained(method="qat")], 5.0 + 20.0, 1),
        (
            trial("qat", {"w": 1}),
            [trained(method="qat", method_options={"epochs": 1}, seconds=17, train_seconds=12)],
            7.0 + 30.0,  # 12 s of training with 10 s per epoch: 2 s went into its beginning
            1,
        ),
        (trial(training=Training(epochs=3, batch_size=32)), [trained()], 35.0, 1),
        (trial(runtime=Runtime("cpu", 2)), [trained(), trained(device="cpu", threads=2, seconds=50)], 50, 0),
        (trial(dataset=Choice("mnist", {"train_size": 500})), [trained()], 5.0 + 15.0, 2),
        (trial(dataset=Choice("mnist")), [trained()], 35.0, 2),  # nobody knows its size
        (
            trial(dataset=Choice("mnist")),
            [trained(), rounded(dataset_options={}, train_images=60000)],
            5.0 + 3 * 600.0,
            2,
        ),
        (trial(architecture=Choice("lenet", {"width": 2})), [trained()], 35.0, 3),
        (trial(dataset=Choice("digits", {"train_size": 100})), [trained()], 5.0 + 3.0, 3),
        (trial("ptq", {"w": 1}), [rounded(), trained()], 4.0, 0),
        (trial(), [trained(seconds=None)], 30.0, 0),  # of the training alone is known
    ],
)
def test_the_most_similar_results_count(wanted, known, seconds, level):
    found = forecast([wanted], known, HERE)
    assert (found.seconds, found.unknown, dict(found.bases)) == (seconds, 0, {LEVELS[level]: 1})
    assert not found.foreign


@pytest.mark.parametrize(
    "known",
    [
        [],
        [trained(status="failed")],
        [trained(architecture="vgg")],
        [rounded()],
        [trained(seconds=None, train_seconds=None)],
    ],
)
def test_what_is_like_nothing_is_unknown(known):
    found = forecast([trial()], known, HERE)
    assert (found.seconds, found.unknown, found.foreign) == (0.0, 1, False)


def test_times_of_other_machines_only_where_there_are_no_others():
    there = trained(machine="another", seconds=99.0)
    assert forecast([trial()], [there, trained()], HERE).seconds == 35.0
    found = forecast([trial()], [there], HERE)
    assert (found.seconds, found.foreign) == (99.0, True)


def test_trials_beside_each_other_wait_for_their_baselines():
    trials = [trial("ptq", {"w": bits}) for bits in range(10)]
    found = forecast([trial(), *trials], [trained(), rounded()], HERE)
    assert found.elapsed(1) == 35.0 + 10 * 4.0
    assert found.elapsed(2) == 75.0 / 2 + 1.5  # the first baseline and a trial after it: 39 s
    assert found.elapsed(100) == 39.0


def test_it_learns_from_the_run():
    """What is known of a store gives way to results of the run that are as much alike."""
    trials = [trial(seed=seed) for seed in range(4)] + [trial("ptq", {"w": 1}, seed) for seed in range(4)]
    estimator = Estimator(trials, [trained()], HERE)
    assert (estimator.forecast().seconds, estimator.forecast().unknown) == (4 * 35.0, 4)
    metrics = {"train_images": 1000, "train_seconds": 60.0, "seconds_per_epoch": 20.0}
    estimator.add(TrialResult(trials[0], "ok", metrics=metrics), 65.0)
    found = (
        estimator.forecast()
    )  # of ptq nothing is known but how long any trial takes, with its three epochs
    assert (found.seconds, found.longest, found.unknown) == (3 * 65.0 + 4 * 65.0, 130.0, 0)
    estimator.add(TrialResult(trials[4], "ok"), 4.0)
    found = estimator.forecast()
    assert (found.seconds, found.longest) == (3 * 65.0 + 3 * 4.0, 69.0)
    assert found.bases == {LEVELS[0]: 6}


def test_trials_of_a_run_that_are_less_alike_than_those_of_a_store_do_not_count():
    other = trial(architecture=Choice("lenet", {"width": 2}))
    estimator = Estimator([trial(), other], [trained()], HERE)
    estimator.add(TrialResult(other, "failed", reason="no"), 1.0)
    assert estimator.forecast().seconds == 35.0


def test_the_last_results_of_a_run_count(monkeypatch):
    trials = [trial(seed=seed) for seed in range(5)]
    monkeypatch.setattr("precision.grid.plan.forecast.RECENT", 2)
    estimator = Estimator(trials)
    for one, seconds in zip(trials, (90.0, 80.0, 10.0, 12.0), strict=False):
        estimator.add(TrialResult(one, "ok"), seconds)
    assert estimator.forecast().seconds == 11.0
