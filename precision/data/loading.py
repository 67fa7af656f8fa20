"""Loading a dataset by name, and the options that work on every dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from precision.data.dataset import Dataset
from precision.data.files.locate import data_directory
from precision.data.labels import resolve_classes
from precision.data.options import (
    CommonOptions,
    check_size,
    check_task,
    check_vectors,
    location_of,
    parse,
)
from precision.data.resizing import resize_images
from precision.data.sampling import subset
from precision.data.scaling import scaled, targets_scaled
from precision.errors import PrecisionError
from precision.registry import DATASETS


def check(name: str, options: Mapping[str, Any]) -> None:
    """Check a dataset's name and options without touching a file.

    Raises:
        PrecisionError: for an unknown name or option, a missing option, or a value against its rule.

    >>> from precision.data import check
    >>> check("digits", {"train_size": 100})  # all is well
    >>> check("digits", {"train_size": -1})
    Traceback (most recent call last):
    precision.errors.LocatedError: option 'train_size' of dataset 'digits' must be a positive integer,
    but got -1
    """
    parse(name, options)


def load(name: str, *, data_dir: str | Path | None = None, **options: Any) -> Dataset:
    """Load a dataset: the same images in the same order every time.

    Args:
        name: a name in the registry, for example ``"mnist"``.
        data_dir: where the files of the catalogue's datasets lie. None: the folder that the environment
            variable PRECISION_DATA names, if it does. What is missing there comes from the user's cache
            folder, and into that folder from the net.
        **options: the dataset's own, and those of every dataset, applied in this order:
            ``classes`` (labels or names) keeps these and numbers them 0..k-1 in the given order;
            ``train_size`` and ``test_size`` take so many images, each class by its share or, with
            ``stratified=False``, at random; ``resize`` ([height, width]) interpolates bilinearly;
            ``scale`` says how the numbers are read (see ``precision.data.scaling``), and ``target_scale``
            how the targets of a regression are;
            ``augment`` (see ``Augmentation``) is checked and left to whoever trains.

    Raises:
        PrecisionError: for a wrong name or option, a data directory or file that is not there, a file
            whose content is wrong, or a failed download.

    >>> from precision.data import load
    >>> dataset = load("digits", train_size=100, classes=[3, 7])
    >>> dataset.x_train.shape, dataset.x_train.dtype, dataset.class_names
    ((100, 28, 28, 1), dtype('uint8'), ('3', '7'))
    """
    own, common = parse(name, options)
    dataset: Dataset = DATASETS.call(name, Dataset, data_directory(data_dir), **own)
    return _apply(dataset, common)


def _apply(full: Dataset, common: CommonOptions) -> Dataset:
    # A partial dataset has its counts in the title; they are put back at the end, as they are then.
    title = full.title.removesuffix(_counts(full))
    counted = title != full.title

    if full.vectors:
        check_vectors(full.name, common, title, *full.input_shape)
    check_task(full.name, common, title, full.task)
    dataset = full
    if common.classes is not None:
        dataset = _keep_classes(dataset, common.classes)
        title += f": {', '.join(dataset.class_names)}"
    if common.train_size is not None or common.test_size is not None:
        before = _counts(dataset)
        dataset = _reduce(dataset, common)
        counted = counted or before != _counts(dataset)
    if common.resize is not None and common.resize != dataset.input_shape[:2]:
        height, width = common.resize
        title += f" at {height}x{width}"
        dataset = replace(
            dataset,
            x_train=resize_images(dataset.x_train, common.resize),
            x_test=resize_images(dataset.x_test, common.resize),
        )
    read = scaled(dataset, common.scale, location_of(dataset.name, "scale"))
    if common.scale is not None:
        title += f", scale {common.scale}"
    if dataset.task == "regression":
        read = targets_scaled(read, common.target_scale)
        title += ", target scale standard" if common.target_scale == "standard" else ""
    return replace(read, title=title + _counts(dataset) if counted else title)


def _counts(dataset: Dataset) -> str:
    return f" ({len(dataset.y_train)}/{len(dataset.y_test)})"


def _keep_classes(dataset: Dataset, chosen: tuple[int | str, ...]) -> Dataset:
    location = location_of(dataset.name, "classes")
    labels = resolve_classes(location, chosen, dataset.class_names)
    renumbered = np.full(dataset.classes, -1, np.int64)
    renumbered[labels] = np.arange(len(labels))
    y_train, y_test = renumbered[dataset.y_train], renumbered[dataset.y_test]
    for part, kept in (("train", y_train >= 0), ("test", y_test >= 0)):
        if not kept.any():
            raise PrecisionError(
                f"{location} leaves no {part} image of {dataset.title}; choose other classes"
            )
    return replace(
        dataset,
        x_train=dataset.x_train[y_train >= 0],
        y_train=y_train[y_train >= 0],
        x_test=dataset.x_test[y_test >= 0],
        y_test=y_test[y_test >= 0],
        class_names=tuple(dataset.class_names[label] for label in labels),
    )


def _reduce(dataset: Dataset, common: CommonOptions) -> Dataset:
    if common.train_size is not None:
        check_size(location_of(dataset.name, "train_size"), common.train_size, len(dataset.y_train))
        taken = subset(dataset.asks.strata(dataset.y_train), common.train_size, common.stratified)
        dataset = replace(dataset, x_train=dataset.x_train[taken], y_train=dataset.y_train[taken])
    if common.test_size is not None:
        check_size(location_of(dataset.name, "test_size"), common.test_size, len(dataset.y_test))
        taken = subset(dataset.asks.strata(dataset.y_test), common.test_size, common.stratified)
        dataset = replace(dataset, x_test=dataset.x_test[taken], y_test=dataset.y_test[taken])
    return dataset
