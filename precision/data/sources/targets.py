"""What the targets in a user's files are: classes, labels that are there or not, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from precision import tasks
from precision.errors import PrecisionError
from precision.tasks import CLASSIFICATION, Task

Given = tuple[str, np.ndarray, int]
"""Where targets come from, for messages; the array; and how many images or vectors there are."""


@dataclass(frozen=True)
class Targets:
    """The targets of a file, or of its train and test parts.

    Attributes:
        parts: of classes as the file has them, (N,) integers or text; otherwise as ``Task.check`` wants them.
        names: of what a network returns; empty for classes, which are named by their labels.
    """

    task: Task
    parts: list[np.ndarray]
    names: tuple[str, ...]


def as_targets(given: Sequence[Given], task: str | None, names: Sequence[str] = ()) -> Targets:
    """Return what the targets of all parts are, as one task.

    Without a task a column of whole numbers or texts has classes, numbers with fractions are a regression,
    and several columns of 0 and 1 are labels that are there or not.

    Args:
        task: its name, where the user says it.
        names: of the columns, where the file has them.

    Raises:
        PrecisionError: for what is none of them, and for what may be either of two.
    """
    arrays = [_flat(array, count) for _, array, count in given]
    wanted = tasks.named(task or _guessed(given, arrays))
    if wanted is CLASSIFICATION:
        return Targets(wanted, [as_labels(*one) for one in zip(*_rows(given, arrays), strict=True)], ())
    parts = [
        _numbers(location, array, count) for (location, _, count), array in zip(given, arrays, strict=True)
    ]
    columns = {part.shape[1] for part in parts}
    if len(columns) > 1:
        raise PrecisionError(
            f"{given[1][0]} must have as many columns as {given[0][0]}, but got {sorted(columns)}"
        )
    count = columns.pop()
    if wanted.name == "multi_label":
        for (location, _, _), part in zip(given, parts, strict=True):
            _check_labels(location, part)
        parts = [part.astype(np.uint8) for part in parts]
    else:
        with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused
            parts = [part.astype(np.float32) for part in parts]
    word = "label" if wanted.name == "multi_label" else "target"
    usual = [word] if count == 1 else [f"{word}{number}" for number in range(count)]
    return Targets(wanted, parts, tuple(names or usual))


def _rows(
    given: Sequence[Given], arrays: Sequence[np.ndarray]
) -> tuple[list[str], list[np.ndarray], list[int]]:
    """Return locations, labels and counts; of columns of which each image has one, its number."""
    locations, counts = [one[0] for one in given], [one[2] for one in given]
    found = []
    for array in arrays:
        single = array.ndim == 2 and array.dtype.kind in "iubf" and _one_of_each(array)
        found.append(array.argmax(axis=1) if single else array)
    return locations, found, counts


def _flat(array: np.ndarray, count: int) -> np.ndarray:
    return array.reshape(-1) if array.shape == (count, 1) else array


def _guessed(given: Sequence[Given], arrays: Sequence[np.ndarray]) -> str:
    if all(array.ndim == 2 and array.dtype.kind in "iubf" and array.size for array in arrays):
        location = given[0][0]
        if all(((array == 0) | (array == 1)).all() for array in arrays):
            if all(map(_one_of_each, arrays)):
                raise PrecisionError(
                    f"{location}: each image has exactly one of {arrays[0].shape[1]} labels; say with the "
                    "option 'task' whether they are the classes of a 'classification', or 'multi_label'"
                )
            return "multi_label"
        if not any(map(_has_fractions, arrays)):
            raise PrecisionError(
                f"{location}: columns of whole numbers are not classes; if they are numbers to be predicted, "
                "set the option 'task' to 'regression'"
            )
        return "regression"
    lines = all(array.ndim == 1 for array in arrays)
    return "regression" if lines and any(map(_has_fractions, arrays)) else CLASSIFICATION.name


def _has_fractions(array: np.ndarray) -> bool:
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        return False
    return bool((array != np.rint(array)).any())


def _one_of_each(array: np.ndarray) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _numbers(location: str, array: np.ndarray, count: int) -> np.ndarray:
    """Return numbers (N, columns)."""
    if array.dtype.kind not in "iufb" or array.ndim not in (1, 2) or len(array) != count or 0 in array.shape:
        raise PrecisionError(
            f"{location} must hold numbers of the shape ({count},) or ({count}, columns), but got "
            f"{array.dtype} {array.shape}"
        )
    return array.reshape(count, -1)


def _check_labels(location: str, array: np.ndarray) -> None:
    strange = array[(array != 0) & (array != 1)]
    if len(strange):
        raise PrecisionError(f"{location} must hold 0 or 1 for each label, but got {strange[0]}")
    if array.shape[1] < 2:
        raise PrecisionError(
            f"{location} must have a column for each of at least 2 labels, but got {array.shape}; one label "
            "that is there or not makes two classes: leave the option 'task' out"
        )


def as_labels(location: str, array: np.ndarray, count: int) -> np.ndarray:
    """Return labels (N,) as integers, truth values or text without blanks around it.

    Args:
        location: where they come from, for messages.
        array: shape (N,), integers, floats that are whole, truth values, or text.
        count: N, how many images or vectors there are.

    Raises:
        PrecisionError: for anything else, and for a label that is empty.
    """
    labels = array
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    fits = (
        np.isfinite(labels) & (labels == np.rint(labels)) if labels.dtype.kind == "f" else np.zeros(0, bool)
    )
    whole = labels.dtype.kind == "f" and bool(fits.all())
    if labels.shape != (count,) or (labels.dtype.kind not in "iubU" and not whole):
        odd = labels.dtype.kind == "f" and labels.shape == (count,)
        got = f"{labels[~fits][0]}" if odd else f"{array.dtype} {array.shape}"
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
