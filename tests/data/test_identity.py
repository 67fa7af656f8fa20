"""The fingerprint of the user's own files changes with their content and with nothing else."""

import shutil
from pathlib import Path

import pytest

from precision.data import fingerprint
from precision.errors import PrecisionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_text(name)
    return tmp_path / "images"


def test_none_for_the_catalogue() -> None:
    assert fingerprint("mnist", {"train_size": 10}) is None
    assert fingerprint("digits", {}) is None


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(b"first")
    first = fingerprint("npz", {"path": str(path)})
    assert first is not None
    assert len(first) == 64
    assert first == fingerprint("npz", {"path": path, "train_size": 3})
    moved = path.rename(tmp_path / "moved.npz")
    assert first == fingerprint("npz", {"path": moved})
    moved.write_bytes(b"other")
    assert first != fingerprint("npz", {"path": moved})


def test_every_file_of_a_csv_counts(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / name).write_text(name)
    options = {"path": tmp_path / "train", "test_path": tmp_path / "test"}
    both = fingerprint("csv", options)
    swapped = fingerprint("csv", {"path": tmp_path / "test", "test_path": tmp_path / "train"})
    assert len({both, swapped, fingerprint("csv", {"path": tmp_path / "train"})}) == 3
    (tmp_path / "test").write_text("changed")
    assert fingerprint("csv", options) != both


def test_a_folder(folder: Path) -> None:
    options = {"path": folder}
    original = fingerprint("image_folder", options)
    copy = shutil.copytree(folder, folder.with_name("copy"))
    assert fingerprint("image_folder", {"path": copy}) == original
    (folder / "a" / ".DS_Store").write_text("hidden")
    assert fingerprint("image_folder", options) == original
    (folder / "a" / "1.png").rename(folder / "b" / "9.png")
    renamed = fingerprint("image_folder", options)
    (folder / "b" / "9.png").write_text("changed")
    changed = fingerprint("image_folder", options)
    (folder / "b" / "9.png").unlink()
    assert len({original, renamed, changed, fingerprint("image_folder", options)}) == 4


def test_wrong_options_and_files(tmp_path: Path) -> None:
    with pytest.raises(PrecisionError, match="needs the option 'path'"):
        fingerprint("npz", {})
    with pytest.raises(PrecisionError, match=r"none: there is no such file"):
        fingerprint("npz", {"path": tmp_path / "none"})
    with pytest.raises(PrecisionError, match=r"this is a folder, and a file is needed"):
        fingerprint("csv", {"path": tmp_path})
    with pytest.raises(PrecisionError, match=r"this is a file, and a folder is needed"):
        fingerprint("image_folder", {"path": __file__})
