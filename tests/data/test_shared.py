"""Data sets that processes share: the same bits, whatever is done with them, and never half of them."""

import json
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from precision.data import load
from precision.data import shared as files
from precision.data.shared import share, shared
from precision.errors import PrecisionError


@pytest.fixture
def digits():
    return load("digits", train_size=60, test_size=20)


def same(one, other):
    assert (one.name, one.title, one.class_names) == (other.name, other.title, other.class_names)
    assert (one.scaling, one.split) == (other.scaling, other.split)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        a, b = getattr(one, name), getattr(other, name)
        assert type(a) is type(b) is np.ndarray and a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    return one.digest() == other.digest()


def test_the_same_bits(digits, tmp_path):
    floats = replace(
        digits,
        x_train=digits.x_train / np.float32(7),
        x_test=digits.x_test / np.float32(7),
        scaling="divided by 7",
        title="F\udcff ü",
    )
    for dataset in (digits, floats):
        again = shared(share(dataset, tmp_path))
        assert same(again, dataset)
        assert not again.x_train.flags.writeable
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_there_is_not_written_again(digits, tmp_path, monkeypatch):
    path = share(digits, tmp_path / "deep" / "down")
    monkeypatch.setattr(np, "save", None)
    assert share(digits, tmp_path / "deep" / "down") == path


def test_other_names_are_another_data_set(digits, tmp_path):
    other = replace(digits, class_names=tuple("abcdefghij"))
    assert shared(share(other, tmp_path)).class_names == tuple("abcdefghij")
    assert shared(share(digits, tmp_path)).class_names == digits.class_names


def flip(path):
    content = bytearray((path / "x_test.npy").read_bytes())
    content[-1] ^= 1
    (path / "x_test.npy").write_bytes(bytes(content))


def cut(path):
    (path / "x_train.npy").write_bytes((path / "x_train.npy").read_bytes()[:-9])


def lose(path):
    (path / "y_test.npy").unlink()


def rename(path):
    about = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps({**about, "title": "Other"}))


def pickled(path):
    np.save(path / "y_test.npy", np.array([object()]), allow_pickle=True)


@pytest.mark.parametrize("damage", [flip, cut, lose, rename, pickled], ids=lambda damage: damage.__name__)
@pytest.mark.faults("images that workers share, changed")
def test_damage_is_seen_and_mended(damage, digits, tmp_path):
    path = share(digits, tmp_path)
    damage(path)
    with pytest.raises(PrecisionError, match=r"this data set of the run is damaged .*; remove the folder"):
        shared(path)
    assert same(shared(share(digits, tmp_path)), digits)


@pytest.mark.faults("a full disk under the images that workers share")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(digits, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(PrecisionError, match=r"cannot be written here .No space left on device.; make room"):
        share(digits, tmp_path)
    assert not list(tmp_path.iterdir())


def _share(folder, ready):
    ready.wait()
    share(load("digits", train_size=60, test_size=20), folder)


@pytest.mark.faults("several writers of the images that workers share")
def test_several_processes_write_one_folder(digits, tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writers = [context.Process(target=_share, args=(tmp_path, ready)) for _ in range(3)]
    for writer in writers:
        writer.start()
    ready.set()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    [path] = tmp_path.iterdir()
    assert same(shared(path), digits)


def test_another_process_that_is_faster_is_no_error(digits, tmp_path, monkeypatch):
    def save(path, array, **_):
        monkeypatch.undo()  # the other one writes as usual
        share(digits, tmp_path)
        np.save(path, array)

    monkeypatch.setattr(files.np, "save", save)
    assert same(shared(share(digits, tmp_path)), digits)
    assert len(list(tmp_path.iterdir())) == 1
