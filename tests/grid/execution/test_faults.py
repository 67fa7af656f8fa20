"""Processes that are killed, disks that are full, runs that meet: nothing is lost, nothing is done twice."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import quick
import quick_run
from stopped import await_stop, let_go, stop_at

from precision import files
from precision.grid import Store

# `make faults` asks for more.
TRIALS = int(os.environ.get("PRECISION_FAULT_TRIALS", "200"))
KILLS = int(os.environ.get("PRECISION_FAULT_KILLS", "12"))
AHEAD = 8  # trials that a paced run may have finished beyond those that the test has seen


@pytest.fixture
def start():
    """Starts runs of quick trials, and leaves none behind."""
    running = []

    def begin(store, trials, group=False, paced=False, env=None, **options):
        asked = json.dumps({"trials": trials, "options": options, "paced": paced})
        process = subprocess.Popen(
            [sys.executable, quick_run.__file__, str(store), asked],
            stdin=subprocess.PIPE if paced else None,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            start_new_session=group,
            # A shell starts its background jobs with Ctrl-C ignored, and these tests may be one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()


def complete(process, timeout=120):
    out = process.communicate(timeout=timeout)[0]
    return out.splitlines()


def await_line(process, start):
    for line in process.stdout:
        if line.startswith(start):
            return line.split()
    raise AssertionError(f"no line begins with {start!r}")


def workers(process):
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if child.name() == "precision-work"]
    return []


def begun(store):
    """Return how often each trial was begun."""
    counts = {}
    for path in (Path(store) / "began").iterdir():
        name = path.name.split(".")[0]
        counts[name] = counts.get(name, 0) + 1
    return counts


def results(store):
    return {p.parent.name: p.stat().st_mtime_ns for p in Path(store).glob("trials/*/result.json")}


def check(store, wanted):
    """Every trial has its result, and it is the right one."""
    for trial in quick_run.trials(wanted):
        right(Store(store), trial)


def right(store, trial):
    result = store.load(trial.id)
    accuracy, predictions = quick.expected(trial)
    assert result is not None and result.status == "ok", (trial.id, result)
    assert result.metrics["accuracy"] == accuracy
    np.testing.assert_array_equal(store.predictions(trial.id), predictions)


def pace(process, lines):
    """Let a paced run finish so many more trials, and see them."""
    for _ in range(lines):
        await_line(process, "finished")
        process.stdin.write("\n")
        process.stdin.flush()


def kill(draw, process, victims):
    """Kill one of these processes, as soon as there is one."""
    while True:
        while not (found := victims(process)):
            pace(process, 1)
        with contextlib.suppress(psutil.NoSuchProcess):  # replaced in the meantime
            return draw.choice(found).kill()


def many(count):
    return [
        {"index": i, "seed": i % 4, "network": "abc"[i % 3], "do": "sleep", "seconds": 0.01 * (i % 4)}
        for i in range(count)
    ]


def test_killed_at_random_moments(tmp_path, start, tally):
    """kill -9 of workers and of whole runs, again and again; what was done stays done.

    A run is never more than a few trials ahead of the test, so that every kill falls into it.
    """
    draw = random.Random(0)
    store, wanted = tmp_path / "runs", many(TRIALS)
    everything = quick_run.trials(wanted)
    by_id = {trial.id: trial for trial in everything}
    stretch = len(everything) * 2 // KILLS // 3  # about so many trials from one kill to the next
    done: dict[str, int] = {}
    for _ in range(KILLS // 2):
        process = start(store, wanted, paced=True, jobs=2, retries=5)
        process.stdin.write("\n" * AHEAD)
        with tally("kill -9 of a worker at a random moment"), tally("kill -9 of a run at a random moment"):
            for victims in (workers, lambda process: [psutil.Process(process.pid)]):
                pace(process, draw.randrange(stretch // 2, stretch))
                time.sleep(draw.random() / 20)
                orphans = workers(process)
                kill(draw, process, victims)
            process.communicate()
            assert not psutil.wait_procs(orphans, timeout=60)[1], "a worker outlived its parent"
            now = results(store)
            assert all(now.get(name) == when for name, when in done.items()), "one was lost or done again"
            done = {name: when for name, when in now.items() if Store(store).load(name).status == "ok"}
            for name in done:
                right(Store(store), by_id[name])
    assert 0 < len(done) < len(everything)
    process = start(store, wanted, jobs=2)
    lines = complete(process)
    assert process.returncode == 0, lines
    now = results(store)
    assert all(now.get(name) == when for name, when in done.items())
    check(store, wanted)
    counts = begun(store)
    assert set(counts) == {trial.id for trial in everything}
    cut_off = sum(counts.values()) - len(everything)
    assert cut_off <= KILLS // 2 * (1 + 2), "a kill of a worker costs one trial, that of a run one per job"
    drafts = [p for p in store.rglob("*") if files.is_draft(p.name)]
    assert len(drafts) <= KILLS, "a writer that was killed leaves its draft, which is no result"


@pytest.mark.faults("two runs of one grid at once")
def test_two_runs_of_one_grid_never_do_the_same(tmp_path, start):
    store, wanted = tmp_path / "runs", many(60)
    both = [start(store, wanted, jobs=2) for _ in range(2)]
    for process in both:
        lines = complete(process)
        assert process.returncode == 0, lines
        told = [line.split()[1] for line in lines if line.startswith("finished")]
        assert len(told) == len(set(told))
    check(store, wanted)
    assert set(begun(store).values()) == {1}


@pytest.mark.faults("Ctrl-C during a run")
def test_the_first_interrupt_lets_trials_end(tmp_path, start):
    store = tmp_path / "runs"
    wanted = [{"index": i, "baseline": False, "do": "wait"} for i in range(6)]
    process = start(store, wanted, jobs=2)
    first = await_line(process, "epoch")[1]
    process.send_signal(signal.SIGINT)
    assert await_line(process, "note")[-5:] == ["again", "to", "stop", "them", "now"]
    (store / "go").touch()
    lines = complete(process)
    assert process.returncode == 130
    finished = {line.split()[1]: line.split()[2] for line in lines if line.startswith("finished")}
    assert first in finished and set(finished.values()) == {"ok"}
    assert set(begun(store)) == set(finished) and len(finished) <= 2, "nothing new is begun"


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
@pytest.mark.faults("Ctrl-C again, or SIGTERM")
def test_a_second_interrupt_stops_at_once(tmp_path, start, signals):
    store = tmp_path / "runs"
    process = start(store, [{"baseline": False, "do": "sleep", "seconds": 300}])
    await_line(process, "epoch")
    children = workers(process)
    for count, number in enumerate(signals, 1):
        process.send_signal(number)
        if count < len(signals):
            await_line(process, "note")
    complete(process)
    assert process.returncode == 130
    assert children and not psutil.wait_procs(children, timeout=60)[1]
    assert results(store) == {}, "a trial that was stopped has no result"


@pytest.mark.faults("Ctrl-C for a run and its workers while they start")
def test_ctrl_c_reaches_the_whole_group(tmp_path, start):
    """A terminal sends Ctrl-C to the workers too, also while they start."""
    store = tmp_path / "runs"
    wanted = [{"index": i, "baseline": False, "network": n} for i in range(3) for n in "ab"]
    process = start(store, wanted, group=True, env=stop_at(tmp_path, "worker begun"))
    first = await_line(process, "started")[1]
    await_stop(tmp_path, process)
    os.killpg(process.pid, signal.SIGINT)
    await_line(process, "note")
    let_go(tmp_path)
    lines = complete(process)
    assert process.returncode == 130
    assert f"finished {first} ok" in lines


@pytest.mark.faults("a full disk under a run")
def test_a_disk_that_is_full(tmp_path, start):
    """On a real small file system where one can be mounted; elsewhere with files of limited size."""
    store = tmp_path / "small" / "runs"
    store.parent.mkdir()
    wanted = many(40)
    mounted = mount(store.parent, "size=300k")
    limit = None if mounted else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
    try:
        asked = json.dumps({"trials": wanted})
        full = subprocess.run(
            [sys.executable, quick_run.__file__, str(store), asked],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=limit,
        )
        assert full.returncode == 2, full.stdout + full.stderr
        refusal = full.stdout.splitlines()[-1]
        assert refusal.startswith("refused") and "and run the same command again" in refusal
        assert "Traceback" not in full.stderr
        kept = results(store)
        assert not [path for path in store.rglob("*") if files.is_draft(path.name)]
        if mounted:
            assert 0 < len(kept) < 40
            subprocess.run(["mount", "-o", "remount,size=50m", str(store.parent)], check=True)
        again = start(store, wanted)
        complete(again)
        assert again.returncode == 0
        assert {name: when for name, when in results(store).items() if name in kept} == kept
        check(store, wanted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(store.parent)], check=False)


@pytest.mark.faults("a store that can only be read")
def test_a_store_that_can_only_be_read(tmp_path, start):
    store = tmp_path / "readonly" / "runs"
    store.parent.mkdir()
    mounted = mount(store.parent, "size=10m")
    if not mounted and os.geteuid() == 0:
        pytest.skip("root may write everywhere, and nothing can be mounted here")
    try:
        first = start(store, many(5))
        complete(first)
        assert first.returncode == 0
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(store.parent)], check=True)
        else:
            for folder in (store, store / "locks", store / "trials"):
                folder.chmod(0o500)
        process = start(store, many(10))
        lines = complete(process)
        assert process.returncode == 2
        assert "results cannot be written here" in lines[-1]
        check(store, many(5))
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(store.parent)], check=False)


def mount(folder, options):
    """Mount an empty file system of its own, where the system lets us."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    with contextlib.suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


@pytest.mark.faults("a clock that was set back")
def test_a_clock_that_was_set_back(tmp_path, start):
    """What is stored is from tomorrow then; nothing is repeated, and what is new is as good."""
    store = tmp_path / "runs"
    complete(start(store, many(10)))
    tomorrow = time.time() + 86400
    for path in store.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    before = results(store)
    process = start(store, many(20))
    complete(process)
    assert process.returncode == 0
    assert {name: when for name, when in results(store).items() if name in before} == before
    assert set(begun(store).values()) == {1}
    check(store, many(20))
