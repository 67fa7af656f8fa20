"""How a user's own files are divided into train and test: by the files, or by a fraction of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from precision.data.dataset import Dataset
from precision.data.labels import number_labels
from precision.data.sampling import split
from precision.errors import PrecisionError
from precision.printable import printable

DEFAULT_FRACTION = 0.2
_COMPRESSED = re.compile(r"\.(gz|bz2|xz)$")

Part = tuple[np.ndarray, np.ndarray]  # images or vectors, and the labels of the file


def assemble(name: str, path: Path, train: Part, test: Part | None, test_fraction: float | None) -> Dataset:
    """Build the dataset of a file: labels numbered from 0, a test part split off if there is none.

    Args:
        name: the name in the registry.
        path: the file or folder, whose name without the suffix is the title; where a part is split off, the
            title says so, as other splits give other numbers.
        train: images (N, H, W, C) uint8 or float32, or vectors (N, features) float32, and labels (N,),
            integers or text; all of them if ``test`` is None.
        test: the same for testing.
        test_fraction: the share of each class to split off; None is 0.2.

    Raises:
        PrecisionError: if there are both a test part and a fraction, or the parts do not go together.
    """
    (images, labels), (test_images, test_labels) = train, test or (None, None)
    y_train, y_test, names = number_labels(labels, test_labels, str(path))
    title = printable(path.absolute().name if path.is_dir() else Path(_COMPRESSED.sub("", path.name)).stem)
    if test_images is not None and y_test is not None:
        if test_fraction is not None:
            raise PrecisionError(
                f"{path}: test_fraction is for data without a test part, but got {test_fraction} "
                "beside a test part; leave it out"
            )
        return Dataset(name, title, images, y_train, test_images, y_test, names)
    fraction = test_fraction or DEFAULT_FRACTION
    kept, taken = split(y_train, fraction, str(path), names)
    title += f", {100 * fraction:g} % of each class split off for testing"
    return Dataset(name, title, images[kept], y_train[kept], images[taken], y_train[taken], names)


def check_finite(images: np.ndarray, location: str) -> None:
    """Refuse images or vectors that are not numbers.

    Raises:
        PrecisionError: naming the first such image.
    """
    finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        raise PrecisionError(
            f"{location}: numbers must be finite, but image or vector {int(finite.argmin())} has NaN or "
            "infinity"
        )
