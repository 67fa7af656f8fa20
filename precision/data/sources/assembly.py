"""How a user's own files are divided into train and test: by the files, or by a fraction of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from precision.data.dataset import Dataset
from precision.data.labels import number_labels
from precision.data.sampling import split
from precision.data.sources.targets import Targets
from precision.errors import PrecisionError
from precision.printable import printable
from precision.tasks import CLASSIFICATION

DEFAULT_FRACTION = 0.2
_COMPRESSED = re.compile(r"\.(gz|bz2|xz)$")


def assemble(
    name: str, path: Path, inputs: Sequence[np.ndarray], targets: Targets, test_fraction: float | None
) -> Dataset:
    """Build the dataset of a file: classes numbered from 0, a test part split off if there is none.

    Args:
        name: the name in the registry.
        path: the file or folder, whose name without the suffix is the title; where a part is split off, the
            title says so, as other splits give other numbers.
        inputs: images (N, H, W, C) uint8 or float32, or vectors (N, features) float32, for training and for
            testing; or all of them.
        targets: of the same parts.
        test_fraction: the share to split off, of each class if there are any; None is 0.2.

    Raises:
        PrecisionError: if there are both a test part and a fraction, or the parts do not go together.
    """
    task, parts, names = targets.task, list(targets.parts), targets.names
    if task is CLASSIFICATION:
        first, second, names = number_labels(parts[0], parts[1] if parts[1:] else None, str(path))
        parts = [first] if second is None else [first, second]
    title = printable(path.absolute().name if path.is_dir() else Path(_COMPRESSED.sub("", path.name)).stem)
    if parts[1:]:
        if test_fraction is not None:
            raise PrecisionError(
                f"{path}: test_fraction is for data without a test part, but got {test_fraction} "
                "beside a test part; leave it out"
            )
        return Dataset(name, title, inputs[0], parts[0], inputs[1], parts[1], names, task=task.name)
    fraction = test_fraction or DEFAULT_FRACTION
    (x,), (y,) = inputs, parts
    kept, taken = split(task.strata(y), fraction, str(path), names)
    title += (
        f", {100 * fraction:g} % {'of each class ' if task is CLASSIFICATION else ''}split off for testing"
    )
    return Dataset(name, title, x[kept], y[kept], x[taken], y[taken], names, task=task.name, split=True)


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
