"""What a network said of the test images as the content of files: predictions, and what is kept by class."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from precision.data.files import npy
from precision.errors import said
from precision.tasks import by_class

BY_CLASS = 2**20  # bytes of what is kept by class, at most, also of an array of it


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


def encode_by_class(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of by_class.npz; the same arrays give the same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)  # the dates in it are constant
    return stream.getvalue()


def decode_by_class(content: bytes) -> dict[str, np.ndarray]:
    """Return what is kept by class, see ``tasks.by_class``.

    Raises:
        ValueError: when it is something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(member.file_size > BY_CLASS for member in archive.infolist()):
                raise ValueError(f"an array here has at most {BY_CLASS} bytes")
            found = {
                member.filename.removesuffix(".npy"): npy.decode(archive.read(member))
                for member in archive.infolist()
            }
        shapes = {name: array.shape for name, array in found.items()}
    except Exception as error:  # a damaged header can lead to anything
        raise ValueError(said(error)) from None
    classes = len(found.get("auc", ()))
    kept = len(by_class.rates())
    expected = {"confusion": (classes, classes + 1), "auc": (classes,), "roc": (classes, kept)}
    if shapes != expected:
        raise ValueError(f"it holds arrays of the shapes {shapes}")
    return found
