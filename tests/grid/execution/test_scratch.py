"""What a killed process leaves in the temporary folder goes with the next one, and nothing else does."""

import json
import multiprocessing
import os
import platform
import signal
import tempfile

import pytest

from precision.grid.execution import scratch as module
from precision.grid.execution.scratch import LOCK, MARK, scratch
from precision.grid.store.locks import Lock


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _hold(folder, named):
    tempfile.tempdir = str(folder)
    with scratch() as mine:
        (mine / "images.npy").write_bytes(bytes(1000))
        named.put(mine)
        signal.pause()


@pytest.mark.faults("what a killed run leaves in the temporary folder")
def test_it_goes_with_its_process_however_that_ends(temporary):
    context = multiprocessing.get_context("spawn")
    named = context.Queue()
    process = context.Process(target=_hold, args=(temporary, named))
    process.start()
    left = named.get(timeout=60)
    try:
        with scratch() as mine:
            assert mine.is_dir() and (left / "images.npy").exists(), "its process lives"
    finally:
        process.kill()
        process.join()
    assert not mine.exists() and (left / "images.npy").exists()
    with scratch():
        assert not left.exists()
    assert list(temporary.iterdir()) == []


def folder_of(temporary, name, owner, content=""):
    folder = temporary / name
    folder.mkdir()
    (folder / LOCK).write_text(content)
    (folder / MARK).write_text(owner)
    return folder


def test_only_what_carries_the_mark_of_its_owner_is_removed(temporary, monkeypatch, tally):
    owner = json.dumps(module._owner())
    gone = folder_of(temporary, "precision-gone", owner)
    kept = [
        folder_of(temporary, "precision-b", owner.replace(platform.node(), "another machine")),
        folder_of(temporary, "precision-c", owner.replace(f'"{os.getuid()}"', '"12345"')),
        folder_of(temporary, "precision-d", "{"),
        folder_of(temporary, "precision-e", "[" * 100_000),
        folder_of(temporary, "precision-f", owner, "a lock with content"),
        folder_of(temporary, "mine", owner),
        temporary / "precision-by-name-alone",
    ]
    kept[-1].mkdir()
    (temporary / "precision-file").touch()
    (temporary / "precision-link").symlink_to(kept[5])
    held = folder_of(temporary, "precision-held", owner)
    with Lock(held / LOCK), scratch():
        assert not gone.exists() and held.exists()
    for folder in kept:
        with tally("a folder of somebody else in the temporary folder, with our name"):
            assert folder.exists()
    monkeypatch.setattr(os, "getuid", lambda: 12345)  # whose folders are those of another user
    with scratch():
        assert held.exists()
