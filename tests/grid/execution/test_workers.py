"""How worker processes are started, and how they end: with their trial, their run, or by themselves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import quick
from stopped import hours_later

from precision.errors import PrecisionError
from precision.grid import Store
from precision.grid.execution import launch
from precision.grid.execution.options import RunOptions
from precision.grid.execution.scheduler import run_trials
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup

quick.prepared()

# `make faults` asks for more.
FORKS = int(os.environ.get("PRECISION_FORKS", "4"))


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    return found


@pytest.fixture(autouse=True)
def trusted(monkeypatch):
    monkeypatch.setattr(launch, "_distrusted", False)
    monkeypatch.setattr(launch, "_servers", {})


def run(trials, store, runner="unruly:runner", watcher=None, **options):
    setup = Setup(store.root, runner=runner)
    run_trials(trials, store, setup, watcher or Watcher(), RunOptions(**options))
    return [store.load(trial.id) for trial in trials]


def alone(index=0, **options):
    return quick.trial(index, baseline=False, **options)


@pytest.mark.faults("a worker that ends in a trial (exit status or signal)")
def test_a_worker_that_leaves_with_status_0_fails_its_trial(store):
    bad, good = run([alone(0, do="leave"), alone(1)], store)
    assert (bad.status, good.status) == ("killed", "ok")
    assert "exit code 0" in bad.reason


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.faults("workers that die before they begin")
def test_workers_that_die_before_they_begin_end_the_run(store, jobs):
    with pytest.raises(PrecisionError, match=r"no worker process lives .*SIGILL.*3 times in a row"):
        run([alone(i) for i in range(9)], store, "unruly:dies", jobs=jobs)
    assert 3 <= len((store.root / "starts").read_bytes()) <= 3 + jobs
    assert not list(store.root.glob("trials/*/result.json"))


def test_deaths_before_a_trial_that_are_not_in_a_row_end_nothing(store, tally):
    for index in range(4):  # each time a fresh worker is killed while it is idle, and replaced
        with tally("a worker that ends in a trial (exit status or signal)"):
            assert run([alone(index, do="exit")], store)[0].status == "killed"
    assert run([alone(9)], store)[0].status == "ok"


@pytest.mark.parametrize("then", ["", "die", "sleep"])
@pytest.mark.faults("processes that a trial leaves behind")
def test_what_a_trial_started_ends_with_it(store, then, monkeypatch):
    class Late(Watcher):
        def epoch(self, trial, row):
            if trial.id == trials[0].id:  # which has started its processes, and sleeps
                later()

    later = hours_later(monkeypatch)
    trials = [alone(0, do="offspring", then=then), alone(1)]
    first, second = run(trials, store, watcher=Late() if then == "sleep" else None, timeout=3600)
    assert first.status == {"": "ok", "die": "killed", "sleep": "timeout"}[then] and second.status == "ok"
    offspring = [int(pid) for pid in (store.root / "offspring").read_text().split()]
    assert len(offspring) == 2
    gone = [
        pid for pid in offspring if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"
    ]
    deadline = time.monotonic() + 20
    while len(gone) < 2 and time.monotonic() < deadline:  # a server is told of a death by a signal
        time.sleep(0.05)
        gone = [p for p in offspring if not psutil.pid_exists(p) or psutil.Process(p).status() == "zombie"]
    assert gone == offspring


@pytest.mark.faults("a clock that jumps ahead during a trial")
def test_a_timeout_does_not_follow_the_clock_of_the_wall(store, monkeypatch):
    began, real = time.monotonic(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * (time.monotonic() > began + 0.5))
    (result,) = run([alone(0, do="sleep", seconds=1.0)], store, timeout=60)
    assert result.status == "ok"


def test_a_worker_has_the_surroundings_of_the_time_when_it_is_asked_for(store, tmp_path, monkeypatch):
    first = run([alone(0, do="where")], store)[0].facts
    monkeypatch.setenv("UNRULY_TOLD", "later")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("unruly-path")
    second = run([alone(1, do="where")], store)[0].facts
    assert (first["told"], second["told"]) == ("", "later")
    assert Path(second["folder"]) == tmp_path != Path(first["folder"])
    assert (first["on the path"], second["on the path"]) == ("False", "True")
    assert first["frozen"] == "True", "a worker looks for garbage among what its server has imported"
    third = run([alone(2, do="where")], store)[0].facts
    assert third["parent"] == second["parent"], "one server forks them as long as the environment is the same"


class KillsTheServer(Watcher):
    """Kills the process that workers are forked from as soon as a trial goes on."""

    def __init__(self):
        self.killed = 0

    def epoch(self, trial, row):
        if not self.killed:
            for child in psutil.Process().children():
                if child.name() == "precision-fork":
                    child.kill()
                    self.killed += 1


@pytest.mark.faults("kill -9 of the process that workers are forked from")
def test_a_server_that_is_killed_costs_no_trial(store):
    watcher = KillsTheServer()
    trials = [alone(i, do="sleep", seconds=0.5) for i in range(3)]
    results = run(trials, store, "quick:runner", watcher=watcher)
    assert watcher.killed
    assert [(r.status, r.attempts) for r in results] == [("ok", 1)] * 3


@pytest.mark.faults("a worker that hangs while it starts")
def test_a_forked_worker_that_does_not_get_ready_is_replaced(store, monkeypatch):
    monkeypatch.setenv("UNRULY_HANGS", "1")
    monkeypatch.setattr(launch, "START_SECONDS", 3.0)
    assert [r.status for r in run([alone(0), alone(1)], store, "unruly:slow")] == ["ok", "ok"]
    assert (store.root / "hung").exists()


@pytest.mark.faults("a process to fork from that has computed")
def test_a_process_that_has_computed_does_not_fork(store, monkeypatch):
    monkeypatch.setenv("UNRULY_COMPUTES", "1")
    (result,) = run([alone(0, do="where")], store)
    assert result.status == "ok"
    assert result.facts["preloaded"] == "False", "it was forked from a process that imports nothing"


def test_the_process_that_workers_are_forked_from_computes_nothing():
    """In a process of its own, as TensorFlow is running in this one."""
    code = """
import os
from precision.grid.execution import forkserver, runner
runner.preload()
print(forkserver._unsafe(), sorted(os.listdir("/proc/self/task")) != [])
import tensorflow as tf
tf.constant(1.0) + 1
print(forkserver._unsafe())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True", "True"]


def test_a_process_of_workers_that_is_told_to_end_while_it_ends_says_nothing():
    code = """
import atexit, os, signal, socket
from precision.grid.execution import forkserver
ours, theirs = socket.socketpair()
theirs.close()
atexit.register(os.kill, os.getpid(), signal.SIGTERM)  # while libraries clean up
forkserver.serve(ours, "none:none", "tensorflow", False)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (-signal.SIGTERM, "")


def test_forked_and_spawned_workers_train_the_same_bits(store, monkeypatch, tally):
    """Many starts, two at a time, each of which trains: none hangs, and all have a spawned one's weights."""
    trials = [quick.trial(i, seed=i % 2, network=str(i), baseline=False) for i in range(FORKS)]
    forked = run(trials, store, "small_training:runner", jobs=2, timeout=300)
    monkeypatch.setattr(launch, "_distrusted", True)
    spawned = run([alone(FORKS, seed=seed) for seed in range(2)], store, "small_training:runner")
    assert {result.status for result in (*forked, *spawned)} == {"ok"}
    assert len({result.facts["parent"] for result in forked}) == 1
    assert spawned[0].facts["parent"] != forked[0].facts["parent"]
    for index, result in enumerate(forked):
        with tally("a forked worker that trains, two at a time"):
            assert result.facts["weights"] == spawned[index % 2].facts["weights"]
    assert len({result.facts["weights"] for result in spawned}) == 2
