"""Labels: numbering them from 0, and choosing classes by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from precision.errors import PrecisionError, shown, suggest


def number_labels(
    train: np.ndarray, test: np.ndarray | None, location: str
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Number the classes of a user's file from 0 in ascending order of their labels.

    Labels 0..k-1 stay what they are; labels 1..k, labels with gaps and text are renumbered.

    Args:
        train: labels (N,), integers, truth values or text.
        test: labels of the same kind, or None.
        location: the file, for the message.

    Returns:
        Train labels and test labels as int64 in 0..k-1, and the original labels as class names.

    Raises:
        PrecisionError: if a test label does not occur in training.
    """
    if test is not None and "U" in train.dtype.kind + test.dtype.kind:
        train, test = (
            train.astype(str),
            test.astype(str),
        )  # of words, one file may have those that are numbers
    known, y_train = np.unique(train, return_inverse=True)
    names = tuple(str(label) for label in known.tolist())
    if test is None:
        return y_train.astype(np.int64), None, names
    strange = sorted(set(test.tolist()) - set(known.tolist()), key=str)
    if strange:
        raise PrecisionError(
            f"{location}: every test label must occur in training, but got {shown(strange[0])}; "
            f"{suggest(strange[0], names)}"
        )
    return y_train.astype(np.int64), np.searchsorted(known, test).astype(np.int64), names


def resolve_classes(location: str, chosen: Sequence[int | str], names: Sequence[str]) -> list[int]:
    """Return the label of each chosen class.

    Text is a class name. An integer is a label, except where all class names are themselves integers:
    there it is the name, which differs if the file's labels were renumbered.

    Raises:
        PrecisionError: for a class that does not exist or is chosen twice.
    """
    numeric = all(_is_integer_text(name) for name in names)
    labels: list[int] = []
    for item in chosen:
        if isinstance(item, str) or numeric:
            if str(item) not in names:
                raise PrecisionError(
                    f"{location} names the class {shown(item)}, which is unknown; {suggest(item, names)}"
                )
            label = list(names).index(str(item))
        elif 0 <= item < len(names):
            label = item
        else:
            raise PrecisionError(f"{location} must hold labels in 0..{len(names) - 1}, but got {item}")
        if label in labels:
            raise PrecisionError(f"{location} must name each class once, but got {shown(names[label])} twice")
        labels.append(label)
    return labels


def _is_integer_text(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
