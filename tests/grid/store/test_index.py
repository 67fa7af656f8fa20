"""Reading all results at once: the index is as if it was not there, whatever happens to it."""

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import make_result, make_trial

from precision.grid import Store
from precision.grid.store import index, reading
from precision.grid.store.index import Index

TRIALS = [make_trial(seed) for seed in range(12)]


def accuracies(store, ids=None):
    return {name: result.metrics["accuracy"] for name, result in store.results(ids).items()}


def fill(store, trials=TRIALS):
    for number, trial in enumerate(trials):
        store.save(make_result(trial, metrics={"accuracy": number / 100}))
    return {trial.id: number / 100 for number, trial in enumerate(trials)}


@pytest.fixture
def decoded(monkeypatch):
    """The ids whose files are read, in order; cleared between steps."""
    seen = []
    decode = reading.record.decode
    monkeypatch.setattr(
        reading.record, "decode", lambda text, name, *more: (seen.append(name), decode(text, name, *more))[1]
    )
    return seen


def test_only_what_changed_is_read_again(store, decoded):
    assert store.results() == {} and not (store.root / "index.sqlite").exists()
    wanted = fill(store)
    assert accuracies(store) == wanted and sorted(decoded) == sorted(wanted)
    decoded.clear()
    assert accuracies(store) == wanted and decoded == []
    store.save(make_result(TRIALS[3], metrics={"accuracy": 0.75}))
    shutil.rmtree(store.folder(TRIALS[4].id))
    del wanted[TRIALS[4].id]
    assert accuracies(store) == {**wanted, TRIALS[3].id: 0.75} and decoded == [TRIALS[3].id]
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (11,)
    connection.close()


def test_what_is_asked_for(store):
    wanted = fill(store)
    some = [TRIALS[2].id, TRIALS[0].id, "0" * 12]
    assert accuracies(store, some) == {name: wanted[name] for name in some[:2]}
    assert accuracies(store, []) == {}
    many = [f"{number:012x}" for number in range(2000)] + some
    assert accuracies(store, many) == {name: wanted[name] for name in some[:2]}
    assert list(store.results()) == sorted(wanted)


def test_more_than_a_chunk(store, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 5)
    wanted = fill(store)
    for _ in range(2):
        assert accuracies(store) == wanted


def test_it_equals_what_one_reads_one_by_one(store):
    fill(store)
    store.save(make_result(TRIALS[0], "failed", reason="boom", attempts=3, seconds=1.5, predictions=None))
    for _ in range(2):  # cold, warm
        for name, result in store.results().items():
            alone = store.load(name)
            assert repr(result) == repr(alone) and result.trial.id == name
            assert list(result.metrics) == list(alone.metrics)


def test_summaries_and_done(store):
    fill(store, TRIALS[:3])
    store.save(make_result(TRIALS[3], "failed"))
    baseline = TRIALS[0].baseline
    store.folder(baseline.id).mkdir()
    store.weights(baseline.id).touch()
    metrics = {"train_seconds": 6.0, "seconds_per_epoch": float("nan"), "test_images": 10}
    store.save(make_result(baseline, metrics=metrics, seconds=7.5, provenance={"machine": "m"}))
    found = {row["id"]: row for row in store.summaries()}
    assert len(found) == 5
    row = found[baseline.id]
    assert (row["status"], row["method"], row["architecture"], row["dataset"]) == (
        *("ok", "float32", "lenet", "digits"),
    )
    assert row["architecture_options"] == {"width": 0.5} and row["epochs"] == 5 and row["threads"] is None
    assert (row["train_seconds"], row["seconds_per_epoch"], row["seconds"]) == (6.0, None, 7.5)
    assert (row["train_images"], row["test_images"], row["machine"]) == (None, 10, "m")
    everything = [*TRIALS, baseline]
    store.weights(baseline.id).unlink()
    assert store.done(everything) == {trial.id for trial in TRIALS[:3]}
    store.weights(baseline.id).touch()
    assert (
        store.done(everything)
        == {t.id for t in everything if store.finished(t)}
        == {
            *(trial.id for trial in TRIALS[:3]),
            baseline.id,
        }
    )


def corrupt(path):
    content = bytearray(path.read_bytes())
    for at in range(100, len(content), 50):
        content[at] ^= 0x55
    path.write_bytes(content)


def with_other_tables(path):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE results")
        connection.execute("CREATE TABLE results (id TEXT)")
    connection.close()


def of_another_version(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("UPDATE results SET text = '{}'")
    connection.close()


SPOILS = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is no database, and long enough to be none\n" * 200),
    "corrupt": corrupt,
    "other tables": with_other_tables,
    "another version": of_another_version,
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
@pytest.mark.faults("an index that is torn, empty, gone, or of something else")
def test_a_broken_index_is_made_anew(store, decoded, spoil):
    wanted = fill(store)
    accuracies(store)
    spoil(store.root / "index.sqlite")
    assert accuracies(store) == wanted
    decoded.clear()
    assert accuracies(store) == wanted and decoded == [], "it was repaired"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_bytes_change_the_results_are_right(tmp_path_factory, tally, data):
    store = Store(tmp_path_factory.mktemp("runs"))
    store.create()
    wanted = fill(store, TRIALS[:4])
    accuracies(store)
    path = store.root / "index.sqlite"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with tally("an index of which some bytes are others") as attack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its mark may be gone
        for _ in range(2):
            assert accuracies(store) == wanted
        attack.harmless = path.read_bytes() == content  # and not made anew


@pytest.mark.faults("a changed entry of the index")
def test_a_changed_entry_is_not_believed(store):
    wanted = fill(store)
    accuracies(store)
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.execute("UPDATE results SET text = replace(text, '\"accuracy\":0', '\"accuracy\":9')")
    connection.close()
    assert accuracies(store) == wanted


def test_the_database_of_another_program_is_left_alone(store):
    wanted = fill(store)
    path = store.root / "index.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.warns(UserWarning, match="no index of results"):
        assert accuracies(store) == wanted
    assert path.read_bytes() == before


@pytest.mark.faults("a folder in the place of the index")
def test_a_folder_in_its_place(store):
    wanted = fill(store)
    (store.root / "index.sqlite").mkdir()
    assert accuracies(store) == wanted


@pytest.mark.faults("an index that stays locked")
def test_a_locked_index_is_gone_without(store, monkeypatch):
    wanted = fill(store)
    accuracies(store)
    monkeypatch.setattr(reading, "Index", lambda path: Index(path, patience=0.01))
    with sqlite3.connect(store.root / "index.sqlite", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert accuracies(store) == wanted
        holder.execute("ROLLBACK")
    holder.close()


def test_a_read_only_store_can_be_read(store, read_only, decoded):
    wanted = fill(store)
    with read_only(store.root):
        assert accuracies(store) == wanted
        assert not (store.root / "index.sqlite").exists()
    accuracies(store)
    store.save(make_result(TRIALS[0], metrics={"accuracy": 0.9}))
    decoded.clear()
    with read_only(store.root):
        assert accuracies(store) == {**wanted, TRIALS[0].id: 0.9}
        assert decoded == [TRIALS[0].id], "what is in the index is used"


@pytest.mark.parametrize("spoil", ["text", "empty", "another version"])
def test_a_broken_index_in_a_read_only_store(store, read_only, spoil):
    wanted = fill(store)
    accuracies(store)
    SPOILS[spoil](store.root / "index.sqlite")
    with read_only(store.root):
        assert accuracies(store) == wanted


@pytest.mark.faults("a full disk under the index")
def test_a_full_disk(small_disk):
    store = Store(small_disk / "runs")
    store.create()
    wanted = fill(store, TRIALS[:3])
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    assert accuracies(store) == wanted
    filler.unlink()
    for _ in range(2):
        assert accuracies(store) == wanted


@pytest.mark.faults("records that are torn, eight at once")
def test_untrusted_files_are_counted(store):
    wanted = fill(store)
    for trial in TRIALS[:8]:
        (store.folder(trial.id) / "result.json").write_text("{")
        del wanted[trial.id]
    with pytest.warns(UserWarning, match="cannot be trusted") as caught:
        assert accuracies(store) == wanted
    assert len(caught) == reading.SHOWN + 1 and "3 more result files" in str(caught[-1].message)


def test_names_that_are_no_trials_are_left_alone(store):
    wanted = fill(store)
    (store.root / "trials" / "notes").mkdir()
    (store.root / "trials" / "README").touch()
    (store.folder("0" * 12)).touch()
    with pytest.warns(UserWarning, match="0{12}.*cannot be trusted"):
        assert accuracies(store) == wanted


@pytest.mark.faults("a clock that was set back")
def test_a_file_that_looks_unchanged_but_for_its_inode(store):
    """The same size and the same times, as after the clock was set back."""
    fill(store, TRIALS[:1])
    path = store.folder(TRIALS[0].id) / "result.json"
    accuracies(store)
    before = path.stat()
    store.save(make_result(TRIALS[0], metrics={"accuracy": 0.1}))
    store.save(make_result(TRIALS[0], metrics={"accuracy": 0.2}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert accuracies(store) == {TRIALS[0].id: 0.2}


def test_two_writes_in_one_tick_of_the_clock_differ(tmp_path, monkeypatch):
    from precision import files

    monkeypatch.setattr(files.time, "time_ns", lambda: 10**18)
    seen = set()
    for _ in range(50):
        files.write(tmp_path / "x", b"x")
        seen.add((tmp_path / "x").stat().st_mtime_ns)
    assert len(seen) > 45


def _write(root, number):
    store = Store(root)
    chosen = random.Random(number)
    for _ in range(60):
        trial = chosen.choice(TRIALS)
        store.save(make_result(trial, metrics={"accuracy": TRIALS.index(trial) / 100, "x": chosen.random()}))
        if chosen.random() < 0.1:
            store.results()


def _check(root, _):
    store = Store(root)
    for _ in range(30):
        for name, accuracy in accuracies(store).items():
            assert accuracy == next(n for n, t in enumerate(TRIALS) if t.id == name) / 100


@pytest.mark.faults("two writers and a reader at once")
def test_several_processes_at_once(store):
    context = multiprocessing.get_context("spawn")
    jobs = [
        context.Process(target=target, args=(store.root, n))
        for n, target in enumerate([_write, _write, _check])
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    found = store.results()
    assert {name: store.load(name).metrics for name in found} == {n: r.metrics for n, r in found.items()}
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def _read_for_ever(root):
    store = Store(root)
    while True:
        shutil.rmtree(store.root / "index.sqlite", ignore_errors=True)
        (store.root / "index.sqlite").unlink(missing_ok=True)
        store.results()


def test_a_killed_reader_leaves_no_harm(store, tally):
    wanted = fill(store)
    context = multiprocessing.get_context("spawn")
    for pause in (0.0, 0.003, 0.01, 0.02, 0.05):
        reader = context.Process(target=_read_for_ever, args=(store.root,))
        reader.start()
        while not (store.root / "index.sqlite").exists():
            pass
        threading.Event().wait(pause)
        with tally("kill -9 of a reader that writes the index"):
            reader.kill()
            reader.join()
            assert reader.exitcode == -signal.SIGKILL
            assert accuracies(store) == wanted


def test_layout_and_versions_are_part_of_the_index():
    assert index.VERSION < 2**31, "SQLite keeps 32 bits"
