"""Disks without room: the reason of the system is found in every error, and nothing half-written stays."""

import contextlib
import errno
import os
import pickle
import resource
import signal

import numpy as np
import pytest

from precision import files, room
from precision.errors import PrecisionError

CODES = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]


@contextlib.contextmanager
def small_files(most):
    """Let the files of this process have at most so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def raised(error, then=None, **how):
    """Return an error as it looks once it was raised, in place of another one where one is given."""
    try:
        try:
            raise error
        except Exception:
            if then is None:
                raise
            raise then from how.get("cause")
    except Exception as found:
        return found


@pytest.mark.parametrize("code", CODES)
def test_the_reason_of_the_system_is_found(code):
    plain = OSError(code, "as the system says it", "/disk/x.h5")
    for error in (
        plain,
        raised(plain, RuntimeError("a library's own")),
        raised(ValueError("first"), RuntimeError("a library's own"), cause=plain),
        RuntimeError(f"Can't decrement id ref count (file write failed: errno = {code}, x)"),
        OSError(f"Can't write data (errno = {code}, x)"),
    ):
        found = room.missing(error, "/disk/kept")
        assert isinstance(found, PrecisionError) and isinstance(found, OSError)
        assert (found.errno, found.filename) == (code, "/disk/kept")
        assert str(found).startswith(f"/disk/kept: cannot be written ({os.strerror(code)}); ")
        assert "run the same command again" in str(found) and str(found).count("\n") == 0
        again = pickle.loads(pickle.dumps(found))
        assert (str(again), again.errno) == (str(found), code)
    assert room.missing(plain).filename == "/disk/x.h5"
    assert room.missing(found) is found, "the innermost names the file"


def test_other_errors_are_left_alone():
    for error in (
        OSError(errno.EACCES, "Permission denied"),
        OSError("no number"),
        raised(ValueError("x"), RuntimeError("errno = 13")),
        KeyError(28),
    ):
        assert room.missing(error) is None


def test_a_chain_that_bites_its_tail_has_an_end():
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert room.missing(first) is None


def half(path):
    path.write_bytes(b"half")
    raise RuntimeError(f"as HDF5 says it (errno = {errno.ENOSPC}, error message = 'No space left on device')")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x", bytes(200_000)),
        ("x.npz", lambda path: np.savez(path, x=np.zeros(50_000))),
        ("x.npy", lambda path: np.save(path, np.zeros(50_000))),  # NumPy keeps the reason to itself
    ],
)
@pytest.mark.parametrize("full", ["limit", "disk"])
@pytest.mark.faults("a full disk while a file is written")
def test_whatever_writes_nothing_half_written_stays(request, tmp_path, name, content, full):
    if full == "disk":
        folder = request.getfixturevalue("small_disk")
        (folder / "filler").write_bytes(bytes(900_000))
        limit = contextlib.nullcontext()
    else:
        folder, limit = tmp_path, small_files(100_000)
    before = sorted(os.listdir(folder))
    code = errno.ENOSPC if full == "disk" else errno.EFBIG
    free, path = os.statvfs(folder).f_bavail, folder / name
    with limit, pytest.raises(room.NoRoomError) as caught:
        files.write(path, content)
    assert (caught.value.errno, caught.value.filename) == (code, str(path))
    assert sorted(os.listdir(folder)) == before
    if full == "disk":
        assert os.statvfs(folder).f_bavail == free, "nobody holds the removed file open"


@pytest.mark.faults("a full disk while a file is written")
def test_the_words_of_a_library_do(tmp_path):
    with pytest.raises(room.NoRoomError, match=r"/x: cannot be written \(No space left on device\); make"):
        files.write(tmp_path / "x", half)
    assert not os.listdir(tmp_path)


@pytest.mark.faults("a full disk while weights are written")
def test_weights_are_made_in_memory(tmp_path):
    """HDF5 would end this process with a segmentation fault."""
    import keras

    from precision.deploy.model_file import weights_of

    network = keras.Sequential([keras.Input((64,)), *[keras.layers.Dense(200) for _ in range(3)]])
    path = tmp_path / "trained.weights.h5"
    with small_files(100_000), pytest.raises(room.NoRoomError, match="File too large"):
        files.write(path, weights_of(network))
    assert not os.listdir(tmp_path)
    files.write(path, weights_of(network))
    kept = network.get_weights()
    network.set_weights([np.zeros_like(value) for value in kept])
    network.load_weights(path)
    assert all(np.array_equal(*pair) for pair in zip(kept, network.get_weights(), strict=True))


@pytest.mark.faults("a full disk while several files are written")
def test_of_several_files_all_are_there_or_none(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with small_files(100), pytest.raises(room.NoRoomError, match="/b: cannot be written"):
        files.write_all(tmp_path, {"a": b"new", "b": bytes(1000), "c": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]
    files.write_all(tmp_path, {"a": b"new", "b": bytes(1000)})
    assert (tmp_path / "a").read_bytes() == b"new" and sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_drafts_are_removed_and_nothing_else(tmp_path):
    for name in ("result.json", "trained.weights.h5"):
        (tmp_path / name).touch()
        files.draft_of(tmp_path / name).write_bytes(b"half")
    files.draft_of(tmp_path / "folder").mkdir()
    files.remove_drafts(tmp_path)
    files.remove_drafts(tmp_path / "none")
    assert sorted(os.listdir(tmp_path)) == ["result.json", "trained.weights.h5"]
