"""Labels of test images in a store: kept once, told from what has changed, never unpickled."""

import numpy as np
import pytest
from stored import make_result, make_trial

from precision.analysis.true_labels import labels_of
from precision.errors import PrecisionError
from precision.grid.store import Store
from precision.grid.store.check import check
from precision.grid.store.clean import find

DIGEST, OTHER = "a" * 64, "b" * 64
TARGETS = np.arange(300) % 7


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path)
    found.create()
    found.keep_labels(DIGEST, TARGETS)
    return found


def files(store):
    return sorted((store.root / "labels").iterdir())


def test_labels_come_back_in_the_smallest_type_and_are_kept_once(store):
    found = store.labels(DIGEST)
    assert found.dtype == np.uint8 and np.array_equal(found, TARGETS)
    (path,) = files(store)
    before = path.stat().st_mtime_ns
    store.keep_labels(DIGEST, TARGETS.astype(np.uint8))
    assert files(store) == [path] and path.stat().st_mtime_ns == before
    store.keep_labels(OTHER, np.eye(3, dtype=np.float32))
    assert np.array_equal(store.labels(OTHER), np.eye(3)) and len(files(store)) == 2


def test_what_was_never_kept_is_absent(store, recwarn):
    with pytest.raises(FileNotFoundError):
        store.labels(OTHER)
    labels = labels_of({"trial": OTHER, "old": ""}, store)
    assert labels("trial") is labels("old") is labels("unknown") is None and not recwarn.list


def test_a_changed_file_is_left_out_named_by_check_and_written_anew(store):
    (path,) = files(store)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(PrecisionError, match="cannot be trusted and are left out"):
        store.labels(DIGEST)
    labels = labels_of({"one": DIGEST, "two": DIGEST}, store)
    with pytest.warns(UserWarning, match="cannot be trusted") as warned:
        assert labels("one") is labels("two") is None
    assert len(warned) == 1
    assert [problem for problem in check(store).problems if str(path) in problem]
    store.keep_labels(DIGEST, TARGETS)
    assert np.array_equal(store.labels(DIGEST), TARGETS) and not check(store).problems


def test_a_pickle_is_refused(store, tmp_path):
    from precision.grid.store import sums

    (path,) = files(store)
    path.unlink()
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    content = (tmp_path / "p.npy").read_bytes()
    path.with_name(f"{DIGEST}.{sums.of(content)}.npy").write_bytes(content)
    with pytest.raises(PrecisionError, match="cannot be trusted"):
        store.labels(DIGEST)


def test_a_link_in_its_place_is_refused(tmp_path):
    store = Store(tmp_path / "runs")
    store.create()
    (store.root / "labels").symlink_to(tmp_path)
    with pytest.raises(PrecisionError, match="this is a link"):
        store.keep_labels(DIGEST, TARGETS)


def test_cleaning_leaves_labels_but_no_drafts(store):
    store.save(make_result(make_trial()))
    from precision.files import draft_of

    (path,) = files(store)
    draft = draft_of(path)
    draft.write_bytes(b"half")
    found = find(store, {make_trial().id})
    assert [item.path for item in found.items if item.path.parent == path.parent] == [draft]
