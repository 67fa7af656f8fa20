"""MNIST and Fashion-MNIST: the original IDX files, from a data directory or the net."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from precision.data.dataset import Dataset
from precision.data.files import locate
from precision.data.files.catalogue import ENTRIES, RemoteFile
from precision.data.files.idx import read_images, read_labels
from precision.errors import PrecisionError
from precision.registry import DATASETS


@DATASETS.register("mnist")
def mnist(data_dir: Path | None) -> Dataset:
    """Handwritten digits, 28x28 gray (LeCun, Cortes and Burges).

    Files: ``mnist/train-images-idx3-ubyte[.gz]`` and the other three, below the data directory.
    """
    return _load("mnist", data_dir)


@DATASETS.register("fashion_mnist")
def fashion_mnist(data_dir: Path | None) -> Dataset:
    """Photographs of clothes, 28x28 gray, in the files of MNIST (Xiao, Rasul and Vollgraf).

    Files: ``fashion-mnist/train-images-idx3-ubyte[.gz]`` and the other three, below the data directory.
    """
    return _load("fashion_mnist", data_dir)


def find(name: str, data_dir: Path | None) -> dict[str, Path]:
    """Return where those of the four files lie that are there, by their name in the catalogue."""
    entry = ENTRIES[name]
    folders = locate.folders(entry.folder, data_dir)
    found = {file.name: locate.first_file(folders, _spellings(file)) for file in entry.files}
    return {key: path for key, path in found.items() if path is not None}


def _spellings(file: RemoteFile) -> tuple[str, ...]:
    stem = file.name.removesuffix(".gz")
    dotted = stem.replace("-idx", ".idx")
    return file.name, stem, f"{dotted}.gz", dotted


def _load(name: str, data_dir: Path | None) -> Dataset:
    entry = ENTRIES[name]
    paths = find(name, data_dir)
    missing = [file for file in entry.files if file.name not in paths]
    if missing:
        from precision.data.files.download import fetch

        advice = locate.advice(entry.folder, [file.name for file in missing], data_dir)
        for file in missing:
            paths[file.name] = fetch(file, locate.user_cache() / entry.folder, advice)

    train_images, train_labels, test_images, test_labels = (paths[file.name] for file in entry.files)
    x_train, y_train = _read_pair(name, train_images, train_labels, entry.train)
    x_test, y_test = _read_pair(name, test_images, test_labels, entry.test)
    title = entry.title_for(len(y_train), len(y_test))
    return Dataset(name, title, x_train, y_train, x_test, y_test, entry.class_names)


def _read_pair(name: str, images: Path, labels: Path, most: int) -> tuple[np.ndarray, np.ndarray]:
    entry = ENTRIES[name]
    x = read_images(images, entry.size, most)
    y = read_labels(labels, len(entry.class_names), most)
    if len(x) != len(y):
        raise PrecisionError(
            f"{labels}: there is one label per image of {images.name}, "
            f"but got {len(y)} labels and {len(x)} images; fetch both files again"
        )
    return x, y
