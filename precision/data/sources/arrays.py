"""Arrays of a user's files as what a data set holds: images or vectors, and their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from precision.data.sources.assembly import check_finite
from precision.errors import PrecisionError


def as_inputs(parts: Sequence[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """Return the images (N, H, W, C), uint8 or float32, or the vectors (N, features), float32, of arrays.

    Args:
        parts: where each array comes from, for messages, and the array of numbers: (N, features), (N, H, W)
            or (N, H, W, C). Images of whole numbers are uint8 if all of them, in all parts, are in 0..255.

    Raises:
        PrecisionError: for another shape, for what are no numbers, and for NaN and infinity.
    """
    for location, array in parts:
        if array.ndim not in (2, 3, 4) or 0 in array.shape:
            raise PrecisionError(
                f"{location} must have the shape (N, features) of vectors, or (N, H, W) or (N, H, W, C) of "
                f"images, but got {array.shape}"
            )
        if array.dtype.kind not in "iufb":
            raise PrecisionError(f"{location} must be integers or floats, but got {array.dtype}; convert it")
    whole = [array for _, array in parts if array.dtype.kind in "iub"]
    small = all(array.min() >= 0 and array.max() <= 255 for array in whole)
    return [_converted(location, array, small) for location, array in parts]


def _converted(location: str, array: np.ndarray, small: bool) -> np.ndarray:
    if array.ndim > 2:
        array = array.reshape(*array.shape[:3], -1)
        if array.dtype.kind in "iub" and small:
            return array.astype(np.uint8)
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused
        array = array.astype(np.float32)
    check_finite(array, location)
    return array


def as_labels(location: str, array: np.ndarray, count: int) -> np.ndarray:
    """Return labels (N,) as integers, truth values or text without blanks around it.

    Args:
        location: where they come from, for messages.
        array: shape (N,) or (N, 1), integers, floats that are whole, truth values, or text.
        count: N, how many images or vectors there are.

    Raises:
        PrecisionError: for anything else, and for a label that is empty.
    """
    labels = array.reshape(-1) if array.shape == (count, 1) else array
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    whole = labels.dtype.kind == "f" and bool((np.isfinite(labels) & (labels == np.rint(labels))).all())
    if labels.shape != (count,) or (labels.dtype.kind not in "iubU" and not whole):
        odd = labels.dtype.kind == "f" and labels.shape == (count,)
        got = f"{labels[labels != np.rint(labels)][0]}" if odd else f"{array.dtype} {array.shape}"
        raise PrecisionError(
            f"{location} must hold one label, an integer or a text, for each of {count} images, but got {got}"
        )
    if labels.dtype.kind == "U":
        labels = np.char.strip(labels)
        if (labels == "").any():
            raise PrecisionError(
                f"{location}: every image needs a label, but image {int((labels == '').argmax())} has none"
            )
    return labels.astype(np.int64) if whole else labels
