"""CIFAR-10: the original binary batches, all or some of them, from a data directory or the net.

A batch is a row of records of 3073 bytes: the label, then 1024 red, 1024 green and 1024 blue bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from precision.data.dataset import Dataset
from precision.data.files import locate
from precision.data.files.catalogue import ENTRIES
from precision.data.files.streams import read_bytes
from precision.errors import PrecisionError
from precision.registry import DATASETS

_ENTRY = ENTRIES["cifar10"]
_RECORD = 1 + 3 * 32 * 32
_INNER = "cifar-10-batches-bin"
_BATCH = 10000
_NAMES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
# Extracted in this order: a folder without the test batch does not count as found, so an extraction
# that was cut short never passes for a dataset.
_MEMBERS = {f"{_INNER}/{name}": _BATCH * _RECORD for name in _NAMES}


@dataclass(frozen=True)
class Batches:
    """The files of a complete or partial CIFAR-10, in the order of their images."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]


@DATASETS.register("cifar10")
def cifar10(data_dir: Path | None) -> Dataset:
    """Photographs of animals and vehicles, 32x32 colour (Krizhevsky).

    Files, below the data directory in ``cifar10/`` or ``cifar10/cifar-10-batches-bin/``: the batches
    ``data_batch_1.bin`` to ``data_batch_5.bin`` or some of them, and ``test_batch.bin``. A part may
    stand for them: ``train_first<n>.bin`` and ``test_first<n>.bin``, the first n records. Each may end
    in ``.gz``. Also the original ``cifar-10-binary.tar.gz``.
    """
    batches = find(data_dir) or _unpack(data_dir)
    x_train, y_train = _read(batches.train, _ENTRY.train)
    x_test, y_test = _read(batches.test, _ENTRY.test)
    title = _ENTRY.title_for(len(y_train), len(y_test))
    return Dataset("cifar10", title, x_train, y_train, x_test, y_test, _ENTRY.class_names)


def find(data_dir: Path | None) -> Batches | None:
    """Return the batches in the first folder that has both train and test images."""
    for root in locate.folders(_ENTRY.folder, data_dir):
        for folder in (root, root / _INNER):
            *train, test = (locate.first_file([folder], (name, f"{name}.gz")) for name in _NAMES)
            batches = tuple(path for path in train if path) or _first_records(folder, "train")
            tests = (test,) if test else _first_records(folder, "test")
            if batches and tests:
                return Batches(batches, tests)
    return None


def _first_records(folder: Path, part: str) -> tuple[Path, ...]:
    """Return the file of the first n records, alone in a tuple, or nothing."""
    found = sorted(path for path in folder.glob(f"{part}_first*") if _promised(path))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise PrecisionError(f"{folder}: one file holds the first {part} images, but got {names}; keep one")
    return tuple(found)


def _promised(path: Path) -> int | None:
    """Return how many records a name such as ``test_first1000.bin.gz`` promises."""
    match = re.fullmatch(r"(?:train|test)_first(\d+)\.bin(?:\.gz)?", path.name)
    return int(match[1]) if match else None


def _unpack(data_dir: Path | None) -> Batches:
    """Extract the archive, downloaded if it has to be, into the cache folder."""
    from precision.data.files.archive import extract
    from precision.data.files.download import fetch

    (remote,) = _ENTRY.files
    cache = locate.user_cache() / _ENTRY.folder
    archive = locate.first_file(locate.folders(_ENTRY.folder, data_dir), [remote.name])
    if archive is None:
        archive = fetch(remote, cache, locate.advice(_ENTRY.folder, [remote.name], data_dir))
    with locate.locked(cache / _INNER):
        batches = find(data_dir)  # another process may have been faster
        if batches is None:
            extract(archive, _MEMBERS, cache / _INNER)
            batches = find(data_dir)
    assert batches is not None
    return batches


def _read(paths: Iterable[Path], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Read batches: images (N, 32, 32, 3) uint8 and labels (N,) int64, at most ``most`` in all."""
    records = np.concatenate([_records(path, most) for path in paths])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].astype(np.int64)


def _records(path: Path, most: int) -> np.ndarray:
    if path.name.startswith("data_batch"):
        most = _BATCH
    data = read_bytes(path, most * _RECORD + 1)  # one more byte shows whether there are too many
    count, rest = divmod(len(data), _RECORD)
    if not data or rest or count > most:
        received = "more" if len(data) > most * _RECORD else f"{len(data)} bytes"
        raise PrecisionError(
            f"{path}: a CIFAR-10 batch holds 1 to {most} records of {_RECORD} bytes, but got {received}; "
            "fetch the file again"
        )
    promised = _promised(path)
    if promised is not None and count != promised:
        raise PrecisionError(
            f"{path}: the name promises {promised} records, but got {count}; fetch the file again"
        )
    records = np.frombuffer(data, np.uint8).reshape(count, _RECORD)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if wrong.size:
        index = int(wrong[0])
        raise PrecisionError(
            f"{path}: labels are in 0..9, but got {records[index, 0]} in record {index}; fetch the file again"
        )
    return records
