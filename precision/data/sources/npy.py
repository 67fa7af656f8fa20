"""Single NumPy arrays: one file of images or vectors, one of labels. Nothing in them is ever unpickled."""

from __future__ import annotations

from pathlib import Path

from precision.data.dataset import Dataset
from precision.data.files.npy import read
from precision.data.rules import FilePath, Fraction, TaskName
from precision.data.sources.arrays import as_inputs
from precision.data.sources.assembly import assemble
from precision.data.sources.targets import as_targets
from precision.errors import PrecisionError
from precision.registry import DATASETS


@DATASETS.register("npy")
def npy(
    data_dir: Path | None,
    *,
    path: FilePath,
    labels_path: FilePath,
    test_path: FilePath | None = None,
    test_labels_path: FilePath | None = None,
    test_fraction: Fraction | None = None,
    task: TaskName | None = None,
) -> Dataset:
    """Images or vectors of your own, and their labels, in NumPy .npy files.

    Args:
        data_dir: not used; the paths say it all.
        path: a file with an array of images or vectors, as x in an ``npz``.
        labels_path: a file with their labels, as y in an ``npz``.
        test_path: a file with those for testing; without it a part of ``path`` is split off.
        test_labels_path: a file with the labels of these.
        test_fraction: without ``test_path``, how much of each class to split off for testing; 0.2 if not
            given.
        task: what the labels are, as in an ``npz``.

    Raises:
        PrecisionError: if a file cannot be read or its array is anything else.
    """
    if (test_path is None) != (test_labels_path is None):
        given = "test_path" if test_labels_path is None else "test_labels_path"
        raise PrecisionError(
            f"{path}: test_path and test_labels_path belong together, but got only {given}; give both or none"
        )
    files = [(path, labels_path)]
    if test_path is not None and test_labels_path is not None:
        files.append((test_path, test_labels_path))
    inputs = as_inputs([(f"{x}: the array", read(x)) for x, _ in files])
    targets = [(f"{y}: the array", read(y), len(x)) for (_, y), x in zip(files, inputs, strict=True)]
    return assemble("npy", path, inputs, as_targets(targets, task), test_fraction)
