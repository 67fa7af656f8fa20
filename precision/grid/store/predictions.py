"""What a network predicted of the test images as the content of a file."""

from __future__ import annotations

import io

import numpy as np

from precision.data.files import npy
from precision.errors import said


def encode(predictions: np.ndarray) -> bytes:
    """Return the content of predictions.npy."""
    stream = io.BytesIO()
    np.save(stream, predictions, allow_pickle=False)
    return stream.getvalue()


def decode(content: bytes) -> np.ndarray:
    """Return the predictions, shape (test images,) of classes, or (test images, outputs).

    Raises:
        ValueError: when it is something else.
    """
    try:
        predictions = npy.decode(content)
    except Exception as error:  # a damaged header can lead to anything
        raise ValueError(said(error)) from None
    if predictions.ndim not in (1, 2):
        raise ValueError("it holds something else than a class, or a row, per image")
    return predictions
