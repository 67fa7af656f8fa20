"""What lies between a run and any tool: nothing that a tool does may be felt by the run."""

import importlib.util
import subprocess
import sys
import threading
import warnings

import pytest
from stored import make_samples
from tracked import cell, result, row, sample, trial

from precision.errors import PrecisionError
from precision.grid import Store
from precision.tracking import Tracker, make
from precision.tracking.description import Describer


class Memory:
    """A tool that keeps everything, and fails or waits where a test wants it to."""

    def __init__(self, fail=(), gate=None):
        self.records, self.fail, self.gate, self.closed = [], fail, gate, False

    def begin(self, described):
        self._maybe("begin", described)
        record = Record(self, described)
        self.records.append(record)
        return record

    def _maybe(self, what, described):
        if self.gate is not None:
            self.gate.wait()
        if (what, described.trial.seed) in self.fail:
            raise OSError(28, f"no space for {what}")

    def close(self):
        self.closed = True


class Record:
    def __init__(self, tool, described):
        self.tool, self.described = tool, described
        self.epochs, self.samples, self.ended = {}, {}, None

    def epoch(self, epoch, metrics, time):
        self.tool._maybe("epoch", self.described)
        assert epoch not in self.epochs
        self.epochs[epoch] = metrics

    def sample(self, seconds, metrics, time):
        self.samples[seconds] = metrics

    def end(self, end):
        self.tool._maybe("end", self.described)
        assert self.ended is None
        self.ended = end


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    return store


def tracker_of(tool, store, cells=(), **options):
    return Tracker("memory", lambda: tool, Describer(store, cells, False), **options)


def finish(tracker, seeds):
    for seed in seeds:
        tracker.finished(trial(seed), result(trial(seed)), 1.0)
    tracker.close()


def test_a_trial_is_told_from_its_parameters_to_its_result(store):
    tool, one = Memory(), trial()
    store.save(result(one))
    with tracker_of(tool, store, [cell(one)]) as tracker:
        tracker.started(one)
        tracker.epoch(one, row(1))
        tracker.sample(one, sample(1))
        tracker.finished(one, result(one), 2.0)
    (record,) = tool.records
    assert tool.closed
    assert record.described.name == "digits mlp width=0.25 fixed8 qat seed 0"
    expected = {
        "policy": "fixed8",
        "policy.weights": "fixed(8,6)",
        "architecture": "mlp width=0.25",
        "architecture.options.width": 0.25,
        "training.learning_rate": 0.01,
        "method.name": "qat",
        "seed": 0,
        "trial": one.id,
    }
    assert {key: record.described.parameters[key] for key in expected} == expected
    assert record.epochs[3] == {  # a training that goes on after two epochs
        "train/loss": 1.0,
        "train/accuracy": 0.5,
        "train/seconds": 1.5,
        "val/loss": 2.0,
        "val/accuracy": 0.25,
    }
    assert set(record.epochs) == {3, 4}  # the second was not heard, but is in the result
    assert record.samples[1.0] == {"resources/cpu_percent": 150.0, "resources/memory_bytes": 2.0**30 + 1}
    assert record.ended.metrics == {"result/accuracy": 0.5, "result/loss": 1.0}
    assert record.ended.texts["provenance.machine"] == "some machine, 2 cores"
    assert [path.name for path in record.ended.files] == ["result.json", "predictions.npy"]


def test_weights_are_kept_only_on_request(store):
    one = trial(method="float32", policy={})
    store.save(result(one, samples=make_samples()))
    store.weights(one.id).write_bytes(b"weights")
    end = Describer(store, (), True).end(result(one), False, 0.0)
    names = ["result.json", "predictions.npy", "samples.json", "trained.weights.h5"]
    assert [path.name for path in end.files] == names
    assert store.weights(one.id) not in Describer(store, (), False).end(result(one), False, 0.0).files


def test_names_of_baselines_and_repeats(store):
    shown = trial(3)
    describer = Describer(store, [cell(shown)], False)
    assert describer.begin(shown.baseline, 1, 0.0).name == "digits mlp float32 seed 3"
    again = trial(3, repeat=2)
    assert describer.begin(again, 1, 0.0).name == "digits mlp width=0.25 fixed8 qat seed 3 repeat 2"


def test_each_attempt_has_a_record_of_its_own(store):
    tool, one = Memory(), trial()
    with tracker_of(tool, store) as tracker:
        tracker.started(one)
        tracker.epoch(one, row(1))
        tracker.retried(one, result(one, "killed"))
        tracker.started(one)
        tracker.epoch(one, row(1))
        tracker.finished(one, result(one), 1.0)
    first, second = tool.records
    assert (first.described.attempt, first.ended.status, first.ended.retried) == (1, "killed", True)
    assert (second.described.attempt, second.ended.status, second.ended.retried) == (2, "ok", False)
    assert second.described.parameters["attempt"] == 2


def test_a_trial_of_another_run_leaves_no_record(store):
    tool, other, taken_over = Memory(), trial(0), trial(1)
    with tracker_of(tool, store) as tracker:
        for one in (other, taken_over):
            tracker.started(one)
            tracker.waiting(one)
        tracker.finished(other, result(other), 0.0)
        tracker.started(taken_over)  # the other run was killed
        tracker.finished(taken_over, result(taken_over), 1.0)
    assert [record.described.trial for record in tool.records] == [taken_over]


def test_what_is_open_at_the_end_of_the_run_was_killed(store):
    tool, one = Memory(), trial()
    with tracker_of(tool, store) as tracker:
        tracker.epoch(one, row(1))
    assert tool.records[0].ended.status == "killed"
    assert tool.closed


def test_the_first_failure_is_told_once_and_other_trials_go_on(store):
    tool = Memory(fail=[("epoch", 0), ("end", 1)])
    tracker = tracker_of(tool, store)
    trials = [trial(seed) for seed in range(3)]

    def run():
        for one in trials:
            tracker.started(one)
            tracker.epoch(one, row(1))
            tracker.finished(one, result(one), 1.0)
        tracker.close()

    with pytest.warns(UserWarning, match="tracking with memory failed: OSError: .*space for epoch") as told:
        run()
    assert len(told) == 1 and trials[0].id in str(told[0].message)
    assert [record.ended is not None for record in tool.records] == [False, False, True]


def test_a_tool_that_cannot_be_reached_is_given_up(store):
    tries = []

    def connect():
        tries.append(None)
        raise SystemExit("no")

    tracker = Tracker("memory", connect, Describer(store, (), False))
    with pytest.warns(UserWarning, match="SystemExit: no"):
        finish(tracker, range(9))
    assert len(tries) == Tracker.FAILURES


def test_a_tool_that_hangs_is_not_waited_for(store):
    gate = threading.Event()
    tracker = tracker_of(Memory(gate=gate), store, patience=0.2)
    with pytest.warns(UserWarning, match="it is not done after 0 s"):
        finish(tracker, range(3))
    gate.set()


def test_a_tool_that_does_not_keep_up_loses_notes_and_not_the_run(store, monkeypatch):
    monkeypatch.setattr(Tracker, "LONGEST", 5)
    gate = threading.Event()
    tracker = tracker_of(Memory(gate=gate), store, patience=0.2)
    with pytest.warns(UserWarning, match="does not keep up, 5 notes are waiting"):
        finish(tracker, range(20))
    gate.set()


def test_a_warning_that_is_an_error_does_not_end_the_run(store, capsys):
    tracker = tracker_of(Memory(fail=[("begin", 0)]), store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.epoch(trial(), row(1))
        tracker.close()
    assert "tracking with memory failed" in capsys.readouterr().err


def test_a_run_without_news_starts_no_thread(store):
    before = threading.active_count()
    with tracker_of(Memory(), store) as tracker:
        tracker.started(trial())
        assert threading.active_count() == before


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(PrecisionError, match="unknown tracker 'tensorbord'; did you mean 'tensorboard'"):
        make(["tensorbord"], tmp_path, "grid")


@pytest.mark.parametrize(
    ("name", "package"), [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "sqlalchemy")]
)
def test_a_package_that_is_not_installed_is_told_before_the_run(tmp_path, monkeypatch, name, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda p, *_: None if p == package else find(p))
    message = (
        f"tracking with {name} needs the package {package}, which is not installed; "
        r"pip install 'precision\[tracking\]'"
    )
    with pytest.raises(PrecisionError, match=message):
        make([name], tmp_path, "grid")


def test_making_trackers_imports_none_of_the_tools(tmp_path):
    code = (
        "import sys; from precision.tracking import make; "
        f"made = make(['tensorboard', 'wandb', 'mlflow', 'wandb'], {str(tmp_path)!r}, 'grid'); "
        "print(len(made), {'tensorboard', 'wandb', 'mlflow', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 set()"
