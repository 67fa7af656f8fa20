"""The engine with real processes and trials that take no time."""

import os
import subprocess
import sys

import numpy as np
import pytest
import quick
from stopped import hours_later

from precision import files
from precision.errors import PrecisionError
from precision.grid import Store
from precision.grid.execution import executor
from precision.grid.execution.options import RunOptions
from precision.grid.execution.scheduler import run_trials
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup

quick.prepared()


class Log(Watcher):
    """What happened; ``then`` is called with each trial that is finished."""

    def __init__(self, then=lambda trial: None):
        self.lines, self.then = [], then

    def started(self, trial):
        self.lines.append(("started", trial.id))

    def epoch(self, trial, row):
        self.lines.append(("epoch", trial.id, row["epoch"]))

    def finished(self, trial, result, seconds):
        self.lines.append(("finished", trial.id, result.status))
        self.then(trial)

    def waiting(self, trial):
        self.lines.append(("waiting", trial.id))

    def retried(self, trial, result):
        self.lines.append(("retried", trial.id, result.status))

    def of(self, kind):
        return [line[1] for line in self.lines if line[0] == kind]


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    return found


def run(trials, store, **options):
    return run_exactly(with_baselines(trials), store, **options)


def run_exactly(trials, store, log=None, **options):
    log = log or Log()
    run_trials(trials, store, Setup(store.root, runner="quick:runner"), log, RunOptions(**options))
    return log


def with_baselines(trials):
    found = {}
    for trial in trials:
        if trial.method.options.get("start") != "scratch":
            found.setdefault(trial.baseline.id, trial.baseline)
        found.setdefault(trial.id, trial)
    return list(found.values())


def check(trials, store):
    for trial in trials:
        result = store.load(trial.id)
        accuracy, predictions = quick.expected(trial)
        assert (result.status, result.metrics["accuracy"]) == ("ok", accuracy)
        np.testing.assert_array_equal(store.predictions(trial.id), predictions)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_trial_once_and_baselines_first(store, jobs):
    trials = [quick.trial(i, seed, network) for network in "ab" for seed in range(2) for i in range(3)]
    # In the worst order: every trial before its baseline.
    log = run_exactly(with_baselines(trials)[::-1], store, jobs=jobs)
    everything = with_baselines(trials)
    check(everything, store)
    ids = {trial.id for trial in everything}
    assert sorted(log.of("started")) == sorted(log.of("finished")) == sorted(ids)
    for trial in trials:
        first, begun = ("finished", trial.baseline.id, "ok"), ("started", trial.id)
        assert log.lines.index(first) < log.lines.index(begun)
    assert all(log.lines.count(("epoch", trial_id, n)) == 1 for trial_id in ids for n in (1, 2, 3))
    worker = {trial.id: store.load(trial.id).metrics["worker"] for trial in everything}
    alone = [worker[trial.id] for trial in everything if trial.method.name == "float32"]
    assert len({*alone}) == len(alone), "a trial whose memory is measured has a process of its own"
    warm = {network: {worker[t.id] for t in trials if t.architecture.name == network} for network in "ab"}
    assert not warm["a"] & warm["b"], "a worker is made anew for another network"
    assert not {*alone} & (warm["a"] | warm["b"])
    # One that has just trained a baseline is replaced: at most once per change of the network or baseline.
    assert sum(map(len, warm.values())) <= len(alone) * jobs
    assert run(trials, store).lines == [], "nothing is left to do"


def test_jobs_share_the_cores(store):
    trials = [quick.trial(i, network=n, baseline=False) for i in range(2) for n in "ab"]
    run(trials, store, jobs=2)
    cores = sorted(os.sched_getaffinity(0))
    shares = {store.load(t.id).facts["affinity"] for t in trials}
    seen = [set(map(int, share.split(","))) for share in shares]
    if len(cores) > 1:
        assert len(seen) == 2 and not seen[0] & seen[1]
    assert set().union(*seen) == set(cores)


@pytest.mark.parametrize(
    ("do", "status", "reason"),
    [
        ("raise", "failed", "ValueError: as it was told"),
        ("abort", "killed", "SIGABRT"),
        ("segfault", "killed", "SIGSEGV"),
        ("exit", "killed", "exit code 3"),
        ("no memory", "out_of_memory", "too large"),
    ],
)
@pytest.mark.faults("a worker that ends in a trial (exit status or signal)")
def test_what_goes_wrong_costs_its_own_trial(store, do, status, reason):
    good = [quick.trial(i) for i in range(3)]
    bad = quick.trial(99, do=do)
    log = run([good[0], bad, *good[1:]], store)
    check(good, store)
    result = store.load(bad.id)
    assert result.status == status and reason in result.reason
    assert result.provenance["machine"] and result.attempts == 1
    assert ("finished", bad.id, status) in log.lines


@pytest.mark.faults("a trial without end, deaf to SIGTERM")
def test_a_trial_that_sleeps_for_ever_is_stopped(store, monkeypatch):
    class Late(Log):
        def epoch(self, trial, row):
            if row["epoch"] == 4:  # it is deaf now
                later()

    later = hours_later(monkeypatch)
    good, bad = quick.trial(0), quick.trial(1, do="deaf")  # which ignores SIGTERM too
    run([bad, good], store, log=Late(), timeout=3600)
    check([good], store)
    assert store.load(bad.id).status == "timeout"
    assert "not done after 3600 s" in store.load(bad.id).reason


@pytest.mark.faults("a trial that takes memory without end")
def test_a_trial_that_allocates_without_end_is_stopped(store):
    good, bad = quick.trial(0), quick.trial(1, do="hoard")
    run([bad, good], store, memory_limit=700 * 2**20)
    check([good], store)
    result = store.load(bad.id)
    assert result.status == "out_of_memory" and "above the limit of 0.68 GiB" in result.reason


@pytest.mark.faults("a worker that ends in a trial (exit status or signal)")
def test_a_trial_is_tried_again(store):
    once, never = quick.trial(0, do="once"), quick.trial(1, do="raise")
    log = run([once, never], store, retries=2)
    check([once], store)
    assert store.load(once.id).attempts == 2
    assert store.load(never.id).attempts == 3
    assert sorted(log.of("retried")) == sorted([once.id, never.id, never.id])
    assert log.of("finished").count(once.id) == log.of("finished").count(never.id) == 1


def test_fail_fast_stops_the_rest(store):
    trials = [quick.trial(i, do="raise" if i == 1 else None) for i in range(6)]
    log = run(trials, store, fail_fast=True)
    assert log.lines[-1] == ("finished", trials[1].id, "failed")
    assert store.load(trials[5].id) is None


@pytest.mark.faults("a baseline that fails")
def test_what_waits_for_a_baseline_that_failed(store):
    waiting, other = quick.trial(0, network="broken"), quick.trial(1)
    log = run([waiting, other], store)
    reason = store.load(waiting.id).reason
    assert reason == "its float32 baseline failed: ValueError: no network today"
    assert log.of("started").count(waiting.id) == 0
    assert ("finished", waiting.id, "failed") in log.lines and ("finished", other.id, "ok") in log.lines
    again = run([waiting], store)
    assert again.of("started") == [waiting.baseline.id], "the baseline is tried again"


@pytest.mark.faults("a baseline that nobody runs")
def test_a_baseline_that_nobody_runs(store):
    orphan = quick.trial(0)
    log = run_exactly([orphan], store)
    assert "its float32 baseline left no result" in store.load(orphan.id).reason
    assert log.lines == [("finished", orphan.id, "failed")]


HOLD = """
import sys
from precision.grid import Store
with Store(sys.argv[1]).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_trial_in_other_hands_is_awaited(store):
    mine, theirs = quick.trial(0, baseline=False), quick.trial(1, baseline=False)
    command = [sys.executable, "-c", HOLD, store.root, theirs.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        log = Log(lambda trial: trial is mine and other.stdin.close())
        run_exactly([theirs, mine], store, log)
    check([mine, theirs], store)
    assert log.of("finished") == [mine.id, theirs.id] and theirs.id in log.of("waiting")


@pytest.mark.filterwarnings("ignore:.*cannot be trusted")
@pytest.mark.faults("a folder in the place of a record")
def test_a_result_that_cannot_be_stored_ends_the_run(store):
    trials = [quick.trial(i) for i in range(2)]
    (store.folder(trials[0].baseline.id) / "result.json").mkdir(parents=True)
    with pytest.raises(PrecisionError, match=r"could not be stored .* run the same command again"):
        run(trials, store)


@pytest.mark.faults("a full disk under a run")
def test_a_full_disk_ends_the_run_and_not_trial_after_trial(store):
    """Wherever a trial meets it; what another worker was writing is gone as well."""
    half = quick.trial(0, baseline=False, network="b", do="half")
    full = [quick.trial(i, baseline=False, do="full") for i in range(3)]
    log = Log()
    with pytest.raises(PrecisionError) as caught:
        run_exactly([half, *full], store, log, jobs=2)
    path = store.folder(full[0].id) / "x"
    assert str(caught.value).startswith(f"{path}: cannot be written (No space left on device); make room and")
    assert log.of("started") == [half.id, full[0].id] and not log.of("finished")
    assert not store.results()
    assert not [path for path in store.root.rglob("*") if files.is_draft(path.name)]


def test_a_record_has_the_settings_that_decide_bits(store, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    trial = quick.trial(0, baseline=False)
    run_exactly([trial], store)
    found = store.load(trial.id).provenance
    assert found["settings"] == "XLA_FLAGS=--xla_cpu_enable_fast_math=true"
    assert found["cores"] == str(len(os.sched_getaffinity(0)))


@pytest.mark.faults("a worker stopped while it writes")
def test_a_worker_that_is_stopped_leaves_no_half_of_a_file(store):
    trial = quick.trial(0, baseline=False, do="half")
    run_exactly([trial], store, timeout=0.5)
    assert store.load(trial.id).status == "timeout"
    assert [path.name for path in store.folder(trial.id).iterdir()] == ["result.json"]


def test_a_worker_that_has_grown_is_replaced(store, monkeypatch):
    monkeypatch.setattr(executor, "GROWTH", 2**20)
    trials = [quick.trial(i, baseline=False, do="swell" if i == 2 else None) for i in range(4)]
    run(trials, store)
    workers = [store.load(trial.id).metrics["worker"] for trial in trials]
    assert workers[0] == workers[1] == workers[2] != workers[3]


@pytest.mark.faults("a worker that cannot start")
def test_a_worker_that_cannot_start_says_why(store):
    trial = quick.trial(0, baseline=False)
    run_trials([trial], store, Setup(store.root, runner="quick:cannot"), Log())
    assert store.load(trial.id).reason == "ImportError: no module named tensorflow today"


@pytest.mark.faults("weights of another baseline in place of its own")
def test_weights_that_are_not_those_that_were_stored_are_trained_again(store):
    first, second, other = quick.trial(0), quick.trial(1), quick.trial(2, seed=1)
    run([first, other], store)
    os.replace(store.weights(other.baseline.id), store.weights(first.baseline.id))
    assert run_exactly(with_baselines([first]), store).lines == [], "nothing starts from them"
    with pytest.warns(
        UserWarning, match=f"{first.baseline.id}/trained.weights.h5: .*cannot be trusted"
    ) as told:
        log = run([first, second], store)
    assert log.of("started") == [first.baseline.id, second.id]
    assert len({str(one.message) for one in told}) == 1
    check([first, second, first.baseline], store)
    assert store.weights(first.baseline.id).read_text() == first.baseline.id


@pytest.mark.filterwarnings("ignore:.*weights.h5.*cannot be trusted")
@pytest.mark.faults("weights that are changed during a run")
def test_weights_that_go_wrong_during_a_run_are_trained_again(store):
    trials = [quick.trial(0, do="spoil"), quick.trial(1), quick.trial(2)]
    log = run(trials, store)
    baseline = trials[0].baseline.id
    assert log.of("started") == [baseline, trials[0].id, baseline, *(trial.id for trial in trials)]
    assert log.of("retried") == [trials[0].id]
    check([*trials, trials[0].baseline], store)
    assert store.load(trials[0].id).attempts == 1


@pytest.mark.filterwarnings("ignore:.*weights.h5.*cannot be trusted")
@pytest.mark.faults("weights that are changed during a run")
def test_they_are_trained_again_only_once(store):
    spoiling = quick.trial(0, do="spoil always")
    log = run([spoiling], store)
    assert log.of("started") == [spoiling.baseline.id, spoiling.id] * 2
    assert store.load(spoiling.id).status == "failed"


@pytest.mark.faults("a link in the store that leads elsewhere")
def test_nothing_is_written_through_a_link(store, tmp_path):
    trial = quick.trial(0, baseline=False)
    (tmp_path / "elsewhere").mkdir()
    store.folder(trial.id).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PrecisionError, match=f"{trial.id}: this is a link, and nothing is written through"):
        run([trial], store)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.faults("a number that cannot be")
def test_a_number_that_cannot_be_is_a_failure(store):
    trial = quick.trial(0, baseline=False, do="more than all")
    run([trial], store)
    result = store.load(trial.id)
    assert result.status == "failed" and "accuracy is 8.7, but can only be from 0 to 1" in result.reason
