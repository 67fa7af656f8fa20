"""Samples lie beside the result of their trial, and a result is worth more than they are."""

import json
import os

import numpy as np
import pytest
from commands import here
from stored import make_result, make_samples, make_trial

from precision import files
from precision.errors import PrecisionError
from precision.grid.store import clean, samples, sums
from precision.grid.store.check import check
from precision.room import NoRoomError
from precision.samples import MOST, QUANTITIES, Samples

TRIAL = make_trial()


def same(one, other):
    assert one.ended == other.ended and set(one.series) == set(other.series)
    np.testing.assert_allclose(one.seconds, other.seconds, atol=5e-4)
    for name, values in one.series.items():
        np.testing.assert_allclose(values, other.series[name], rtol=5e-6)


def test_what_was_sampled_is_read_again(store):
    kept = make_samples(rise=12345.0)
    kept.series["cpu_percent"][2] = np.nan
    store.save(make_result(samples=kept))
    same(store.samples(TRIAL.id), kept)
    assert store.load(TRIAL.id).samples is None  # until they are asked for
    assert store.samples(make_trial(1).id) is None
    assert check(store).problems == [] and check(store).files == 3


def test_the_largest_file_is_within_its_bound():
    noisy = np.random.default_rng(0)
    series = {name: noisy.random(MOST) * 1e9 for name in QUANTITIES}
    full = Samples(np.cumsum(noisy.random(MOST)), series, dict.fromkeys(QUANTITIES, "why " * 200))
    content = samples.encode(full)
    assert len(content) < samples.LARGEST / 2
    assert len(samples.decode(content)) == MOST


def test_a_result_without_samples_is_read_and_whole(store):
    """As every result is that an older precision stored."""
    store.save(make_result())
    assert store.samples(TRIAL.id) is None and store.finished(TRIAL)
    assert json.loads((store.folder(TRIAL.id) / "result.json").read_text())["sums"].keys() == {
        sums.PREDICTIONS
    }


def test_a_later_result_does_not_keep_the_samples_of_the_former(store):
    store.save(make_result(samples=make_samples()))
    store.save(make_result())
    assert store.samples(TRIAL.id) is None and check(store).problems == []
    store.save(make_result(samples=make_samples()))
    store.save(make_result(status="failed", reason="it went wrong", samples=make_samples()))
    assert not (store.folder(TRIAL.id) / sums.SAMPLES).exists()


@pytest.mark.parametrize("damage", ["flipped", "gone", "folder", "fifo"])
@pytest.mark.faults("samples of a trial that are damaged or gone")
def test_damaged_samples_cost_no_result(store, damage):
    store.save(make_result(samples=make_samples()))
    path = store.folder(TRIAL.id) / sums.SAMPLES
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "flipped":
            path.write_bytes(content.replace(b"150", b"151", 1))
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
    assert store.finished(TRIAL) and store.load(TRIAL.id).metrics["accuracy"] == 0.5
    if damage == "gone":
        assert store.samples(TRIAL.id) is None
    else:
        with pytest.raises(
            PrecisionError, match=r"samples\.json: these samples cannot be trusted and are left"
        ):
            store.samples(TRIAL.id)
    (problem,) = check(store).problems
    assert "samples.json" in problem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":2,"seconds":[],"series":{},"ended":{}}',
        b'{"version":1,"seconds":[1,0],"series":{},"ended":{}}',
        b'{"version":1,"seconds":[null],"series":{},"ended":{}}',
        b'{"version":1,"seconds":[1e999],"series":{},"ended":{}}',
        b'{"version":1,"seconds":[0,1],"series":{"threads":[1]},"ended":{}}',
        b'{"version":1,"seconds":[0],"series":{"threads":["1"]},"ended":{}}',
        b'{"version":1,"seconds":[0],"series":{"threads":[true]},"ended":{}}',
        b'{"version":1,"seconds":[0],"series":{"a b":[1]},"ended":{}}',
        b'{"version":1,"seconds":[0],"series":{},"ended":{"threads":1}}',
        b'{"version":1,"seconds":' + str([0] * (MOST + 1)).encode() + b',"series":{},"ended":{}}',
        b'{"version":1,"seconds":[' + b"9" * 5000 + b'],"series":{},"ended":{}}',
        b"[" * 100_000,
    ],
)
def test_other_contents_are_refused(content):
    with pytest.raises(ValueError, match=r"\S"):
        samples.decode(content)


@pytest.mark.faults("a disk that has room for a result, but not for its samples")
def test_a_disk_with_room_for_the_result_alone(store, monkeypatch):
    write_all = files.write_all

    def full(folder, contents):
        if sums.SAMPLES in contents:
            raise NoRoomError(folder / sums.SAMPLES, 28)
        write_all(folder, contents)

    store.save(make_result(samples=make_samples()))
    monkeypatch.setattr(files, "write_all", full)
    store.save(make_result(metrics={"accuracy": 0.75}, samples=make_samples()))
    assert store.load(TRIAL.id).metrics["accuracy"] == 0.75
    assert store.samples(TRIAL.id) is None and store.finished(TRIAL) and check(store).problems == []


@pytest.mark.faults("two runs that store the samples of one trial at once")
def test_the_samples_of_another_run_cost_no_result(store):
    """Where a file system has no locks, the samples of one may come to lie beside the result of the other."""
    store.save(make_result(samples=make_samples(rise=1e6)))
    theirs = (store.folder(TRIAL.id) / sums.SAMPLES).read_bytes()
    store.save(make_result(samples=make_samples(rise=2e6)))
    (store.folder(TRIAL.id) / sums.SAMPLES).write_bytes(theirs)
    assert store.finished(TRIAL)
    with pytest.raises(PrecisionError, match="its sha256 is another one"):
        store.samples(TRIAL.id)


def test_clean_takes_samples_for_a_file_of_a_trial(store, tmp_path):
    store.save(make_result(samples=make_samples()))
    (item,) = (item for item in clean.find(store, set()).items if item.kind == "trial")
    assert item.size == sum(path.stat().st_size for path in store.folder(TRIAL.id).iterdir())
    clean.remove(store, [item], set)
    assert not store.folder(TRIAL.id).exists()


def test_check_names_changed_samples(store):
    store.save(make_result(samples=make_samples()))
    path = store.folder(TRIAL.id) / sums.SAMPLES
    path.write_bytes(path.read_bytes() + b" ")
    done = here(store.root.parent, "check", "--store", store.root)
    assert done.returncode == 1 and f"{path}: it is not the file that was stored" in done.stdout
