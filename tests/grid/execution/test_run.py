"""Whole runs, with real training in real workers on a few of the bundled digits."""

import json
import math
import signal
import subprocess
import sys

import inside
import numpy as np
import pandas as pd
import psutil
import pytest
from commands import here, python
from stopped import await_stop, let_go, stop_at

import precision
from precision import plugins
from precision.grid import Store, expand, load_grid, schedule
from precision.metrics import METRICS

WHOLE = """\
name: tiny
datasets: [{name: digits, train_size: 192, test_size: 32}]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  fixed8: {weights: "fixed(8,6)", activations: "fixed(8,3)"}
  fixed3: fixed(3,1)
methods: [ptq, {name: qat, epochs: 2}]
training: {epochs: 2, batch_size: 32, learning_rate: 1e-2}
exclude: [{method: qat, policy: fixed3}]
"""
# With a trial that fails when it runs, and not before.
TINY = f"{WHOLE}include: [{{policy: fixed8, method: fails}}]\nplugins: [fails.py]\n"
FAILS = """\
from precision.registry import METHODS


@METHODS.register("fails")
def fails(trial, bench):
    raise ValueError("as it was told")
"""


def write(folder, text=TINY):
    (folder / "tiny.yaml").write_text(text)
    (folder / "fails.py").write_text(FAILS)


@pytest.fixture(autouse=True)
def _forget_plugins():
    yield
    plugins.load([])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of the tiny grid, by a script: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    write(folder)
    (folder / "script.py").write_text("print('a script')\nfrom precision.cli import main\nmain()\n")
    return folder, python(folder, "script.py", "run", "tiny.yaml")


def results_of(folder):
    cells = expand(*load_grid(folder / "tiny.yaml"))
    store = Store(folder / "runs")
    return {trial.id: store.load(trial.id) for trial in schedule(cells)}, store


def test_a_run_trains_evaluates_and_reports(finished):
    folder, done = finished
    assert done.returncode == 1, done.stderr  # one trial failed, and says so
    assert "1 of 6 trials gave no result" in done.stderr
    assert "Traceback" not in done.stderr
    assert "digits, ptq" in done.stdout and "report: reports/tiny/report.md" in done.stdout
    report = folder / "reports" / "tiny"
    assert {p.name for p in report.iterdir()} >= {
        "report.md",
        "results.csv",
        "summary.csv",
        "accuracy_vs_bits.png",
    }
    assert "as it was told" in (report / "report.md").read_text()
    table = pd.read_csv(report / "results.csv")
    assert list(table["status"]) == [*["ok"] * 5, "failed"]
    assert table.loc[table.policy == "float32", "accuracy"].iloc[0] > 0.5
    assert set(table.loc[table.status == "ok", "timing"]) == {"native", "emulated"}


def test_a_script_needs_no_guard(finished):
    """Workers do not run the caller's script again."""
    done = finished[1]
    assert done.stdout.count("a script") == 1 and "__main__" not in done.stderr


def test_every_trial_has_its_whole_record(finished):
    found, store = results_of(finished[0])
    for trial_id, result in found.items():
        if result.status == "failed":
            continue
        predictions = store.predictions(trial_id)
        assert predictions.dtype == np.uint8 and predictions.shape == (32,)
        assert (store.folder(trial_id) / "predictions.npy").stat().st_size == 128 + 32
        metrics = result.metrics
        right = store.labels(result.facts["data_digest"])  # kept once for all of them
        assert metrics["accuracy"] == pytest.approx((predictions == right).mean())
        assert metrics["parameters"] == 784 * 32 + 32 + 32 * 10 + 10
        plain = {m.name for m in METRICS.values() if m.computed is None and not m.special}
        known = {"best_loop_ms", "train_loop_ms", "inference_loop_ms", "macro_auc"}
        assert set(metrics) == plain | known
        assert metrics["best_loop_ms"] <= metrics["inference_loop_ms"]
        kept = store.samples(trial_id)
        assert len(kept) and (np.diff(kept.seconds) >= 0).all() and kept.peak("memory_bytes") > 50 * 2**20
        assert result.facts["energy_source"]
        if result.trial.method.name == "float32":
            assert metrics["peak_memory_bytes"] > 50 * 2**20
        else:  # of an emulation it says nothing
            assert math.isnan(metrics["peak_memory_bytes"])
        assert metrics["inference_images_per_second"] > 0
        assert result.provenance["machine"] and result.provenance["tensorflow"]
        trained = result.trial.method.name != "ptq"
        asked = result.trial.method.options.get("epochs", result.trial.training.epochs)
        assert len(result.history) == metrics["epochs"] == (asked if trained else 0)
        if trained:
            assert metrics["train_seconds"] >= metrics["seconds_per_epoch"] > 0
            assert set(result.history[0]) == {
                "epoch",
                "loss",
                "accuracy",
                "val_loss",
                "val_accuracy",
                "seconds",
            }
            assert result.history[-1]["val_accuracy"] == metrics["accuracy"]
    cells = precision.load_results(finished[0] / "tiny.yaml", store=store.root)
    compared = cells[(cells["policy"] != "float32") & (cells["status"] == "ok")]
    gained = (32 * compared["accuracy_difference"]).round().abs()
    assert len(compared) and (gained <= compared["discordant_images"]).all()
    assert (compared["discordant_images"] <= compared["changed_images"]).all()
    fixed3 = next(r for r in found.values() if r.trial.policy.get("weights") == "fixed(3,1)")
    assert fixed3.metrics["weight_bytes"] == int(np.ceil(3 * fixed3.metrics["parameters"] / 8))


def test_a_second_run_only_repeats_what_failed(finished):
    folder, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}
    table = (folder / "reports/tiny/results.csv").read_bytes()
    with inside.trials():
        again = here(folder, "run", "tiny.yaml")
    changed = [p for p, t in before.items() if p.stat().st_mtime_ns != t]
    assert [json.loads(p.read_text())["status"] for p in changed] == ["failed"]
    assert "[1/1]" in again.stderr
    assert (folder / "reports/tiny/results.csv").read_bytes() == table


def test_the_same_numbers_alone_beside_others_and_in_another_order(finished, tmp_path, capfd):
    """Another store, two jobs, the policies in another order, from Python: the same bits."""
    folder, _ = finished
    lines = TINY.splitlines(keepends=True)
    lines[4:7] = lines[6:3:-1]
    write(tmp_path, "".join(lines))
    results = precision.run(
        tmp_path / "tiny.yaml",
        store=tmp_path / "runs",
        output=tmp_path / "out",
        options=precision.RunOptions(jobs=2),
        quiet=True,
    )
    assert capfd.readouterr() == ("", ""), "neither this process nor a worker says anything"
    first, store = results_of(folder)
    second, other = results_of(tmp_path)
    assert first.keys() == second.keys()
    exact = ("accuracy", "loss", "weight_bytes", "weight_bits")
    for trial_id, result in first.items():
        assert result.status == second[trial_id].status
        if result.status == "ok":
            assert result.facts.get("weights_digest") == second[trial_id].facts.get("weights_digest")
            assert [result.metrics[m] for m in exact] == [second[trial_id].metrics[m] for m in exact]
            np.testing.assert_array_equal(store.predictions(trial_id), other.predictions(trial_id))
            for row, twin in zip(result.history, second[trial_id].history, strict=True):
                assert {**row, "seconds": 0} == {**twin, "seconds": 0}
    frame = precision.load_results(tmp_path / "tiny.yaml", store=tmp_path / "runs")
    pd.testing.assert_frame_equal(frame, results.cells())


def test_plan_status_and_report(finished):
    folder, _ = finished
    planned = here(folder, "plan", "tiny.yaml")
    assert planned.returncode == 0
    assert "6 cells, 6 trials with their baselines: 5 done, 1 to run" in planned.stdout
    status = here(folder, "status", "tiny.yaml")
    assert "5 ok, 1 failed of 6 trials" in status.stdout and "as it was told" in status.stdout
    fresh = here(folder, "status", "tiny.yaml", "--store", "elsewhere")
    assert "6 pending of 6 trials" in fresh.stdout
    written = here(folder, "report", "tiny.yaml", "--output", "again")
    assert written.returncode == 0
    assert (folder / "again/report.md").read_bytes() == (folder / "reports/tiny/report.md").read_bytes()
    empty = here(folder, "report", "tiny.yaml", "--store", "elsewhere", "--output", "empty")
    assert empty.returncode == 0 and "pending" in (folder / "empty/report.md").read_text()


def _start(folder, point, *words):
    """Start a run whose worker stops at a point, and wait until it has."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from precision.cli import main; main()", "run", "tiny.yaml", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=stop_at(folder, point),
        # A shell starts its background jobs with Ctrl-C ignored, and these tests may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    await_stop(folder, process)
    return process


def _times(folder):
    return {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}


@pytest.mark.faults("a real training that is cut off in a run")
def test_an_interrupted_run_goes_on_where_it_stopped(finished, tmp_path):
    """One run is let to end its trial, one is cut off in the middle of another: the bits stay the same."""
    (tmp_path / "tiny.yaml").write_text(WHOLE)
    gentle = _start(tmp_path, "epoch over")
    gentle.send_signal(signal.SIGINT)
    assert any("press Ctrl-C again to stop them now" in line for line in gentle.stderr)
    let_go(tmp_path)
    rest = gentle.communicate(timeout=300)[1]
    assert gentle.returncode == 130
    assert "[1/5]" in rest and "interrupted; finished trials are kept" in rest
    assert "Traceback" not in rest
    kept = _times(tmp_path)
    assert len(kept) == 1, "the baseline"

    rude = _start(tmp_path, "checkpoint kept", "--checkpoint", "0.001s")
    (checkpoint,) = (tmp_path / "runs").glob("trials/*/checkpoint/*.npz")
    children = psutil.Process(rude.pid).children(recursive=True)
    rude.send_signal(signal.SIGTERM)
    rest = rude.communicate(timeout=300)[1]
    assert rude.returncode == 130 and "Traceback" not in rest
    assert children and not psutil.wait_procs(children, timeout=60)[1]
    assert {path: _times(tmp_path).get(path) for path in kept} == kept
    kept = _times(tmp_path)

    with inside.trials():
        again = here(tmp_path, "run", "tiny.yaml")
    assert again.returncode == 0, again.stderr
    assert f"[1/{5 - len(kept)}]" in again.stderr
    assert {path: _times(tmp_path).get(path) for path in kept} == kept
    found, expected = results_of(tmp_path)[0], results_of(finished[0])[0]
    assert found[checkpoint.parts[-3]].facts["resumed_after_epoch"] == "1"
    assert not list((tmp_path / "runs").rglob("checkpoint")), "what is done needs none"
    assert len(found) == 5
    for trial, result in found.items():
        assert result.facts.get("weights_digest") == expected[trial].facts.get("weights_digest")
        assert result.metrics["loss"] == expected[trial].metrics["loss"]
    assert sum("weights_digest" in result.facts for result in found.values()) == 3


def test_a_training_that_diverges_is_named(tmp_path):
    text = WHOLE.replace("learning_rate: 1e-2", "learning_rate: 1e30, optimizer: sgd")
    (tmp_path / "tiny.yaml").write_text(text)
    with inside.trials():
        done = here(tmp_path, "run", "tiny.yaml")
    assert done.returncode == 1
    assert "diverged: the loss was no longer finite in epoch 1" in done.stderr
    assert "its float32 baseline diverged" in done.stderr
    assert "diverged" in done.stdout
    table = pd.read_csv(tmp_path / "reports/tiny/results.csv")
    assert set(table["status"]) == {"diverged", "failed"}
    assert table[["accuracy", "loss", "weight_bytes"]].isna().all(axis=None)


def test_results_of_other_images_do_not_mix(tmp_path):
    import numpy as np

    def write(value):
        for part in ("train", "t10k"):
            n = 60000 if part == "train" else 10000
            data = tmp_path / "data" / "mnist"
            data.mkdir(parents=True, exist_ok=True)
            (data / f"{part}-labels-idx1-ubyte").write_bytes(
                b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes(i % 10 for i in range(n))
            )
            header = b"\0\0\x08\x03" + b"".join(k.to_bytes(4, "big") for k in (n, 28, 28))
            (data / f"{part}-images-idx3-ubyte").write_bytes(
                header + np.full(n * 784, value, np.uint8).tobytes()
            )

    rounded = WHOLE.partition("methods:")[0] + "training: {epochs: 1}\n"
    (tmp_path / "tiny.yaml").write_text(rounded.replace("name: digits", "name: mnist"))
    write(1)
    with inside.trials():
        assert here(tmp_path, "run", "tiny.yaml", "--data-dir", "data").returncode == 0
    write(2)
    (tmp_path / "tiny.yaml").write_text(
        (tmp_path / "tiny.yaml").read_text().replace("  float32:", "  half: float16\n  float32:")
    )
    again = here(tmp_path, "run", "tiny.yaml", "--data-dir", "data")
    assert again.returncode == 2
    assert "this result is of other images" in again.stderr
