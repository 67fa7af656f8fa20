"""Running a stored trial again: the same numbers in a new process, and one sentence where it cannot be."""

import contextlib
import json
import shutil
import sys
from dataclasses import replace

import inside
import numpy as np
import pytest
import quick
from commands import here
from stored import rewrite

from precision import plugins
from precision.cli import main
from precision.errors import PrecisionError
from precision.grid import Store
from precision.grid.execution import rerun as module
from precision.grid.execution.rerun import find, rerun, stored
from precision.grid.execution.scheduler import run_trials, setup
from precision.grid.execution.watcher import Watcher
from precision.grid.store import sums
from precision.quantization import parse_policy
from precision.trial import Choice, Training, Trial, TrialResult

NOISY = {"activations": "fixed(6,3)", "rounding": "stochastic"}
QAT = Trial(
    Choice("digits", {"train_size": 40, "test_size": 40}),
    Choice("mlp", {"width": 0.25}),
    Choice("qat", {"epochs": 2}),
    parse_policy(NOISY).to_json(),
    Training(epochs=1, learning_rate=0.01),
    seed=0,
)


def quiet(trials):
    return contextlib.nullcontext(Watcher())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A store with a trained network and its baseline."""
    store = Store(tmp_path_factory.mktemp("finished"))
    store.create()
    with inside.trials():
        run_trials([QAT.baseline, QAT], store, setup(store, None), Watcher())
    return store


@pytest.fixture
def store(finished, tmp_path):
    """A store of one's own with the same results."""
    shutil.copytree(finished.root / "trials", tmp_path / "runs" / "trials")
    return Store(tmp_path / "runs")


def content(store):
    return {p: p.read_bytes() for p in (store.root / "trials").rglob("*") if p.is_file()}


def changed(store, trial_id, change):
    """Change what is stored of a trial, as if that had been stored."""
    path = store.folder(trial_id) / "result.json"
    record = json.loads(path.read_text())
    change(record)
    rewrite(path, **record)


def command(*words):
    """Run the command line in this process and return its exit code."""
    former, sys.argv = sys.argv, ["precision", "rerun", *map(str, words)]
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv = former
    return 0


def test_a_trial_comes_out_the_same_and_the_store_stays_as_it_is(store):
    before = content(store)
    comparison = rerun(store, QAT.id, None, quiet)
    assert comparison.same and not comparison.surroundings
    assert all(row.same for row in comparison.numbers)
    assert {"accuracy", "weights_digest", "loss of epochs 1 to 2", "predictions"} <= {
        row.name for row in comparison.numbers
    }
    assert content(store) == before
    assert not (store.root / "locks").exists()


def test_from_scratch_trains_the_baseline_too(store, capsys):
    shutil.rmtree(store.folder(QAT.baseline.id))
    assert command(QAT.id[:11], "--store", store.root) == 2
    assert "the trained weights from which trial" in (text := capsys.readouterr().err)
    assert "give --from-scratch" in text and text.count("\n") == 1
    with inside.trials():
        assert command(QAT.id[:11], "--store", store.root, "--from-scratch") == 0
    out = capsys.readouterr().out
    assert f"trial {QAT.id}: all " in out and "are the same" in out and "differs" not in out


def test_what_differs_is_told_with_both_values(store, capsys):
    def change(record):
        record["metrics"]["accuracy"] = 0.0625
        record["facts"]["weights_digest"] = "0" * 64
        record["provenance"] |= {"machine": "Another, 64 cores", "tensorflow": "1.0"}
        record["sums"][sums.PREDICTIONS] = sums.of_file(path)

    baseline = QAT.baseline.id
    predictions = store.predictions(baseline)
    predictions[7] = 99
    path = store.folder(baseline) / sums.PREDICTIONS
    np.save(path, predictions)
    changed(store, baseline, change)
    with inside.trials():
        assert command(baseline, "--store", store.root) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("accuracy 0.0625 0.") and line.endswith("differs") for line in lines)
    assert any(
        line.startswith("weights_digest 000000000000... ") and line.endswith("differs") for line in lines
    )
    assert any(line.startswith("predictions: 1 of 40 differ, first image 7 class 99 class") for line in lines)
    assert any(line.startswith("machine Another, 64 cores ") for line in lines)
    assert any(line.startswith("tensorflow 1.0 ") for line in lines)
    assert any(line.startswith("loss of epoch 1 ") and line.endswith("same") for line in lines)
    assert lines[-1].startswith(f"trial {baseline}: 3 of ")


def test_what_differs_is_told_before_anything_runs(store, monkeypatch):
    told = []

    class Told(Watcher):
        def note(self, text):
            told.append(text)

    def run(trials, *_):
        told.append("it runs")
        raise PrecisionError("enough")

    monkeypatch.setattr(module, "run_trials", run)
    changed(
        store,
        QAT.id,
        lambda record: record["provenance"].update(threads="3", tensorflow="1.0", gpus="known afterwards"),
    )
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    with pytest.raises(PrecisionError, match="enough"):
        rerun(store, QAT.id, None, lambda trials: contextlib.nullcontext(Told()))
    assert [text for text in told if text.startswith(("settings", "threads"))] == [
        "settings was none, and is ONEDNN_MAX_CPU_ISA=SSE41 now: numbers may differ"
    ]
    assert any(text.startswith("tensorflow was 1.0, and is ") for text in told)
    assert told[-1] == "it runs" and len(told) == 3


def test_predictions_that_cannot_be_read_are_not_the_same(store):
    (store.folder(QAT.baseline.id) / sums.PREDICTIONS).write_bytes(b"torn")
    done = here(store.root, "rerun", QAT.baseline.id, "--store", store.root)
    assert done.returncode == 1
    assert done.stderr.count("predictions.npy: these predictions cannot be trusted") == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(
        line.startswith("predictions not recorded") and line.endswith("not compared") for line in lines
    )
    assert lines[-1].endswith(" are the same, 1 could not be compared (predictions)")
    assert "all" not in lines[-1].split()


def test_it_runs_with_as_many_threads_as_before(store, monkeypatch):
    seen = []

    def run(trials, beside, given, watcher, options):
        seen.append((given.runtime.threads, options.checkpoint_seconds, [trial.id for trial in trials]))

    monkeypatch.setattr(module, "run_trials", run)
    changed(store, QAT.id, lambda record: record["provenance"].update(threads="7"))
    with pytest.raises(PrecisionError, match=r"could not be run again \(it left no result"):
        rerun(store, QAT.id, None, quiet)
    assert seen == [(7, float("inf"), [QAT.id])]


def test_a_trial_that_fails_now_says_why(store):
    def change(record):  # to a data set whose file is gone
        record["trial"] = {**record["trial"], "dataset": {"name": "npz", "options": {"path": "/gone.npz"}}}
        record["id"] = gone.id

    gone = replace(QAT.baseline, dataset=Choice("npz", {"path": "/gone.npz"}))
    shutil.copytree(store.folder(QAT.baseline.id), store.folder(gone.id))
    changed(store, gone.id, change)
    with (
        inside.trials(),
        pytest.raises(PrecisionError, match=r"could not be run again \(failed: .*/gone.npz"),
    ):
        rerun(store, gone.id, None, quiet)


def test_the_first_digits_name_a_trial(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(PrecisionError, match="there is no store here; give --store"):
        find(store, "a")
    for name in ("aaaa00000000", "aaaa11111111", "bbbb00000000", "no id"):
        store.folder(name).mkdir(parents=True)
    assert find(store, "b") == "bbbb00000000"
    assert find(store, "aaaa1") == "aaaa11111111"
    with pytest.raises(PrecisionError, match=r"2 trials .* 'aaaa' \(aaaa00000000, aaaa11111111\); give more"):
        find(store, "aaaa")
    for text in ("", "c", "no", "*", "bbbb00000000a"):
        with pytest.raises(PrecisionError, match="no trial here has an id that begins with"):
            find(store, text)


def test_without_numbers_there_is_nothing_to_compare(tmp_path):
    store = Store(tmp_path)
    one = quick.trial()
    store.save(TrialResult(one, "killed", reason="the worker process died"))
    with pytest.raises(
        PrecisionError, match=r"no numbers to compare with \(killed: the worker process died\)"
    ):
        stored(store, one.id)
    (store.folder(one.id) / "result.json").unlink()
    with pytest.raises(PrecisionError, match="no result here that can be read"):
        stored(store, one.id)


def test_a_plugin_has_to_be_the_one_that_it_was(store, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from precision.formats import Codebook, register_format\n\n\n"
        "@register_format('own')\ndef own():\n    return Codebook('own', 8, [-1.0, 0.0, 0.5, 1.0])\n"
    )
    with_plugin = replace(
        QAT, method=Choice("ptq"), policy={"weights": {"format": "own"}}, plugins={"own": "sha256 0"}
    )
    store.save(
        TrialResult(with_plugin, "ok", provenance={"plugins": "own: own.py sha256 0"}, metrics={"loss": 1.0})
    )
    match = r"needs the plugins that it ran with \(own: own.py sha256 0\); give each with --plugin FILE"
    for asked in (lambda: stored(store, with_plugin.id), lambda: rerun(store, with_plugin.id, None, quiet)):
        with pytest.raises(PrecisionError, match=match):
            asked()
    plugins.load([file])
    try:
        with pytest.raises(PrecisionError, match=match):  # another file of that name
            rerun(store, with_plugin.id, None, quiet)
    finally:
        plugins.load([])
