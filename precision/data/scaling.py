"""How the numbers of a data set are read: what is done to them before a network meets them.

Whatever is measured for it is measured on the training part alone, and done to both.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from precision.data.dataset import Dataset
from precision.errors import PrecisionError, short

_OF_VECTORS = "standard"  # features have units of their own, on which a network should not depend
_LINES = 1000  # images at a time: the numbers in between are of twice the size
_FAR = 10.0  # size of targets, and its inverse, beyond which a new network begins far from all of them
_ROUNDED = 1e-4  # by which images in 0..1 may miss that range, as after an interpolation

# As keras.applications prepares images of 0..255: what is subtracted from red, green and blue, and what
# divides it then. Those of caffe enter in the order blue, green, red.
_KERAS = {
    "tf": ((127.5,), (127.5,)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    "torch": (
        (255 * 0.485, 255 * 0.456, 255 * 0.406),
        (255 * 0.229, 255 * 0.224, 255 * 0.225),
    ),
}


def scaled(dataset: Dataset, scale: str | None, location: str = "scale") -> Dataset:
    """Return a data set whose numbers are read in one of these ways, and that says so.

    Args:
        dataset: images (N, H, W, C) or vectors (N, features), uint8 or float32.
        scale: ``standard`` makes the mean of each feature, or channel, of the training part 0 and its
            standard deviation 1; ``minmax`` its least number 0 and its largest 1, and a feature that is
            constant 0 in both. ``0..1`` and ``-1..1`` map the range of all numbers to this one: 0..1 or
            0..255 where they lie within, otherwise that of the training part. ``tf``, ``caffe`` and ``torch``
            do to 0..255, or 0..1, what keras.applications does. ``none`` leaves all as it is. None is
            ``standard`` for vectors that their source has not scaled; images are left to ``as_float``.
        location: how messages name the option.

    Raises:
        PrecisionError: where ``tf``, ``caffe`` or ``torch`` meets other numbers or other channels.
    """
    if scale is None and dataset.scaling:  # by the source itself
        return dataset
    if scale is None and not dataset.vectors:
        _warn(dataset)
        return dataset
    scale = scale or _OF_VECTORS
    if scale == "0..1" and dataset.x_train.dtype == np.uint8:  # what happens to bytes anyway
        return replace(dataset, scaling="0..255 to 0..1")
    if scale in _KERAS:
        shift, step, done = _of_keras(dataset, scale, location)
    elif ".." in scale:
        low, high = _range(dataset.x_train)
        least = -1 if scale == "-1..1" else 0
        step = np.array((high - low) / (1 - least) or 1.0)
        shift, done = low - least * step, f"{low:g}..{high:g} to {scale}"
    else:
        shift, step, done = _measured(dataset.x_train, scale)
    order = slice(None, None, -1 if scale == "caffe" else 1)
    train, test = (_moved(part, shift, step)[..., order] for part in (dataset.x_train, dataset.x_test))
    return replace(dataset, scaling=done, x_train=train, x_test=test)


def targets_scaled(dataset: Dataset, scale: str | None) -> Dataset:
    """Return a regression whose targets are read in one of these ways, and that says so.

    Args:
        scale: ``standard`` makes the mean of each target over the training part 0 and its standard deviation
            1 and does the same to the test part; ``none`` leaves all as it is. None leaves it too, and warns
            where a new network would take long to get there.
    """
    mean = dataset.y_train.mean(axis=0, dtype=np.float64)
    step = dataset.y_train.std(axis=0, dtype=np.float64)
    if scale == "standard":
        constant = (dataset.y_train.min(axis=0) == dataset.y_train.max(axis=0)) | (step == 0)
        mean = np.where(constant, dataset.y_train[0], mean)
        step = np.where(constant, 1.0, step)
        parts = {"y_train": dataset.y_train, "y_test": dataset.y_test}
        each = ", ".join(
            f"{name} less {shift:.6g}, divided by {by:.6g}"
            for name, shift, by in zip(dataset.class_names, mean, step, strict=True)
        )
        return replace(
            dataset,
            target_scaling=short(each, 1000),
            **{name: ((part - mean) / step).astype(np.float32) for name, part in parts.items()},
        )
    size = float(np.sqrt(np.max(mean**2 + step**2)))
    if scale is None and (size > _FAR or size < 1 / _FAR):
        warnings.warn(
            f"{dataset.title}: the targets are of the size of {size:.3g}, which a new network takes long to "
            "learn; say with the option 'target_scale' how they are read: 'standard', or 'none' for a model "
            "that returns them as they are",
            stacklevel=4,
        )
    return dataset


def _measured(x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Return what is subtracted from each feature or channel, what divides it then, and both in words."""
    features = x.reshape(-1, x.shape[-1])
    if scale == "none":
        return np.zeros(1), np.ones(1), "as they are"
    each = "feature" if x.ndim == 2 else "channel"
    if scale == "standard":
        shift, step = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
        done = f"each {each} to mean 0 and standard deviation 1 of the training part"
    else:
        shift = features.min(axis=0).astype(np.float64)
        step = features.max(axis=0) - shift
        done = f"each {each} to 0..1 of the training part"
    # The mean of a constant feature may be inexact, and the deviation of hardly different ones 0.
    constant = (features.min(axis=0) == features.max(axis=0)) | (step == 0)
    return np.where(constant, features[0], shift), np.where(constant, 1.0, step), done


def _of_keras(dataset: Dataset, scale: str, location: str) -> tuple[np.ndarray, np.ndarray, str]:
    low, high = _range(dataset.x_train)
    shift, step = map(np.array, _KERAS[scale])
    if dataset.vectors or len(shift) not in (1, dataset.x_train.shape[-1]):
        got = "vectors" if dataset.vectors else f"images of {dataset.x_train.shape[-1]} channels"
        kind = "images" if len(shift) == 1 else "images of 3 channels"
        raise PrecisionError(f"{location}: {scale!r} is for {kind}, but {dataset.title} has {got}")
    if (low, high) not in ((0.0, 1.0), (0.0, 255.0)):
        raise PrecisionError(
            f"{location}: {scale!r} is for numbers in 0..255 or 0..1, but those of {dataset.title} are in "
            f"{low:g}..{high:g}; take '-1..1' or 'standard'"
        )
    return shift * high / 255, step * high / 255, f"0..{high:g} as keras.applications does for {scale}"


def _range(x: np.ndarray) -> tuple[float, float]:
    """Return the range in which numbers lie: 0..1, 0..255, or otherwise from the least to the largest."""
    low, high = float(x.min()), float(x.max())
    if x.dtype == np.uint8 or (low >= 0 and 1 + _ROUNDED < high <= 255 + 255 * _ROUNDED):
        return 0.0, 255.0
    return (0.0, 1.0) if low >= -_ROUNDED and high <= 1 + _ROUNDED else (low, high)


def _warn(dataset: Dataset) -> None:
    """Warn of images of real numbers that lie where no network expects them."""
    if dataset.x_train.dtype == np.uint8:
        return
    parts = (dataset.x_train, dataset.x_test)
    low, high = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
    if low < -_ROUNDED or high > 1 + _ROUNDED:
        warnings.warn(
            f"{dataset.title}: the numbers of the images are in {low:g}..{high:g}, neither bytes nor in "
            "0..1, and enter the network as they are; say with the option 'scale' how they are read, such as "
            "'0..1', or 'none' for this",
            stacklevel=4,
        )


def _moved(x: np.ndarray, shift: np.ndarray, step: np.ndarray) -> np.ndarray:
    moved = np.empty(x.shape, np.float32)
    for start in range(0, len(x), _LINES):
        lines = slice(start, start + _LINES)
        moved[lines] = (x[lines] - shift) / step
    return moved
