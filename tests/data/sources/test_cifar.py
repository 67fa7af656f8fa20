"""CIFAR-10: complete and partial batches, the archive, and every way in which they can be wrong."""

import errno
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precision.data import load
from precision.data.files import catalogue
from precision.data.sources import cifar
from precision.errors import PrecisionError
from precision.room import NoRoomError

Records = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "cifar10"
    path.mkdir(parents=True)
    return path


def test_channels_are_last_and_rows_in_order(folder: Path) -> None:
    record = bytes([7]) + bytes(i % 251 for i in range(3072))
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(record)
    dataset = load("cifar10", data_dir=folder.parent)
    assert dataset.y_train.tolist() == [7]
    for row, column, channel in ((0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (31, 30, 2)):
        assert dataset.x_train[0, row, column, channel] == (channel * 1024 + row * 32 + column) % 251


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_some_batches_make_a_subset(folder: Path, records: Records, inner: str) -> None:
    (folder / inner).mkdir(exist_ok=True)
    (folder / inner / "data_batch_2.bin").write_bytes(records(10))
    (folder / inner / "data_batch_4.bin.gz").write_bytes(gzip.compress(records(10, first=10)))
    (folder / inner / "test_batch.bin").write_bytes(records(5))
    dataset = load("cifar10", data_dir=folder.parent)
    assert dataset.title == "CIFAR-10 subset (20/5)"
    assert len(dataset.y_train) == 20
    assert dataset.class_names[3] == "cat"


def test_first_records(folder: Path, records: Records) -> None:
    (folder / "train_first20.bin.gz").write_bytes(gzip.compress(records(20)))
    (folder / "test_first5.bin").write_bytes(records(5))
    assert load("cifar10", data_dir=folder.parent).title == "CIFAR-10 subset (20/5)"
    (folder / "train_first10.bin").write_bytes(records(10))
    with pytest.raises(PrecisionError, match=r"but got train_first10\.bin, train_first20\.bin\.gz; keep one"):
        load("cifar10", data_dir=folder.parent)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data_batch_1.bin", lambda r: r[:-1], "1 to 10000 records of 3073 bytes, but got 6145 bytes; fetch"),
        ("data_batch_1.bin", lambda r: b"", "but got 0 bytes"),
        ("data_batch_1.bin", lambda r: r + b"\0", "but got 6147 bytes"),
        (
            "data_batch_1.bin",
            lambda r: r[:3073] + b"\x0a" + r[3074:],
            r"labels are in 0..9, but got 10 in record 1",
        ),
        ("data_batch_1.bin", lambda r: r * 5001, "1 to 10000 records of 3073 bytes, but got more"),
        ("train_first3.bin", lambda r: r, "the name promises 3 records, but got 2"),
        (
            "data_batch_1.bin.gz",
            lambda r: gzip.compress(r)[:-4],
            "complete gzip stream, but got: Compressed file",
        ),
        ("data_batch_1.bin.gz", lambda r: r, "complete gzip stream, but got: Not a gzipped"),
    ],
)
def test_wrong_files(
    folder: Path, records: Records, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    (folder / name).write_bytes(change(records(2)))
    (folder / "test_batch.bin").write_bytes(records(1))
    with pytest.raises(PrecisionError) as caught:
        load("cifar10", data_dir=folder.parent)
    assert str(caught.value).startswith(f"{folder / name}: ")
    assert message in str(caught.value)


def make_archive(path: Path, members: dict[str, bytes], link: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link is not None:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 2 images, so that a test archive is small."""
    monkeypatch.setattr(cifar, "_MEMBERS", dict.fromkeys(cifar._MEMBERS, 2 * 3073))


@pytest.fixture
def members(records: Records) -> dict[str, bytes]:
    return {name: records(2, first=2 * i) for i, name in enumerate(reversed(cifar._MEMBERS))}


@pytest.mark.usefixtures("small_batches")
def test_the_archive_beside_or_instead_of_the_batches(
    folder: Path, cache: Path, members: dict[str, bytes]
) -> None:
    hostile = {"../escaped": b"x", "/absolute": b"x", "cifar-10-batches-bin/readme.html": b"x"}
    make_archive(folder / "cifar-10-binary.tar.gz", hostile | members)
    dataset = load("cifar10", data_dir=folder.parent)
    assert dataset.title == "CIFAR-10 subset (10/2)"
    extracted = cache / "cifar10" / "cifar-10-batches-bin"
    assert sorted(p.name for p in extracted.iterdir()) == sorted(Path(name).name for name in members)
    assert [p.name for p in folder.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert dataset.digest() == load("cifar10").digest()  # from the cache from now on


@pytest.mark.usefixtures("small_batches")
def test_wrong_archives(folder: Path, cache: Path, members: dict[str, bytes]) -> None:
    archive = folder / "cifar-10-binary.tar.gz"
    last = "cifar-10-batches-bin/test_batch.bin"
    without = {name: content for name, content in members.items() if name != last}

    def refused() -> str:
        with pytest.raises(PrecisionError) as caught:
            load("cifar10", data_dir=folder.parent)
        assert not [path for path in cache.rglob("*") if path.suffix == ".bin"]
        return str(caught.value).removeprefix(f"{archive}: ")

    make_archive(archive, without)
    assert refused() == f"the archive holds no {last}; fetch the file again"
    make_archive(archive, without | {last: b"short"})
    assert refused() == f"{last} is a regular file of 6146 bytes, but got 5 bytes; fetch the file again"
    make_archive(archive, without, link=last)
    assert (
        refused() == f"{last} is a regular file of 6146 bytes, but got something else; fetch the file again"
    )
    make_archive(archive, members)
    archive.write_bytes(archive.read_bytes()[:200])
    assert refused().startswith("the archive is corrupt (")
    archive.write_bytes(b"not an archive")
    assert refused().startswith("the archive is corrupt (")
    with tarfile.open(archive, "w:gz") as tar:  # small, and without end
        bomb = tarfile.TarInfo("zeros")
        bomb.size = 2**25
        tar.addfile(bomb, io.BytesIO(bytes(2**25)))
    assert archive.stat().st_size < 100_000
    assert refused().startswith("at most ") and refused().endswith("fetch the file again")


@pytest.mark.usefixtures("small_batches")
@pytest.mark.faults("a full disk under an archive that is extracted")
def test_a_full_disk_leaves_nothing_extracted(
    folder: Path, cache: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source, target) -> None:
        target.write(source.read(10))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    make_archive(folder / "cifar-10-binary.tar.gz", members)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(NoRoomError, match="cifar-10-batches-bin: cannot be written"):
        load("cifar10", data_dir=folder.parent)
    assert not list(cache.rglob("*.bin"))


@pytest.mark.usefixtures("small_batches")
def test_downloads_the_archive(
    server, tmp_path: Path, cache: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made.tar.gz"
    make_archive(made, members)
    content = made.read_bytes()
    server.files["/cifar.tar.gz"] = content
    (remote,) = cifar._ENTRY.files
    remote = replace(
        remote,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        urls=(f"{server.url}/cifar.tar.gz",),
    )
    monkeypatch.setattr(cifar, "_ENTRY", replace(catalogue.ENTRIES["cifar10"], files=(remote,)))
    assert load("cifar10").title == "CIFAR-10 subset (10/2)"
    assert load("cifar10").title == "CIFAR-10 subset (10/2)"
    assert len(server.requests) == 1


def test_real_subset(real_data: Path) -> None:
    dataset = load("cifar10", data_dir=real_data)
    assert dataset.title == "CIFAR-10 subset (10000/1000)"
    assert np.bincount(dataset.y_train).tolist() == [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
    assert np.bincount(dataset.y_test).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    # A fifth of the images has the published mean of all within a percent.
    means = dataset.x_train.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=0.005)
