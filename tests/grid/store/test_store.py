import json
import math
import multiprocessing
import os

import numpy as np
import pytest
from stored import make_result, make_trial

from precision.errors import PrecisionError
from precision.grid import Store
from precision.trial import TrialResult

TRIAL = make_trial()
result = make_result


def test_what_is_saved_is_loaded(store):
    store.save(result())
    loaded = store.load(TRIAL.id)
    assert loaded.trial == TRIAL
    assert loaded.status == "ok"
    assert loaded.metrics["accuracy"] == 0.5 and loaded.metrics["weight_bytes"] == 12
    assert math.isnan(loaded.metrics["loss"]) and loaded.history[0]["loss"] == math.inf
    np.testing.assert_array_equal(store.predictions(TRIAL.id), np.arange(5))
    assert store.predictions(TRIAL.id).dtype == np.uint8
    json.loads((store.folder(TRIAL.id) / "result.json").read_text(), parse_constant=pytest.fail)


def test_nothing_is_left_beside_the_files(store):
    for _ in range(3):
        store.save(result())
    assert sorted(os.listdir(store.folder(TRIAL.id))) == ["predictions.npy", "result.json"]


@pytest.mark.faults("a full disk while a result is written")
def test_a_failed_write_leaves_the_former_result(store, monkeypatch):
    store.save(result())

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(result(metrics={"accuracy": 0.9}))
    monkeypatch.undo()
    assert store.load(TRIAL.id).metrics["accuracy"] == 0.5
    assert sorted(os.listdir(store.folder(TRIAL.id))) == ["predictions.npy", "result.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: text.replace('"schema": 3', '"schema": 99'),
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        lambda text: text.replace('"status": "ok"', '"status": "fine"'),
        lambda text: text.replace('"accuracy": 0.5', '"accuracy": "half"'),
    ],
)
@pytest.mark.faults("a record that is torn, empty, or of something else")
def test_a_torn_or_foreign_result_is_reported_and_ignored(store, spoil):
    store.save(result())
    path = store.folder(TRIAL.id) / "result.json"
    path.write_text(spoil(path.read_text()))
    with pytest.warns(UserWarning, match="cannot be trusted"):
        assert store.load(TRIAL.id) is None


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00", b"PK\x05\x06" + bytes(18)])
@pytest.mark.faults("predictions that are torn, empty, or of something else")
def test_predictions_that_cannot_be_read(store, content):
    store.save(result())
    path = store.folder(TRIAL.id) / "predictions.npy"
    path.write_bytes(content)
    with pytest.raises(PrecisionError, match="these predictions cannot be trusted"):
        store.predictions(TRIAL.id)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        store.predictions(TRIAL.id)


def test_only_what_is_whole_counts_as_finished(store):
    assert not store.finished(TRIAL)
    store.save(result())
    assert store.finished(TRIAL)
    store.save(TrialResult(TRIAL, "failed", reason="x"))
    assert not store.finished(TRIAL)
    store.save(TrialResult(TRIAL.baseline, "ok"))
    assert not store.finished(TRIAL.baseline), "a result without its predictions"
    whole = TrialResult(TRIAL.baseline, "ok", predictions=np.zeros(3, np.uint8))
    store.save(whole)
    assert not store.finished(TRIAL.baseline), "a baseline without its weights"
    store.weights(TRIAL.baseline.id).touch()
    with pytest.warns(UserWarning, match="weights.h5: .*its result was stored without it"):
        assert not store.finished(TRIAL.baseline)
    store.save(whole)
    assert store.finished(TRIAL.baseline)


def test_a_store_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PrecisionError, match="must be a folder"):
        Store(tmp_path / "file")
    with pytest.raises(PrecisionError, match="cannot be written"):
        Store(tmp_path / "file" / "below").create()


def _save_often(root):
    store = Store(root)
    for i in range(40):
        store.save(result(metrics={"accuracy": i / 40}))


@pytest.mark.faults("two writers and a reader at once")
def test_several_writers_and_a_reader(store):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_often, args=(store.root,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = store.load(TRIAL.id)  # a warning here is an error
        assert found is None or found.status == "ok"
    assert [writer.exitcode for writer in writers] == [0, 0]
