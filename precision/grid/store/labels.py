"""The right answers of test images, kept once for all trials of the same images.

    <root>/labels/<digest of the data>.<sha256 of the file>.npy

The first digest is that of the images and labels, which each result of theirs names, so that it depends on
which test images were chosen; the second tells whether the file is what was written.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from precision import files, received
from precision.errors import PrecisionError, said
from precision.grid.store import links, predictions, sums

FOLDER = "labels"
_NAME = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})\.npy")
_LARGEST = 2**30  # bytes of a file


def keep(root: Path, digest: str, targets: np.ndarray) -> None:
    """Write the right answers of some images, unless they are there.

    Args:
        digest: of the data set, see ``Dataset.digest``.
        targets: classes (images,), or labels 0 and 1 (images, labels).

    Raises:
        PrecisionError: where a link leads out of the store.
        OSError: when it cannot be written.
    """
    folder = root / FOLDER
    if folder.is_symlink():
        raise links.refusal(folder)
    most = int(targets.max(initial=0))
    content = predictions.encode(targets.astype(np.min_scalar_type(most)))
    name = f"{digest}.{sums.of(content)}.npy"
    if why_not(folder / name):
        files.make_folder(folder)
        files.write(folder / name, content)


def load(root: Path, digest: str) -> np.ndarray:
    """Return the right answers of the images of a data set.

    Raises:
        FileNotFoundError: when they were never kept.
        PrecisionError: when the file is not the one that was written.
    """
    known = [path for path in all_of(root) if (named := _NAME.fullmatch(path.name)) and named[1] == digest]
    path = next(iter(known), None)
    if path is None:
        raise FileNotFoundError(f"{root / FOLDER}: no labels of these images")
    why = why_not(path)
    try:
        if why:
            raise ValueError(why)
        return predictions.decode(received.stored(path, _LARGEST)[1])
    except (OSError, ValueError) as error:
        raise PrecisionError(
            f"{path}: these labels cannot be trusted and are left out ({said(error)})"
        ) from None


def why_not(path: Path) -> str:
    """Return why a file is not what its name says, in words; nothing when it is."""
    named = _NAME.fullmatch(path.name)
    if named is None:
        return "its name is not that of labels"
    try:
        return "" if sums.of(received.stored(path, _LARGEST)[1]) == named[2] else "its sha256 is another one"
    except FileNotFoundError:
        return "it is gone"
    except (OSError, ValueError) as error:
        return said(error)


def all_of(root: Path) -> list[Path]:
    """Return the files of labels of a store."""
    return sorted(path for path in (root / FOLDER).glob("*") if not files.is_draft(path.name))
