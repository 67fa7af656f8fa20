"""Estimates against times that were measured: the trainings of the committed reports."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from precision.grid import expand, load_grid
from precision.grid.forecast.counted import Counted
from precision.grid.forecast.estimator import Estimator
from precision.grid.store.reading import summary
from precision.trial import TrialResult

ROOT = Path(__file__).resolve().parents[3]
# On a machine without other work; what the reports say of the others is that their times say nothing.
CALM = ["adadelta", "format_families", "mnist_formats"]
LOADED = ["calibration", "low_precision_training", "mixed_precision", "ptq_vs_qat"]


@dataclass
class Recorded:
    """The trainings of an experiment, with the seconds that they took."""

    seconds: dict
    counted: Counted

    def groups(self):
        """The trials of each data set and network."""
        found = {}
        for trial in self.seconds:
            found.setdefault((trial.dataset.text, trial.architecture.text), []).append(trial)
        return list(found.values())

    def forecast(self, trials, known=(), speed=None):
        """Seconds of the trainings alone, as the reports have them, known those of others."""
        results = [self._summary(trial) for trial in known]
        return Estimator(trials, self._training, results, speed).forecast()

    def true(self, trials):
        return sum(self.seconds[trial] for trial in trials)

    def _training(self, trial):
        work = self.counted(trial)
        return type(work)(work.train, 0.0, work.counted)

    def _summary(self, trial):
        found = vars(TrialResult(trial, "ok", metrics={"train_seconds": self.seconds[trial]}))
        return summary(trial.id, {**found, "trial": trial.to_json()})


class ById(dict):
    """A mapping by trials, which have no hash of their own."""

    def __init__(self):
        self.trials = {}

    def __setitem__(self, trial, value):
        self.trials[trial.id] = trial
        super().__setitem__(trial.id, value)

    def __getitem__(self, trial):
        return super().__getitem__(trial.id)

    def __iter__(self):
        return iter(self.trials.values())


@pytest.fixture(scope="module")
def recorded():
    found = {}
    for name in (*CALM, *LOADED):
        cells = expand(*load_grid(ROOT / "experiments" / f"{name}.yaml"))
        trials = {tuple(map(str, cell.labels)): cell.trial for cell in cells}
        seconds, counted = ById(), Counted()
        with (ROOT / "reports" / name.replace("_", "-") / "results.csv").open() as stream:
            for row in csv.DictReader(stream):
                columns = ("dataset", "architecture", "policy", "method", "training", "seed")
                trial = trials[tuple(row[column] for column in columns)]
                if row["train_seconds"]:
                    seconds[trial] = float(row["train_seconds"])
        counted.check([trial.baseline for trial in seconds])
        found[name] = Recorded(seconds, counted)
    return found


def off(estimate, true):
    """By which factor an estimate is off, to either side."""
    return math.exp(abs(math.log(estimate / true)))


@pytest.mark.parametrize("name", CALM)
def test_the_speed_of_the_machine_alone_is_enough(recorded, name):
    """These reports are of the machine whose speed is 1 by definition."""
    one = recorded[name]
    found = one.forecast(list(one.seconds), speed=1.0)
    assert found.unknown == 0
    assert off(found.seconds, one.true(one.seconds)) < 2
    assert found.low < one.true(one.seconds) < found.high


@pytest.mark.parametrize("name", [*CALM, *LOADED])
def test_each_network_is_known_from_the_others(recorded, name):
    """Also on a machine that is slowed down by other work, as its results show."""
    one, estimate = recorded[name], 0.0
    for trials in one.groups():
        ids = {trial.id for trial in trials}
        others = [trial for trial in one.seconds if trial.id not in ids]
        estimate += one.forecast(trials, others, speed=1.0).seconds
    if len(one.groups()) > 1:
        assert off(estimate, one.true(one.seconds)) < 2


@pytest.mark.parametrize("name", LOADED)
def test_half_of_the_trials_tell_the_time_of_the_others(recorded, name):
    one = recorded[name]
    trials = list(one.seconds)
    found = one.forecast(trials[1::2], trials[::2])
    assert off(found.seconds, one.true(trials[1::2])) < 2
    assert found.low < one.true(trials[1::2]) < found.high


def test_five_full_networks_are_known_from_a_short_training_of_one(recorded):
    """They took 35 minutes; results of one small network once made 64 seconds of it."""
    full = recorded["mnist_formats"]
    short = next(t for t in full.seconds if t.architecture.name == "lenet" and t.method.name == "float32")
    others = [t for t in full.seconds if t.method.name == "float32" and t.architecture.name != "lenet"]
    found = full.forecast(others, [short], speed=1.0)
    assert off(found.seconds, full.true(others)) < 1.5
    assert found.bases == {"results of the same method and family of formats on other networks": 4}
