"""Trials on a device and with a number of threads: in a process of their own, or skipped."""

from dataclasses import replace

import pytest
import quick
from commands import here

from precision.grid import Store, expand, load_grid
from precision.grid.execution.options import RunOptions, crowding, share_of_cores
from precision.grid.execution.scheduler import run_trials
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup
from precision.measure.machine.processor import cores
from precision.trial import Runtime

GRID = """\
name: devices
datasets: [{name: digits, train_size: 40, test_size: 20}]
architectures: [mlp]
policies: {float32: float32}
training: {epochs: 1, batch_size: 20}
runtime: {threads: 1, device: [cpu, gpu]}
"""
WITHOUT = {"CUDA_VISIBLE_DEVICES": "-1"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The grid, run where no GPU is to be seen."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "grid.yaml").write_text(GRID)
    return folder, here(folder, "run", "grid.yaml", **WITHOUT)


def results(folder):
    store = Store(folder / "runs")
    cells = expand(*load_grid(folder / "grid.yaml"))
    return {cell.trial.runtime.device: store.load(cell.trial.id) for cell in cells}


def test_an_absent_device_is_skipped_and_no_failure(ran):
    folder, done = ran
    assert done.returncode == 0, done.stderr
    driver = "with a driver and tensorflow[and-cuda] installed, the same command runs it"
    reason = f"tensorflow finds no gpu here; {driver}"
    found = {device: (result.status, result.reason) for device, result in results(folder).items()}
    assert found == {"cpu": ("ok", ""), "gpu": ("skipped", reason)}
    assert f"mlp float32 seed 0 device=gpu: skipped: {reason}" in done.stderr
    assert f"1 of 2 trials were skipped: {reason}\n" in done.stderr
    assert "gave no result" not in done.stderr
    report = (folder / "reports" / "devices" / "report.md").read_text()
    assert "2 trials: 1 ok, 1 skipped." in report and "tensorflow finds no gpu here" in report
    shown = here(folder, "status", "grid.yaml").stdout
    assert shown.startswith("1 ok, 1 skipped of 2 trials\n")
    rows = here(folder, "results", "--where", "status=skipped").stdout
    assert "1 of 2 results" in rows


def test_the_threads_that_are_asked_for_are_those_of_every_library(ran):
    result = results(ran[0])["cpu"]
    pools = [tuple(part.rsplit(" ", 1)) for part in result.provenance["pools"].split(", ")]
    assert {name for name, _ in pools} == {"tensorflow", "its operations", "openblas", "loops"}
    assert {number for _, number in pools} == {"1"}
    assert result.provenance["threads"] == "1" and result.provenance["cores"] == str(len(cores()))


def test_a_skipped_trial_is_tried_again(tmp_path):
    """Once the device is there; the quick runner finds it in the folder of the store."""
    store = Store(tmp_path / "runs")
    store.create()
    wanted = quick.trial(0, do="absent")
    trials = [wanted.baseline, wanted]

    def run(**options):
        told = Told()
        run_trials(trials, store, Setup(store.root, runner="quick:runner"), told, RunOptions(**options))
        return [status for _, status in told.ended], told.retries

    assert run(retries=3, fail_fast=True) == (["ok", "skipped"], 0)
    assert store.load(wanted.id).reason == "there is no gpu today"
    (store.root / "device").touch()
    assert run() == (["ok"], 0)


def test_what_starts_from_a_skipped_baseline_is_skipped_for_its_reason(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    wanted = quick.trial(0, network="absent")
    run_trials([wanted.baseline, wanted], store, Setup(store.root, runner="quick:runner"), Watcher())
    found = [store.load(trial.id) for trial in (wanted.baseline, wanted)]
    assert [(one.status, one.reason) for one in found] == [("skipped", "there is no gpu today")] * 2


class Told(Watcher):
    def __init__(self):
        self.ended, self.retries, self.notes = [], 0, []

    def note(self, text):
        self.notes.append(text)

    def finished(self, trial, result, seconds):
        self.ended.append((trial.id, result.status))

    def retried(self, trial, result):
        self.retries += 1


def test_more_threads_than_cores_are_allowed_and_said(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    wanted = replace(quick.trial(0, baseline=False), runtime=Runtime(threads=1000))
    told = Told()
    run_trials([wanted], store, Setup(store.root, runner="quick:runner"), told)
    assert told.notes == [crowding([1000], 1)]
    result = store.load(wanted.id)
    assert (result.status, result.provenance["threads"]) == ("ok", "1000")


def test_how_more_threads_than_cores_are_said():
    mine = len(share_of_cores(0, 1))
    assert crowding([None, 1, mine], 1) == "" and crowding([], 1) == ""
    assert crowding([1, mine + 1], 1) == (
        f"runtime.threads asks for up to {mine + 1}, but a trial has {mine} core{'s' * (mine > 1)} here: its "
        "threads take turns"
    )
    beside = crowding([2], len(cores()))
    assert (f"has 1 core with --jobs {len(cores())} here" in beside) == (len(cores()) > 1)
