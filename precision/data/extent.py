"""How many images of what size a dataset has, told from the catalogue without loading one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from precision.data.dataset import Dataset
from precision.data.files.catalogue import ENTRIES
from precision.data.options import parse
from precision.tasks import CLASSIFICATION


@dataclass(frozen=True)
class Extent:
    """What is left of a dataset when its images are left out.

    Attributes:
        train, test: numbers of images.
        shape: height, width and channels of one image, or the features of a vector.
        classes: number of classes, labels or targets.
        task: what a network is asked, one of ``precision.tasks``.

    >>> from precision.data import Extent, load
    >>> Extent.of(load("iris"))
    Extent(train=120, test=30, shape=(4,), classes=3, task='classification')
    """

    train: int
    test: int
    shape: tuple[int, ...]
    classes: int
    task: str = CLASSIFICATION.name

    @classmethod
    def of(cls, dataset: Dataset) -> Extent:
        """Return the extent of a dataset that is loaded."""
        images = len(dataset.x_train), len(dataset.x_test)
        return cls(*images, dataset.input_shape, dataset.classes, dataset.task)


def extent(name: str, options: Mapping[str, Any]) -> Extent | None:
    """Return the extent of a dataset with these options; None for one that is not in the catalogue.

    Of a part of the classes the images are counted as if every class had equally many.

    >>> from precision.data import extent
    >>> extent("mnist", {"train_size": 6000, "resize": [32, 32]})
    Extent(train=6000, test=10000, shape=(32, 32, 1), classes=10, task='classification')
    """
    entry = ENTRIES.get(name)
    if entry is None:
        return None
    _, common = parse(name, options)
    every = len(entry.class_names)
    kept = every if common.classes is None else len(common.classes)
    return Extent(
        common.train_size or entry.train * kept // every,
        common.test_size or entry.test * kept // every,
        entry.shape if common.resize is None else (*common.resize, *entry.shape[2:]),
        kept,
        entry.task,
    )
