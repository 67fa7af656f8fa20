"""How the numbers of a data set are read: what is done to them before they enter a network.

Whatever is measured for it is measured on the training part alone, and done to both.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from precision.data.dataset import Dataset

_OF_VECTORS = "standard"  # features have units of their own, of which a network should not depend


def scaled(dataset: Dataset, scale: str | None) -> Dataset:
    """Return a data set whose numbers are read in one of these ways.

    Args:
        dataset: images (N, H, W, C) or vectors (N, features), uint8 or float32.
        scale: ``standard`` makes the mean of each feature, or channel, of the training part 0 and its
            standard deviation 1; ``minmax`` its least number 0 and its largest 1, and a feature that is
            constant 0 in both; ``none`` leaves all as it is. None is ``standard`` for vectors; images are
            left to ``as_float``.
    """
    if scale is None and not dataset.vectors:
        return dataset
    shift, step = _measured(dataset.x_train, scale or _OF_VECTORS)
    return replace(
        dataset,
        x_train=_moved(dataset.x_train, shift, step),
        x_test=_moved(dataset.x_test, shift, step),
    )


def _measured(x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what is subtracted from each feature or channel, float64 (F,), and what divides it then."""
    features = x.reshape(-1, x.shape[-1])
    if scale == "none":
        return np.zeros(features.shape[1]), np.ones(features.shape[1])
    if scale == "standard":
        shift, step = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    else:
        shift = features.min(axis=0).astype(np.float64)
        step = features.max(axis=0) - shift
    # The mean of a constant feature may be inexact, and the deviation of hardly different ones 0.
    constant = (features.min(axis=0) == features.max(axis=0)) | (step == 0)
    return np.where(constant, features[0], shift), np.where(constant, 1.0, step)


def _moved(x: np.ndarray, shift: np.ndarray, step: np.ndarray) -> np.ndarray:
    return ((x - shift) / step).astype(np.float32)
