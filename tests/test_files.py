"""Files and folders are there whole or not at all: full disks, read-only folders, errors and Ctrl-C."""

import contextlib
import multiprocessing
import os
import re
import stat

import numpy as np
import pytest

from precision import files


def fill_up(folder):
    """Leave no room on a file system."""
    with (folder / "filler").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"new", memoryview(b"new"), lambda path: path.write_bytes(b"new")])
def test_a_file_is_written_and_replaced(tmp_path, content):
    path = tmp_path / "a.txt"
    for before in (None, b"old and longer"):
        if before:
            path.write_bytes(before)
        files.write(path, content)
        assert path.read_bytes() == b"new" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["model.keras", "trained.weights.h5", "float(4,3.5).x", "result.json", "x"])
def test_a_draft_lies_beside_its_file_with_the_same_ending(tmp_path, name):
    seen = []
    files.write(tmp_path / name, lambda path: seen.append(path) or path.write_bytes(b""))
    [draft] = seen
    assert draft.parent == tmp_path and draft.name.endswith("".join((tmp_path / name).suffixes))
    assert draft.name.startswith(".") and files.is_draft(draft.name)


def test_what_a_killed_writer_left_is_known_by_its_name(tmp_path):
    for path in (tmp_path / "result.json", tmp_path / "a b", tmp_path / "trained.weights.h5"):
        assert files.is_draft(files.draft_of(path).name)
        assert not files.is_draft(path.name)
    assert files.is_draft(f".result.json.{32 * '0'}") and files.is_draft("draft.trained.weights.h5")
    assert not files.is_draft(".gitignore") and not files.is_draft(".nfs000000000000000000000001")


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_file_may_be_read_by_whom_the_user_lets_read_files(tmp_path, umask, mask):
    umask(mask)
    files.write(tmp_path / "report.md", b"")
    files.write_folder(tmp_path / "folder", lambda path: (path / "x").write_bytes(b""))
    for path, bits in (("report.md", 0o666), ("folder", 0o777), ("folder/x", 0o666)):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == bits & ~mask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.faults("an error or Ctrl-C while a file is written")
def test_an_error_on_the_way_leaves_the_former_file_and_no_draft(tmp_path, error):
    def fill(path):
        path.write_bytes(b"half")
        raise error("stopped")

    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(error, match="stopped"):
        files.write(path, fill)
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.faults("an error or Ctrl-C while a file is written")
def test_a_failure_while_writing_leaves_no_draft(tmp_path, monkeypatch, step):
    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(OSError, match="disk full"):
        files.write(tmp_path / "x.csv", b"a")
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.faults("an error or Ctrl-C while a folder is written")
def test_an_error_on_the_way_leaves_no_folder(tmp_path, error):
    def fill(path):
        (path / "a").write_bytes(b"half")
        (path / "below").mkdir()
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        files.write_folder(tmp_path / "deep" / "folder", fill)
    assert names(tmp_path / "deep") == []


def test_a_folder_appears_whole_and_what_is_there_stays(tmp_path):
    path = tmp_path / "deep" / "folder"
    files.write_folder(path, lambda draft: ((draft / "a").write_bytes(b"1"), (draft / "b").write_bytes(b"2")))
    assert names(path) == ["a", "b"]
    files.write_folder(path, lambda draft: (draft / "c").write_bytes(b"3"))
    assert names(path) == ["a", "b"] and names(path.parent) == ["folder"]


def test_a_full_disk_leaves_the_former_file_and_nothing_else(small_disk):
    path = small_disk / "a.txt"
    files.write(path, b"old")
    fill_up(small_disk)
    for content in (bytes(100_000), lambda draft: draft.write_bytes(bytes(100_000))):
        with pytest.raises(OSError, match="No space left"):
            files.write(path, content)
    with pytest.raises(OSError, match=r"."):
        files.write_folder(small_disk / "folder", lambda draft: np.save(draft / "x.npy", np.zeros(50_000)))
    with pytest.raises(OSError, match="No space left"):
        files.check_room(small_disk)
    assert path.read_bytes() == b"old" and names(small_disk) == ["a.txt", "filler"]


def test_a_folder_that_cannot_be_written(tmp_path, read_only):
    folder = tmp_path / "shut"
    folder.mkdir()
    files.write(folder / "a.txt", b"old")
    with read_only(folder):
        for name in ("a.txt", "b.txt"):
            with pytest.raises(OSError, match=r"."):
                files.write(folder / name, b"new")
        with pytest.raises(OSError, match=r"."):
            files.write_folder(folder / "below", lambda draft: None)
        with pytest.raises(OSError, match=r"."):
            files.check_room(folder)
    assert names(folder) == ["a.txt"] and (folder / "a.txt").read_bytes() == b"old"


def test_room_leaves_nothing(tmp_path):
    files.check_room(tmp_path)
    assert names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        files.check_room(tmp_path / "none")


def test_two_writers_at_once(tmp_path):
    """One begins and ends while the other is at work; whoever ends last is read."""

    def fill(path):
        path.write_bytes(b"first")
        files.write(tmp_path / "a.txt", b"second")
        assert (tmp_path / "a.txt").read_bytes() == b"second"

    files.write(tmp_path / "a.txt", fill)
    assert (tmp_path / "a.txt").read_bytes() == b"first" and names(tmp_path) == ["a.txt"]

    def fill_folder(path):
        (path / "x").write_bytes(b"slow")
        files.write_folder(tmp_path / "b", lambda other: (other / "x").write_bytes(b"fast"))

    files.write_folder(tmp_path / "b", fill_folder)
    assert (tmp_path / "b" / "x").read_bytes() == b"fast" and names(tmp_path) == ["a.txt", "b"]


def _write_often(folder, letter, ready):
    ready.wait()
    for _ in range(100):
        files.write(folder / "a.txt", 5000 * letter)
        files.write_folder(folder / "b", lambda draft: (draft / "x").write_bytes(5000 * letter))


def test_several_processes_write_the_same_names(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writers = [context.Process(target=_write_often, args=(tmp_path, b, ready)) for b in (b"x", b"y")]
    for writer in writers:
        writer.start()
    ready.set()
    while any(writer.is_alive() for writer in writers):
        for path in (tmp_path / "a.txt", tmp_path / "b" / "x"):
            with contextlib.suppress(FileNotFoundError):
                assert re.fullmatch(rb"x{5000}|y{5000}", path.read_bytes())
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert names(tmp_path) == ["a.txt", "b"]
