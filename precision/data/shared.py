"""Data sets as files that several processes map into their memory, which holds them once.

The parent process loads a data set and writes its arrays; its workers map them. A folder is named after the
digest of the arrays, and checked against it whenever it is opened.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from precision import files
from precision.data.dataset import Dataset
from precision.errors import PrecisionError

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_TEXTS = ("name", "title", "class_names", "scaling", "task", "target_scaling", "split")
_ABOUT = "dataset.json"


def share(dataset: Dataset, folder: Path) -> Path:
    """Write a data set below a folder, unless it is there, and return the folder of this one.

    It appears whole or not at all, also when several processes write it at once.

    Raises:
        PrecisionError: when nothing can be written there.
    """
    about = json.dumps({name: getattr(dataset, name) for name in _TEXTS})
    # Labels that are called otherwise make another data set of the same arrays.
    path = folder / f"{dataset.digest()}-{_short(about)}"
    if path.exists():
        try:
            shared(path)
            return path
        except PrecisionError:  # damaged since
            shutil.rmtree(path, ignore_errors=True)

    def fill(draft: Path) -> None:
        for name in _ARRAYS:
            np.save(draft / f"{name}.npy", getattr(dataset, name), allow_pickle=False)
        (draft / _ABOUT).write_text(about, encoding="utf-8")

    try:
        files.write_folder(path, fill)
    except OSError as error:
        raise PrecisionError(
            f"{folder}: the images of {dataset.title} cannot be written here "
            f"({error.strerror or error}); make room, or name another folder with TMPDIR"
        ) from None
    return path


def shared(folder: Path) -> Dataset:
    """Return the data set that :func:`share` wrote into a folder; its arrays cannot be written to.

    Raises:
        PrecisionError: when its files are not what was written.
    """
    try:
        text = (folder / _ABOUT).read_text(encoding="utf-8")
        about = json.loads(text)
        # As plain arrays: those of np.memmap drag their own class through every computation.
        arrays: dict[str, Any] = {
            name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            for name in _ARRAYS
        }
        texts: dict[str, Any] = {**about, "class_names": tuple(about["class_names"])}
        dataset = Dataset(**texts, **arrays)
        if folder.name != f"{dataset.digest()}-{_short(text)}":
            raise ValueError("its content is not the one that it is named after")
    except (OSError, ValueError, KeyError, TypeError, EOFError, PrecisionError) as error:
        why = str(error) or type(error).__name__
        raise PrecisionError(
            f"{folder}: this data set of the run is damaged ({why}); remove the folder and run again"
        ) from None
    return dataset


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
