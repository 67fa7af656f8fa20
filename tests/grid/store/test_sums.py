"""What was stored is what is read: a file that has changed since is told, ignored and computed again."""

import json
import os
import warnings

import numpy as np
import pytest
from commands import here
from stored import make_result, make_samples, make_trial, rewrite

from precision.errors import PrecisionError
from precision.exploration.journal import Journal
from precision.grid import Store, expand, load_grid
from precision.grid.store import clean, sums, version
from precision.grid.store.check import check
from precision.tasks.by_class import details

BY_CLASS = details(np.eye(5), np.arange(5))
TRIAL = make_trial()
BASELINE = TRIAL.baseline


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def unsummed(store, trial, schema=2):
    """Make the result of a trial one that was written before there were sums."""
    path = store.folder(trial.id) / "result.json"
    content = json.loads(path.read_text())
    older = {key: value for key, value in content.items() if key not in ("sums", "sha256")}
    path.write_text(json.dumps({**older, "schema": schema}, indent=1))
    (store.root / version.NAME).unlink(missing_ok=True)
    return Store(store.root)


@pytest.fixture
def trained(store):
    """A store with a baseline and its weights."""
    store.folder(BASELINE.id).mkdir()
    store.weights(BASELINE.id).write_bytes(b"some weights")
    store.save(make_result(BASELINE, by_class=BY_CLASS, samples=make_samples()))
    return store


def test_every_file_has_its_sum(trained):
    content = (trained.folder(BASELINE.id) / "result.json").read_bytes()
    assert sums.is_sealed(content)
    known = json.loads(content)["sums"]
    assert known == {name: sums.of_file(trained.folder(BASELINE.id) / name) for name in sums.FILES}


@pytest.mark.parametrize(("name", "what"), [(sums.PREDICTIONS, "predictions"), (sums.BY_CLASS, "by_class")])
def test_no_changed_byte_of_predictions_passes(store, tally, name, what):
    store.save(make_result(by_class=BY_CLASS))
    path, read = store.folder(TRIAL.id) / name, getattr(store, what)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(flipped(content, 8 * at + at % 8))
        refused = pytest.raises(PrecisionError, match=r"cannot be trusted .*; run the grid again")
        with tally("a flipped bit of predictions"), refused:
            read(TRIAL.id)
    path.write_bytes(content)
    assert len(read(TRIAL.id)) in (5, 3)  # images, arrays


@pytest.mark.parametrize("name", ["result.json", *sums.NEEDED])
@pytest.mark.faults("a flipped bit in a file of a trial, at the start of a run")
def test_a_trial_with_a_changed_file_is_run_again(trained, name):
    path = trained.folder(BASELINE.id) / name
    assert trained.finished(BASELINE) and trained.done([BASELINE]) == {BASELINE.id}
    path.write_bytes(flipped(path.read_bytes(), 83))
    with pytest.warns(UserWarning, match=f"{name}: this .* cannot be trusted and is ignored") as told:
        assert not trained.finished(BASELINE)
    assert len(told) == 1
    if name != sums.WEIGHTS:  # which are read where another trial starts from them
        with pytest.warns(UserWarning, match=f"{name}: this .* cannot be trusted and is ignored"):
            assert trained.done([BASELINE]) == set()


@pytest.mark.faults("a changed record of the same size and times")
def test_the_index_hides_no_changed_result(store):
    store.save(make_result())
    assert store.results()
    path = store.folder(TRIAL.id) / "result.json"
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"accuracy": 0.5', b'"accuracy": 0.6'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.warns(UserWarning, match="its sha256 is another one"):
        assert store.results() == {}


def test_a_number_that_cannot_be_is_not_stored(store, tally):
    for changed in ({"metrics": {"accuracy": 8.7}}, {"history": [{"seconds": -1}]}, {"seconds": -1.0}):
        refused = pytest.raises(PrecisionError, match=r"yields what cannot be: .* but can only be")
        with tally("a number that cannot be"), refused:
            store.save(make_result(**changed))
    assert store.load(TRIAL.id) is None and not list(store.folder(TRIAL.id).iterdir())


@pytest.mark.faults("weights of another baseline in place of its own")
def test_files_of_another_trial_are_not_taken(trained):
    other = make_trial(1).baseline
    trained.folder(other.id).mkdir()
    trained.weights(other.id).write_bytes(b"other weights")
    trained.save(make_result(other, predictions=np.zeros(5, np.uint8)))
    os.replace(trained.weights(other.id), trained.weights(BASELINE.id))
    with pytest.warns(UserWarning, match=f"{BASELINE.id}/trained.weights.h5"):
        assert not trained.finished(BASELINE)


@pytest.mark.parametrize("schema", [1, 2])
def test_an_older_store_gets_its_sums_once(trained, schema):
    failed = make_trial(5)
    trained.save(make_result(failed, "failed", reason="x", predictions=None))
    unsummed(trained, failed, schema)
    store = unsummed(trained, BASELINE, schema)
    with pytest.warns(UserWarning, match="2 results were stored by an older precision and now have sums"):
        before = store.results()
    assert before.keys() == {failed.id, BASELINE.id} and store.finished(BASELINE)
    known = json.loads((store.folder(BASELINE.id) / "result.json").read_text())["sums"]
    assert known.keys() == set(sums.FILES)
    assert json.loads((store.root / version.NAME).read_text())["version"] == version.VERSION
    again = Store(store.root)  # a warning would be an error
    assert repr(again.results()) == repr(before) and again.load(BASELINE.id).status == "ok"
    unsummed(again, failed)  # takes the version away
    with pytest.warns(UserWarning, match="1 result was stored by an older"):
        Store(store.root).create()


@pytest.mark.faults("a record without its sum")
def test_afterwards_a_result_without_sums_is_not_believed(trained):
    unsummed(trained, BASELINE)
    path = trained.root / version.NAME
    path.write_text('{"version": 2}')
    with pytest.warns(UserWarning, match="its sha256 is missing"):
        assert Store(trained.root).load(BASELINE.id) is None


@pytest.mark.faults("wrong predictions in a store without sums")
def test_predictions_that_were_wrong_before_get_no_sum(trained):
    rewrite(trained.folder(BASELINE.id) / "result.json", metrics={"accuracy": 0.5, "test_images": 6})
    store = unsummed(trained, BASELINE)
    with pytest.warns(UserWarning, match="now have sums"):
        store.create()
    with pytest.warns(UserWarning, match=r"predictions.npy: .*stored without it"):
        assert not store.finished(BASELINE)


def test_an_older_store_that_cannot_be_written_is_read(trained, read_only):
    store = unsummed(trained, BASELINE)
    with read_only(store.root), pytest.warns(UserWarning, match="without sums, which cannot be written here"):
        assert store.results().keys() == {BASELINE.id} and len(store.predictions(BASELINE.id)) == 5


def test_an_older_store_in_which_a_run_is_at_work_is_left_as_it_is(trained):
    store = unsummed(trained, BASELINE)
    before = (store.folder(BASELINE.id) / "result.json").read_bytes()
    with store.lock("a" * 12), pytest.warns(UserWarning, match="when no run is at work here"):
        assert store.results().keys() == {BASELINE.id}
    assert (store.folder(BASELINE.id) / "result.json").read_bytes() == before
    assert not (store.root / version.NAME).exists()


def test_clean_takes_nothing_for_want_of_sums(trained):
    store = unsummed(trained, BASELINE)
    with store.lock("a" * 12), pytest.warns(UserWarning, match="when no run is at work here"):
        found = clean.find(store, {BASELINE.id}, unreadable=True)
    assert found.items == []
    with pytest.warns(UserWarning, match="now have sums"):
        found = clean.find(Store(store.root), {BASELINE.id}, unreadable=True)
    assert [item.kind for item in found.items] == ["lock"]


@pytest.mark.faults("a store of a later version")
def test_a_store_of_a_later_version(store):
    (store.root / version.NAME).write_text('{"version": 3}')
    fresh = Store(store.root)
    for use in (fresh.create, fresh.results, lambda: fresh.load(TRIAL.id), lambda: check(fresh)):
        with pytest.raises(PrecisionError, match=r"newer precision wrote this store \(version 3; this one"):
            use()
    (store.root / version.NAME).write_text("torn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Store(store.root).results() == {}


def test_check_reads_everything(trained, tally):
    trained.save(make_result())
    store = trained.root
    done = here(store, "check", "--store", store)
    assert (done.returncode, done.stdout) == (0, "all 7 files are as they were stored\n")
    for trial, name in ((BASELINE, sums.WEIGHTS), (TRIAL, "result.json")):
        path = trained.folder(trial.id) / name
        path.write_bytes(flipped(path.read_bytes(), 50))
    for name in (sums.PREDICTIONS, sums.BY_CLASS):
        (trained.folder(BASELINE.id) / name).unlink()
    done = here(store, "check", "--store", store)
    assert done.returncode == 1
    *problems, last = done.stdout.splitlines()
    assert last.startswith("4 of 6 files are not as they were stored")
    told = {line.split(": ")[0] for line in problems}
    changed = (*((BASELINE, name) for name in sums.NEEDED), (TRIAL, "result.json"))
    for trial, name in changed:
        with tally("a file that is changed or gone, told by `precision check`"):
            assert str(trained.folder(trial.id) / name) in told
    assert len(problems) == len(changed)
    assert here(store, "check", "--store", store / "none").returncode == 2


def test_nothing_is_written_through_a_link(store, tmp_path, tally):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "empty").touch()
    link = "a link in the store that leads elsewhere"
    (store.root / "index.sqlite").symlink_to(elsewhere / "empty")
    store.save(make_result())
    with tally(link):
        assert store.results().keys() == {TRIAL.id} and (elsewhere / "empty").stat().st_size == 0
    store.folder(make_trial(1).id).symlink_to(elsewhere)
    store.folder(make_trial(2).id).mkdir()
    store.checkpoint(make_trial(2).id).symlink_to(elsewhere)
    for seed in (1, 2):
        refused = pytest.raises(PrecisionError, match="this is a link, and nothing is written through a link")
        with tally(link), refused:
            store.save(make_result(make_trial(seed)))
    (store.root / "search").symlink_to(elsewhere)
    refused = pytest.raises(PrecisionError, match="search: this is a link")
    with tally(link), refused, Journal(store.root, "search", {}, {}):
        pass
    (store.root / "grids").rmdir()
    (store.root / "grids").symlink_to(elsewhere)
    with tally(link), pytest.raises(PrecisionError, match="grids: this is a link"):
        store.create()
    assert [path.name for path in elsewhere.iterdir()] == ["empty"]
    (tmp_path / "named").symlink_to(store.root)
    (store.root / "grids").unlink()
    Store(tmp_path / "named").create()  # the user's own


def test_a_command_tells_each_once(store, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text("name: g\ndatasets: [digits]\narchitectures: [mlp]\npolicies: {float32: float32}\n")
    trial = expand(*load_grid(grid))[0].trial
    store.save(make_result(trial))
    path = store.folder(trial.id) / "result.json"
    path.write_bytes(flipped(path.read_bytes(), 83))
    for command in ("plan", "status"):
        told = here(tmp_path, command, grid, "--store", store.root).stderr
        assert told.count(f"{path}: this result cannot be trusted and is ignored") == 1


def test_an_interval_over_images_that_cannot_be_had_is_told(store, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "name: g\ndatasets: [digits]\narchitectures: [mlp]\npolicies: {float32: float32, half: float16}\n"
    )
    for cell in expand(*load_grid(grid)):
        store.save(make_result(cell.trial))
    path = store.folder(cell.trial.id) / sums.PREDICTIONS
    assert here(tmp_path, "results", grid, "--store", store.root).stderr == ""
    path.write_bytes(flipped(path.read_bytes(), 1030))
    told = here(tmp_path, "results", grid, "--store", store.root).stderr
    assert told.count(f"{path}: these predictions cannot be trusted") == 1


def test_a_result_that_is_replaced_while_results_are_read_has_its_own_predictions(store):
    """Sums of results that were read together are kept, and asked for again where they no longer fit."""
    trial = make_trial()
    store.save(make_result(trial))
    assert list(store.results()) == [trial.id]
    Store(store.root).save(make_result(trial, predictions=np.ones(7, np.uint8)))
    assert store.predictions(trial.id).tolist() == [1] * 7
