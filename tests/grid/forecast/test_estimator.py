"""Estimates of time, by arithmetic that can be done by hand."""

import pytest

from precision.grid.forecast.counted import beside
from precision.grid.forecast.estimator import FACTORS, LEVELS, WEIGHT, Estimator
from precision.grid.forecast.work import Work
from precision.grid.store.reading import summary
from precision.trial import Choice, Runtime, Training, Trial, TrialResult

FIXED = {"weights": "fixed(8,6)"}
NETWORKS = {"lenet": 1.0, "vgg": 50.0}  # seconds of an epoch of 1000 images


def trial(method="float32", policy=None, seed=0, size=1000, network="lenet", **changes):
    return Trial(
        Choice(changes.get("dataset", "mnist"), {"train_size": size}),
        Choice(network, changes.get("width", {})),
        Choice(method, changes.get("options", {})),
        policy or {},
        changes.get("training", Training(epochs=3)),
        seed,
        runtime=changes.get("runtime", Runtime()),
    )


def work(one):
    """By epoch and image, with 2 s of what is beside the training."""
    if one.method.name == "ptq":
        return Work(0.0, 2.0)
    epoch = NETWORKS[one.architecture.name] * one.dataset.options["train_size"] / 1000
    return Work(one.training.epochs * epoch, 2.0)


def known(one, train, seconds):
    """What a store tells of a result."""
    metrics = {} if train is None else {"train_seconds": train}
    found = {**vars(TrialResult(one, "ok", metrics=metrics)), "trial": one.to_json(), "seconds": seconds}
    return summary(one.id, found)


def forecast(trials, summaries=(), speed=None, counted=work):
    return Estimator(trials, counted, summaries, speed).forecast()


def pooled(ratio, seconds, speed=1.0):
    """The ratio of results that are only similar, which took so many seconds."""
    return (seconds + WEIGHT * speed) / (seconds / ratio + WEIGHT)


@pytest.mark.parametrize(
    ("wanted", "results", "seconds", "level"),
    [
        (trial(seed=1), [(trial(), 6.0, 9.0)], 9.0, 0),  # twice as long, and 3 s beside it
        (trial(seed=9), [(trial(seed=n), s, s + 2) for n, s in enumerate((6, 9, 60))], 11.0, 0),  # the median
        (trial(training=Training(epochs=6)), [(trial(), 6.0, 9.0)], 12.0 + 3.0, 0),
        (trial(training=Training(epochs=3, batch_size=32)), [(trial(), 6.0, 9.0)], 9.0, 1),
        (trial(runtime=Runtime("cpu", 2)), [(trial(), 6.0, 9.0)], 9.0, 1),
        (trial("ptq", FIXED), [(trial("ptq", FIXED, 1), None, 5.0)], 5.0, 0),
        (trial(size=60_000), [(trial(), 6.0, 8.0)], 180 * pooled(2, 6.0) + 2.0, 2),
        (trial(network="vgg"), [(trial(), 6.0, 8.0)], 150 * pooled(2, 6.0) + 2.0, 3),
        (trial("ptq", FIXED), [(trial(), 6.0, 12.0)], 2 * pooled(3, 6.0), 5),
        (trial("qat", FIXED), [(trial("qat", {"weights": "nf4"}), 6.0, 8.0)], 8.0, 1),
        (trial(seed=1), [(trial(), 6.0, None)], 6.0 + 2.0, 0),  # of the training alone is known
        (trial(), [], 5.0, 6),
    ],
)
def test_the_most_similar_results_say_how_long_the_work_takes(wanted, results, seconds, level):
    found = forecast([wanted], [known(*one) for one in results], speed=1.0)
    assert (found.seconds, found.unknown) == (pytest.approx(seconds), 0)
    assert dict(found.bases) == {LEVELS[level]: 1}
    assert found.high / found.seconds == pytest.approx(FACTORS[level])
    assert found.seconds / found.low == pytest.approx(FACTORS[level])


def test_full_networks_are_not_taken_for_the_small_ones_that_have_results():
    """Results of a few digits once stood for trainings on all of MNIST, which take 60 times as long."""
    short = [known(trial(dataset="digits", size=1000), 3.0, 5.0)]
    assert forecast([trial(size=60_000)], short, speed=1.0).seconds == pytest.approx(180.0 + 2.0)


def test_a_short_trial_is_not_taken_for_a_long_one():
    """The first result of a run is a training; what is only rounded takes its own time."""
    trials = [trial(), trial("ptq", FIXED)]
    estimator = Estimator(trials, work)
    estimator.add(TrialResult(trials[0], "ok", metrics={"train_seconds": 33.0}), 35.0)
    assert estimator.forecast().seconds == pytest.approx(2.0)


def test_a_result_that_failed_says_nothing():
    one = {**known(trial(), 60.0, 90.0), "status": "failed"}
    assert forecast([trial(seed=1)], [one], speed=1.0).bases == {LEVELS[-1]: 1}


def test_a_result_of_a_plugin_that_is_not_loaded_says_nothing():
    gone = trial("ptq", {"weights": "takum(8)"})
    assert forecast([trial(seed=1)], [known(gone, None, 90.0)], speed=1.0).bases == {LEVELS[-1]: 1}


def test_the_speed_of_the_machine_counts_where_there_is_no_result():
    found = forecast([trial()], speed=2.0)
    assert (found.seconds, found.low, found.high) == (10.0, 5.0, 20.0)
    unmeasured = forecast([trial()])
    assert unmeasured.seconds == 5.0
    assert unmeasured.high / unmeasured.seconds > found.high / found.seconds


def uncounted(one):
    return Work(float(one.training.epochs), 1.0, counted=False)


def test_what_cannot_be_counted_is_like_itself_alone():
    longer = trial(training=Training(epochs=6))
    result = known(trial(), 30.0, 35.0)
    found = forecast([longer, trial(network="vgg"), trial(size=500)], [result], 1.0, uncounted)
    assert (found.seconds, found.unknown) == (60.0 + 5.0, 2)
    assert forecast([trial()], [], 1.0, uncounted).unknown == 1


def test_trials_beside_each_other_wait_for_their_baselines():
    trials = [trial("ptq", {"weights": f"fixed({bits + 2},1)"}) for bits in range(10)]
    found = forecast([trial(), *trials], speed=1.0)
    assert found.elapsed(1) == 5.0 + 10 * 2.0
    assert found.elapsed(2) == 12.5
    assert found.elapsed(100) == 7.0  # the baseline and a trial after it
    assert found.between(100) == pytest.approx((3.5, 14.0))


def test_trials_beside_each_other_slow_each_other_down():
    """What a store and the speed tell is of trials that had the machine alone; those of the run had not."""
    trials = [trial(seed=seed) for seed in range(4)]
    estimator = Estimator(trials, work, [], 1.0, beside(2, 2))
    assert estimator.forecast().elapsed(2) == pytest.approx(4 * 5.0 / 2**0.5)
    estimator.add(TrialResult(trials[0], "ok", metrics={"train_seconds": 4.0}), 6.0)
    assert estimator.forecast().elapsed(2) == 3 * 6.0 / 2
    stored = Estimator(trials, work, [known(trial(seed=9), 3.0, 5.0)], 1.0, beside(2, 2))
    assert stored.forecast().seconds == pytest.approx(4 * 5.0 * 2**0.5)


def test_more_jobs_than_cores_gain_nothing():
    assert [round(jobs / beside(jobs, 4), 2) for jobs in (1, 2, 4, 8)] == [1.0, 1.41, 2.0, 2.0]


def test_it_learns_from_the_run():
    """What is known of a store gives way to results of the run that are as much alike."""
    trials = [trial(seed=seed) for seed in range(4)]
    estimator = Estimator(trials, work, [known(trial(seed=9), 30.0, 32.0)])
    assert estimator.forecast().seconds == 4 * 32.0
    estimator.add(TrialResult(trials[0], "ok", metrics={"train_seconds": 60.0}), 64.0)
    found = estimator.forecast()
    assert (found.seconds, found.longest, found.bases) == (3 * 64.0, 64.0, {LEVELS[0]: 3})


def test_the_last_results_count(monkeypatch):
    trials = [trial(seed=seed) for seed in range(5)]
    monkeypatch.setattr("precision.grid.forecast.estimator.RECENT", 2)
    estimator = Estimator(trials, work)
    for one, seconds in zip(trials, (90.0, 80.0, 10.0, 12.0), strict=False):
        estimator.add(TrialResult(one, "ok", metrics={"train_seconds": seconds}), seconds + 2)
    assert estimator.forecast().seconds == 13.0
