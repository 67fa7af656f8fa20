"""Arrays of a user's files as what a data set holds: images or vectors."""

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
