"""Disks that are full or cannot be written, and file systems without locks."""

import contextlib
import errno
import fcntl
import json
import multiprocessing
import resource
import signal
import stat
import threading

import filelock
import numpy as np
import pytest
from stored import make_result, make_trial

from precision import files
from precision.errors import PrecisionError
from precision.exploration.journal import Journal
from precision.grid import Store
from precision.grid.store import clean, locks


@pytest.mark.faults("a full disk while a result is written")
def test_a_full_disk_keeps_the_former_result(small_disk):
    store = Store(small_disk)
    store.create()
    trial = make_trial()
    store.save(make_result())
    with (small_disk / "filler").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    large = make_result(metrics={"accuracy": 0.9}, predictions=np.zeros(50_000, np.uint8))
    with pytest.raises(OSError, match="No space left"):
        store.save(large)
    with pytest.raises(PrecisionError, match=r"cannot be written \(No space left on device\); make room"):
        store.create()
    assert store.load(trial.id).metrics["accuracy"] == 0.5
    assert sorted(path.name for path in store.folder(trial.id).iterdir()) == [
        "predictions.npy",
        "result.json",
    ]
    (small_disk / "filler").unlink()
    store.save(large)
    assert store.load(trial.id).metrics["accuracy"] == 0.9


def _save_within(root, limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        Store(root).save(make_result(history=[{"epoch": n} for n in range(2000)], predictions=None))
    except OSError as error:
        raise SystemExit(error.errno) from None


@pytest.mark.faults("a full disk while a result is written")
def test_files_that_may_not_grow(store):
    store.save(make_result())
    process = multiprocessing.get_context("spawn").Process(target=_save_within, args=(store.root, 5000))
    process.start()
    process.join()
    assert process.exitcode == errno.EFBIG
    assert len(store.load(make_trial().id).history) == 1
    assert len(list(store.folder(make_trial().id).iterdir())) == 2


@pytest.mark.faults("a store that can only be read")
def test_a_store_that_cannot_be_written(store, read_only):
    store.save(make_result())
    with read_only(store.root):
        assert store.load(make_trial().id) is not None
        with pytest.raises(PrecisionError, match=r"cannot be written here .*; give another --store"):
            store.create()
        with pytest.raises(OSError, match=r"."):
            store.save(make_result())
        with pytest.raises(OSError, match=r"."):
            store.register(store.root / "grid.yaml", "g", ["0" * 12])
    assert not [path for path in store.root.rglob("*") if files.is_draft(path.name)]


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_whom_the_user_lets_read_and_write(tmp_path, umask, mask):
    """Every file and folder of a store, its locks and its index too."""
    umask(mask)
    store = Store(tmp_path / "runs")
    store.create()
    with store.lock("a" * 12):
        store.save(make_result())
    store.register(tmp_path / "grid.yaml", "g", ["a" * 12])
    assert len(store.results()) == 1
    with Journal(store.root, "sensitivity", {"a": 1}, {}) as rows:
        rows.append({"b": 2})
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in store.root.rglob("*")}
    assert {path.name for path in found} >= {"index.sqlite", "result.json", "predictions.npy", "sensitivity"}
    assert found == {path: (0o777 if path.is_dir() else 0o666) & ~mask for path in found}


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
@pytest.mark.faults("a file system without locks")
def test_without_locks_one_warns_once_and_goes_on(store, monkeypatch, code):
    def missing(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", missing)
    locks._warned.clear()
    first, second = store.lock("a" * 12), store.lock("a" * 12)
    with pytest.warns(UserWarning, match="has no locks"), first.acquire(timeout=0):
        pass
    with first, second, second.acquire(timeout=0):  # a second warning would be an error
        pass
    first.release()
    assert not [path for path in (store.root / "locks").iterdir() if path.stat().st_size], (
        "no lock of another kind"
    )


def test_a_lock_that_cannot_be_written(store, read_only):
    with read_only(store.root), pytest.raises(OSError, match=r"."):
        store.lock("a" * 12).acquire(timeout=0)


def _hold(root, ready):
    with Store(root).lock("a" * 12):
        ready.set()
        signal.pause()


@pytest.mark.faults("kill -9 of a process that holds a lock")
def test_a_lock_falls_with_its_process(store):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(store.root, ready))
    holder.start()
    assert ready.wait(60)
    with pytest.raises(filelock.Timeout):
        store.lock("a" * 12).acquire(timeout=0)
    with locks.granted(store.lock("a" * 12)) as free:
        assert not free
    holder.kill()
    holder.join()
    with store.lock("a" * 12).acquire(timeout=0):
        pass
    with locks.granted(store.lock("a" * 12)) as free:
        assert free


def test_registered_grids(store, tmp_path, monkeypatch):
    from precision.grid.store.registered import registrations

    assert registrations(store.root) == []
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "grid.yaml"
    store.register(grid, "g", ["b", "a", "a"])
    store.register(grid.relative_to(tmp_path), "g", ["c"])
    store.register(grid, "g", ["d"], "--seeds 5")
    first, second = registrations(store.root)
    assert (first.path, first.name, first.options, first.ids) == (grid, "g", "", {"c"})
    assert (str(second), second.ids) == (f"{grid} --seeds 5", {"d"})
    before = first.entry.stat()
    store.register(grid, "g", ["c"])
    assert first.entry.stat() == before, "what is the same is not written again"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', "[" * 100_000])
@pytest.mark.faults("a registered grid that is torn, empty, or of something else")
def test_a_registered_grid_that_cannot_be_read(store, tmp_path, text):
    from precision.grid.store.registered import registrations

    store.register(tmp_path / "grid.yaml", "g", ["c"])
    entry = registrations(store.root)[0].entry
    entry.write_text(text)
    with pytest.raises(PrecisionError, match="cannot be read") as caught:
        registrations(store.root)
    assert str(entry) in str(caught.value)
    entry.write_text(json.dumps({"version": 1, "path": "/x", "name": "g", "options": "", "trials": [1]}))
    with pytest.raises(PrecisionError, match="something else than texts"):
        registrations(store.root)


def _save_for_ever(root, ready):
    store = Store(root)
    seed = 0
    while True:
        trial = make_trial(seed % 5)
        with store.lock(trial.id):
            store.save(make_result(trial, metrics={"accuracy": trial.seed / 5, "round": seed}))
        seed += 1
        if seed > 5:
            ready.set()


def test_killed_writers_leave_whole_results(store, tally):
    context = multiprocessing.get_context("spawn")
    kept = {make_trial(seed).id for seed in range(5)}
    for pause in (0.0, 0.001, 0.002, 0.005, 0.01):
        ready = context.Event()
        writer = context.Process(target=_save_for_ever, args=(store.root, ready))
        writer.start()
        assert ready.wait(60)
        threading.Event().wait(pause)
        with tally("kill -9 of a writer of results"):
            writer.kill()
            writer.join()
            assert writer.exitcode == -signal.SIGKILL
            results = store.results()  # a warning would be an error
            assert results.keys() == kept
            assert all(r.metrics["accuracy"] == r.trial.seed / 5 for r in results.values())
            assert all(len(store.predictions(name)) == 5 for name in kept)
    clean.remove(store, clean.find(store, kept).items, set)
    assert not [path for path in store.root.rglob("*") if files.is_draft(path.name)]
    assert store.results().keys() == kept and not list((store.root / "locks").glob("?" * 12 + ".lock"))
