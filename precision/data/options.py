"""The options of a dataset: its own ones, the ones that all datasets have, and checking both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from precision.data.augment import Augment
from precision.data.files.catalogue import ENTRIES
from precision.data.labels import resolve_classes
from precision.data.rules import FOLDER, Classes, Count, Scale, Size, TargetScale
from precision.errors import PrecisionError
from precision.options import Flag, Options, options_of, read
from precision.registry import DATASETS


@dataclass(frozen=True)
class CommonOptions:
    """The options that every dataset has; None leaves the dataset as it is. They are applied in this order.

    Attributes:
        classes: the labels or names of those to keep; they are numbered 0..k-1 in the order given.
        train_size: how many images to train with, the same every time.
        test_size: how many images to test with, likewise.
        stratified: whether each class keeps its share when fewer images are taken.
        resize: the size to which all images are interpolated bilinearly.
        scale: how numbers are read, by what is measured on the training part: ``standard`` gives each
            feature, or channel, mean 0 and standard deviation 1, ``minmax`` least number 0 and largest 1;
            ``0..1`` and ``-1..1`` map the range of all; ``tf``, ``caffe`` and ``torch`` are those of
            keras.applications; ``none`` leaves them. If not given, vectors have ``standard``, images of uint8
            are divided by 255 and others left.
        target_scale: of a regression, what is done to the targets: ``standard`` gives each mean 0 and
            standard deviation 1 on the training part, in whose deviations errors are then counted; ``none``
            leaves them, as does no value, with a warning where they are far from that.
        augment: random movements of the training images, anew in every epoch: ``rotation`` to either side in
            degrees, ``shift`` and ``zoom`` as fractions of the size.
    """

    classes: Classes | None = None
    train_size: Count | None = None
    test_size: Count | None = None
    stratified: Flag = True
    resize: Size | None = None
    scale: Scale | None = None
    target_scale: TargetScale | None = None
    augment: Augment | None = None


COMMON = tuple(field.name for field in fields(CommonOptions))


def location_of(name: str, option: str) -> str:
    """Return how a message names an option of a dataset."""
    return f"option {option!r} of dataset {name!r}"


def model_of(name: str) -> type[Options]:
    """Return what the options of a dataset may be: the common ones, and its own.

    Raises:
        PrecisionError: for an unknown dataset.
    """
    return options_of(CommonOptions, DATASETS[name])


def path_options(name: str) -> set[str]:
    """Return the options of a dataset that are paths of the user's files; none for an unknown dataset.

    >>> from precision.data import path_options
    >>> path_options("image_folder")
    {'path'}
    """
    try:
        model = model_of(name)
    except PrecisionError:
        return set()
    return {option for option, field in model.model_fields.items() if field.annotation is Path}


def folder_options(name: str) -> set[str]:
    """Return those of :func:`path_options` that are folders."""
    fields = model_of(name).model_fields
    return {option for option in path_options(name) if FOLDER in fields[option].metadata}


def parse(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], CommonOptions]:
    """Check all options and return the dataset's own and the common ones, in their final types.

    A null means the default where that is null as well, and is an error elsewhere.

    Raises:
        PrecisionError: for an unknown dataset or option, a missing option, or a value against its rule.
    """
    model = model_of(name)
    null = {option for option, field in model.model_fields.items() if field.default is None}
    given = {option: value for option, value in options.items() if value is not None or option not in null}
    parsed = read(model, given, f"dataset {name!r}", "option {key!r} of {owner} must be")
    own = DATASETS.options(name)
    # What a source does by itself is not done again.
    shared = {option: value for option, value in parsed.items() if option in COMMON and option not in own}
    common = CommonOptions(**shared)
    _check_against_catalogue(name, common)
    return {option: parsed[option] for option in parsed if option in own}, common


def _check_against_catalogue(name: str, common: CommonOptions) -> None:
    """Refuse already here what a dataset of known content would refuse once it is loaded."""
    entry = ENTRIES.get(name)
    if entry is None:
        return
    check_task(name, common, entry.title, entry.task)
    if common.classes is not None:
        resolve_classes(location_of(name, "classes"), common.classes, entry.class_names)
    if len(entry.shape) == 1:
        check_vectors(name, common, entry.title, entry.shape[0])
    check_size(location_of(name, "train_size"), common.train_size, entry.train)
    check_size(location_of(name, "test_size"), common.test_size, entry.test)


def check_task(name: str, common: CommonOptions, title: str, task: str) -> None:
    """Refuse the options of classes where there are none, and those of a regression where there is none.

    Raises:
        PrecisionError: naming the option.
    """
    what = {"classes": "classification", "target_scale": "regression"}
    for option, wanted in what.items():
        if getattr(common, option) is not None and task != wanted:
            raise PrecisionError(
                f"{location_of(name, option)} is for a {wanted}, but {title} is for the task {task}; leave "
                "it out"
            )


def check_vectors(name: str, common: CommonOptions, title: str, features: int) -> None:
    """Refuse the options of images for vectors.

    Raises:
        PrecisionError: naming the option.
    """
    for option in ("resize", "augment"):
        if getattr(common, option) is not None:
            raise PrecisionError(
                f"{location_of(name, option)} is for images, but {title} has vectors of {features} numbers; "
                "leave it out"
            )


def check_size(location: str, wanted: int | None, available: int) -> None:
    """Refuse to take more images than there are.

    Raises:
        PrecisionError: naming both numbers.
    """
    if wanted is not None and wanted > available:
        raise PrecisionError(
            f"{location} asks for {wanted} images, but there are only {available}; ask for fewer"
        )
