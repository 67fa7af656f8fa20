"""What can go from a store goes, after it was said; what anybody may still need stays."""

import fcntl
import multiprocessing
import os
import shutil
import signal

import pytest
from stored import make_result, make_trial, rewrite
from typer.testing import CliRunner

import precision.cli.clean
from precision import files
from precision.cli.app import app
from precision.errors import PrecisionError
from precision.exploration.journal import Journal
from precision.grid import Store, expand, load_grid, schedule
from precision.grid.references import references
from precision.grid.store import clean, locks
from precision.trial import NUMERICS_VERSION

GRID = """\
name: made
datasets: [digits]
architectures: [lenet]
policies: {float32: float32, fixed8: "fixed(8,6)"}
seeds: [0, 1]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


def trials_of(path):
    return schedule(expand(*load_grid(path)))


@pytest.fixture
def filled(store, grid):
    """The results of a registered grid, and of three trials that nothing refers to."""
    for trial in trials_of(grid):
        store.folder(trial.id).mkdir()
        store.weights(trial.id).write_bytes(bytes(1000))
        store.save(make_result(trial))
    for seed in (7, 8, 9):
        store.save(make_result(make_trial(seed)))
    store.register(grid, "made", [trial.id for trial in trials_of(grid)])
    return store


STRAY = {make_trial(seed).id for seed in (7, 8, 9)}


def there(store):
    return {path.name for path in (store.root / "trials").iterdir()}


def call(*words, answer=None):
    done = CliRunner().invoke(app, ["clean", *map(str, words)], input=answer)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_what_no_grid_refers_to_goes(filled, grid):
    listed = {trial.id for trial in trials_of(grid)}
    sizes = sum(p.stat().st_size for name in STRAY for p in filled.folder(name).iterdir())
    done = call("--store", filled.root, "--dry-run")
    assert done.exit_code == 0 and there(filled) == listed | STRAY
    for name in STRAY:
        assert f"trials/{name}" in done.stdout
    assert "digits lenet ptq seed 7: ok" in done.stdout
    assert f"in all 3 trials that nothing refers to ({sizes / 1024:.1f} KiB)" in done.stdout
    done = call("--store", filled.root, "--yes")
    assert done.exit_code == 0 and "removed 3 trials that nothing refers to" in done.stdout
    assert there(filled) == listed == set(filled.results())
    assert "nothing to remove" in call("--store", filled.root, "--yes").stdout
    assert list((filled.root / "locks").iterdir()) in ([], [filled.root / "locks" / "grids.lock"])


def test_it_asks(filled, monkeypatch):
    before = there(filled)
    with pytest.raises(PrecisionError, match="no terminal to ask on; give --yes"):
        call("--store", filled.root)
    assert there(filled) == before
    monkeypatch.setattr(precision.cli.clean, "_asks", lambda: True)
    done = call("--store", filled.root, answer="n\n")
    assert done.exit_code == 1 and "nothing was removed" in done.stdout and there(filled) == before
    done = call("--store", filled.root, answer="y\n")
    assert done.exit_code == 0 and there(filled) == before - STRAY


def test_many_are_listed_on_request(filled, monkeypatch):
    monkeypatch.setattr(precision.cli.clean, "MANY", 1)
    for letter in "abc":
        with filled.lock(letter * 12):
            pass
    text = call("--store", filled.root, "--dry-run").stdout
    assert text.count("seed") == 3
    assert "locks that nobody holds:\n  3 in locks\nin all " in text  # empty files, in one line
    with pytest.raises(PrecisionError):
        call("--store", filled.root)
    text = call("--store", filled.root, "--yes").stdout
    assert text.count("seed") == 1 and "and 2 more, which --dry-run lists" in text
    assert "locks that nobody holds:\n  3 in locks\n" in text and "3 locks that nobody holds" in text


def test_without_any_grid_nothing_is_touched(store, grid):
    store.save(make_result())
    with pytest.raises(PrecisionError, match="no grid is registered in this store; name those"):
        call("--store", store.root, "--yes")
    with pytest.raises(PrecisionError, match="no such store"):
        call("--store", store.root / "none", "--yes")
    call(grid, "--store", store.root, "--yes")
    assert there(store) == set()


def test_a_wrong_grid_stops_everything(filled, tmp_path):
    (tmp_path / "wrong.yaml").write_text(GRID.replace("lenet", "lennet"))
    with pytest.raises(PrecisionError, match="did you mean 'lenet'"):
        call(tmp_path / "wrong.yaml", "--store", filled.root, "--yes")
    assert there(filled) >= STRAY


def test_what_a_grid_listed_and_what_it_lists(filled, grid):
    """An edited grid keeps both; named, what it lists now alone."""
    listed = {trial.id for trial in trials_of(grid)}
    grid.write_text(GRID.replace("fixed(8,6)", "fixed(8,7)"))
    now = {trial.id for trial in trials_of(grid)}
    for trial in trials_of(grid):
        filled.save(make_result(trial))
    assert now - listed and listed - now
    call("--store", filled.root, "--yes")
    assert there(filled) == listed | now
    call(grid, "--store", filled.root, "--yes")
    assert there(filled) == now


@pytest.mark.parametrize("state", ["gone", "wrong"])
def test_a_registered_grid_that_cannot_be_read_keeps_what_it_listed(filled, grid, state):
    listed = {trial.id for trial in trials_of(grid)}
    if state == "gone":
        grid.unlink()
    else:
        grid.write_text("name: [")
    done = call("--store", filled.root, "--yes")
    assert f"the {len(listed)} trials of its last run stay" in done.stderr and str(grid) in done.stderr
    assert there(filled) == listed
    with pytest.raises(PrecisionError, match=r"--forget mad: .*did you mean 'made'"):
        call("--store", filled.root, "--yes", "--forget", "mad")
    with pytest.raises(PrecisionError, match="no grid is registered"):
        call("--store", filled.root, "--yes", "--forget", grid)


def test_a_forgotten_grid(filled, grid, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(GRID.replace("made", "other").replace("[0, 1]", "[0]"))
    kept = {trial.id for trial in trials_of(other)}
    filled.register(other, "other", kept)
    assert f"forgotten: {grid}" in call("--store", filled.root, "--forget", "made", "--dry-run").stdout
    assert len(list((filled.root / "grids").iterdir())) == 2
    call("--store", filled.root, "--forget", "made", "--yes")
    assert there(filled) == kept and len(list((filled.root / "grids").iterdir())) == 1


def test_a_run_with_other_options_keeps_its_own(filled, grid):
    filled.register(grid, "made", [make_trial(7).id], "--set training.epochs=3")
    call(grid, "--store", filled.root, "--yes")
    assert make_trial(7).id in there(filled) and make_trial(8).id not in there(filled)


def test_baselines_and_repeats_stay(store, grid):
    grid.write_text(
        GRID.replace("name: made", "name: made\nrepeats: 2\nmethods: [{name: qat, start: scratch}]")
    )
    trials = trials_of(grid)
    assert {trial.repeat for trial in trials} == {0, 1}
    for trial in trials:
        store.save(make_result(trial))
    call(grid, "--store", store.root, "--yes")
    assert there(store) == {trial.id for trial in trials}


def test_explorations_stay_and_keep_their_trainings(filled):
    explored, searched = make_trial(20), make_trial(21)
    for trial in (explored, explored.baseline, searched.baseline):
        filled.save(make_result(trial))
    with Journal(
        filled.root, "sensitivity", {"trial": explored.id}, {"content": explored.to_json()}
    ) as journal:
        journal.append({"layer": "a"})
    content = {"content": [searched.baseline.to_json()]}
    with Journal(filled.root, "search", {"trials": [1]}, content) as journal:
        journal.append({"key": "b"})
    (filled.root / "search" / "torn.jsonl").write_text('{"about": ')
    (filled.root / "search" / "odd.jsonl").write_text('{"about": {"content": [1, {"x": 2}]}}\n')
    before = {p: p.read_bytes() for kind in ("search", "sensitivity") for p in (filled.root / kind).iterdir()}
    call("--store", filled.root, "--yes")
    assert {path: path.read_bytes() for path in before} == before
    assert {explored.id, explored.baseline.id, searched.baseline.id} <= there(filled)
    assert not STRAY & there(filled)


def leftovers(store, trial):
    """What a killed writer leaves in the folder of a trial."""
    folder = store.folder(trial.id)
    found = [files.draft_of(folder / "result.json"), folder / "draft.trained.weights.h5"]
    for path in found:
        path.write_text("half")
    inside = files.draft_of(folder / "folder")
    inside.mkdir()
    (inside / "x").write_text("half")
    return [*found, inside]


def test_leftovers_of_trials_that_stay(filled, grid):
    done, failed, *_ = trials_of(grid)
    filled.save(make_result(failed, "failed"))
    drafts = leftovers(filled, done)
    for trial in (done, failed):
        filled.checkpoint(trial.id).mkdir()
        (filled.checkpoint(trial.id) / "state.npz").write_text("x" * 100)
        with filled.lock(trial.id):
            pass
    files.draft_of(filled.checkpoint(done.id) / "state.npz").write_text("half")
    files.draft_of(filled.root / "grids" / "x.json").write_text("half")
    trash = files.draft_of(filled.folder("a" * 12))
    shutil.copytree(filled.folder(done.id), trash)
    text = call("--store", filled.root, "--yes").stdout
    for title in ("checkpoints of finished trials", "files that a writer left", "locks that nobody holds"):
        assert title in text
    assert not any(path.exists() for path in [*drafts, trash, filled.checkpoint(done.id)])
    assert filled.checkpoint(failed.id).exists(), "a later run goes on from it"
    assert filled.finished(done) and not list((filled.root / "grids").glob(".*"))
    assert [path.name for path in (filled.root / "locks").iterdir()] == ["grids.lock"]
    assert "nothing to remove" in call("--store", filled.root, "--yes").stdout


def test_a_result_that_cannot_be_read(filled, grid):
    listed, *_ = trials_of(grid)
    for trial in (listed, make_trial(7)):
        (filled.folder(trial.id) / "result.json").write_text("{")
    done = call("--store", filled.root, "--yes")
    assert done.stderr.count("its result cannot be read and stays; --unreadable removes it") == 2
    assert {listed.id, make_trial(7).id} <= there(filled) and make_trial(8).id not in there(filled)
    call("--store", filled.root, "--yes", "--unreadable")
    assert make_trial(7).id not in there(filled)
    assert sorted(path.name for path in filled.folder(listed.id).iterdir()) == [
        "predictions.npy",
        "trained.weights.h5",
    ]


def test_results_of_other_versions(filled):
    newer, beside, former = (filled.folder(make_trial(seed).id) for seed in (7, 8, 9))
    (newer / "result.json").write_text('{"schema": 4}')
    (beside / "result.schema4.json").write_text('{"schema": 4}')
    trial = make_trial(9)
    old = trial.identity(NUMERICS_VERSION - 1)
    former.rename(filled.folder(old))
    rewrite(filled.folder(old) / "result.json", id=old, numerics=NUMERICS_VERSION - 1)
    done = call("--store", filled.root, "--yes", "--unreadable")
    assert done.stderr.count("a newer precision wrote this result, which stays") == 2
    assert "result of former numerics" in done.stdout and old not in there(filled)
    assert {newer.name, beside.name} <= there(filled)


def test_what_is_none_of_ours_stays(filled, tmp_path):
    trials = filled.root / "trials"
    (trials / "notes").mkdir()
    (trials / "read.me").touch()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(filled.folder(make_trial(7).id), elsewhere)
    filled.folder(make_trial(7).id).symlink_to(elsewhere)
    (filled.root / "tracking").mkdir()
    (filled.root / "tracking" / "mlflow.db").touch()
    done = call("--store", filled.root, "--yes")
    assert done.stderr.count("precision did not write this, and it stays") == 3
    assert (elsewhere / "result.json").exists() and (trials / "notes").exists()
    assert (filled.root / "tracking" / "mlflow.db").exists()


def test_only_what_was_made_for_a_trial_goes(filled):
    """Twelve hexadecimal digits make no trial, and a lock is empty."""
    foreign, empty, nested = (filled.folder(letter * 12) for letter in "abc")
    for path in (foreign, empty, nested / "checkpoint"):
        path.mkdir(parents=True)
    (foreign / "photo.jpg").write_text("mine")
    (nested / "checkpoint" / "mine.npz").write_text("mine")
    noted = filled.folder(make_trial(7).id)
    (noted / "notes.txt").write_text("mine")
    (filled.root / "trials" / "draft.md").write_text("mine")
    lock = filled.lock("d" * 12).path
    lock.write_text("mine")
    (filled.root / "locks" / "mine.lock").touch()
    killed = filled.folder("e" * 12)
    (killed / "checkpoint").mkdir(parents=True)
    (killed / "checkpoint" / "state.npz").write_text("half a training")
    done = call("--store", filled.root, "--yes")
    for path, why in (
        (foreign, "it holds photo.jpg, which precision did not write"),
        (empty, "it holds nothing that precision wrote"),
        (nested, "it holds checkpoint, which precision did not write"),
        (noted, "it holds notes.txt, which precision did not write"),
    ):
        assert f"{path}: this stays, because {why}" in done.stderr and path.exists()
    assert filled.load(noted.name) is not None
    assert (filled.root / "trials" / "draft.md").exists() and (filled.root / "locks" / "mine.lock").exists()
    assert lock.read_text() == "mine" and not killed.exists()


@pytest.mark.faults("a link in the store that leads elsewhere")
def test_nothing_is_removed_through_a_link(filled, tmp_path):
    found = clean.find(filled, references(filled.root).ids)
    (filled.root / "trials").rename(tmp_path / "elsewhere")
    (filled.root / "trials").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PrecisionError, match="trials: this is a link, and nothing is written through"):
        clean.remove(filled, found.items, set)
    assert there(filled) >= STRAY


def _hold(root, name, ready):
    with Store(root).lock(name):
        ready.set()
        signal.pause()


def test_a_trial_that_runs_is_left_alone(filled):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    trial = make_trial(7)
    drafts = leftovers(filled, trial)
    holder = context.Process(target=_hold, args=(filled.root, trial.id, ready))
    holder.start()
    assert ready.wait(60)
    try:
        done = call("--store", filled.root, "--yes")
        assert "another process is at this trial" in done.stderr
        assert trial.id in there(filled) and all(path.exists() for path in drafts)
        assert filled.lock(trial.id).path.exists()
        # One that was found before it began to run is not removed either.
        path = filled.folder(trial.id)
        assert clean.remove(filled, [clean.Item("trial", path, 0, "", trial.id)], set) == []
    finally:
        holder.kill()
        holder.join()
    call("--store", filled.root, "--yes")
    assert trial.id not in there(filled)


def test_a_run_that_begins_while_one_is_asked(filled, grid):
    referred = references(filled.root)
    found = clean.find(filled, referred.ids)
    removed = clean.remove(filled, found.items, lambda: {make_trial(7).id})
    assert {item.path.name for item in removed} == STRAY - {make_trial(7).id}
    assert make_trial(7).id in there(filled)


def test_what_is_gone_already(filled):
    found = clean.find(filled, references(filled.root).ids)
    shutil.rmtree(filled.folder(make_trial(7).id))
    assert len(clean.remove(filled, found.items, set)) == len(found.items) - 1


@pytest.mark.faults("a removal that is cut off")
def test_a_killed_clean_leaves_no_half_trial(filled, monkeypatch):
    def killed(path):
        os.unlink(path / "result.json")
        raise KeyboardInterrupt

    found = clean.find(filled, references(filled.root).ids)
    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        clean.remove(filled, found.items, set)
    monkeypatch.undo()
    assert len(filled.results()) == len(there(filled)) - 1, "what is left is no trial"
    call("--store", filled.root, "--yes")
    assert not STRAY & there(filled) and set(filled.results()) == there(filled)


def test_a_store_that_cannot_be_written(filled, read_only):
    with read_only(filled.root):
        assert "in all 3 trials" in call("--store", filled.root, "--dry-run").stdout
        with pytest.raises(PrecisionError, match=r"cannot be removed \(.*\); 0 of \d+ entries were"):
            call("--store", filled.root, "--yes")
    assert there(filled) >= STRAY


def test_without_locks_unfinished_files_stay(filled, grid, monkeypatch):
    def missing(*_):
        raise OSError(38, "no locks here")

    drafts = leftovers(filled, trials_of(grid)[0])
    monkeypatch.setattr(fcntl, "flock", missing)
    locks._warned.add(filled.root / "locks")
    done = call("--store", filled.root, "--yes")
    assert "make sure that no run is at work" in done.stderr
    assert all(path.exists() for path in drafts) and not STRAY & there(filled)


def test_a_registration_that_cannot_be_read_stops_everything(filled):
    next((filled.root / "grids").iterdir()).write_text("{")
    with pytest.raises(PrecisionError, match="which trials this grid refers to cannot be read"):
        call("--store", filled.root, "--yes")
    assert there(filled) >= STRAY
