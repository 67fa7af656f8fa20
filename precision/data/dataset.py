"""What every dataset is once loaded: four arrays, the names of what is to be said of an image, a title."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from precision import tasks
from precision.errors import PrecisionError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or vectors for training and for testing, and what a network is to say of each of them.

    Messages and numbers call both images.

    Attributes:
        name: the name in the registry, for example ``"mnist"``.
        title: what a report prints, for example ``"MNIST (6000/1000)"``.
        x_train: images (N, H, W, C), uint8 in 0..255 or float32 usually in 0..1, or vectors
            (N, features), float32.
        y_train: what is to be said, as the task wants it: of classes labels (N,), int64 in 0..classes-1;
            of several labels 0 or 1 (N, labels), uint8; of a regression numbers (N, targets), float32.
        x_test: images or vectors as in ``x_train``, of the same size and type.
        y_test: labels as in ``y_train``.
        class_names: one name per class, label or target.
        scaling: what has been done to the numbers of the files, in words; empty for nothing.
        task: what a network is asked, one of ``precision.tasks``.
        target_scaling: what has been done to the targets of a regression, in words; empty for nothing.
        split: whether the data came in one part, of which the test part was taken at random.

    Raises:
        PrecisionError: if the arrays break one of these rules.

    >>> from precision.data import load
    >>> dataset = load("digits")
    >>> dataset.x_train.shape, dataset.classes, dataset.input_shape
    ((1437, 28, 28, 1), 10, (28, 28, 1))
    """

    name: str
    title: str
    x_train: np.ndarray = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    x_test: np.ndarray = field(repr=False)
    y_test: np.ndarray = field(repr=False)
    class_names: tuple[str, ...]
    scaling: str = field(default="", repr=False)
    task: str = field(default=tasks.CLASSIFICATION.name, repr=False)
    target_scaling: str = field(default="", repr=False)
    split: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        least, what = self.asks.least, self.asks.outputs
        if self.classes < least:
            raise PrecisionError(f"{self.title}: at least {least} {what} are needed, but got {self.classes}")
        self._check_part("train", self.x_train, self.y_train)
        self._check_part("test", self.x_test, self.y_test)
        train, test = self.x_train, self.x_test
        if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
            raise PrecisionError(
                f"{self.title}: train and test images must have one size and type, but got "
                f"{train.shape[1:]} {train.dtype} and {test.shape[1:]} {test.dtype}"
            )

    def _check_part(self, part: str, images: np.ndarray, labels: np.ndarray) -> None:
        location = f"{self.title}: {part}"
        if images.ndim not in (2, 4) or 0 in images.shape:
            raise PrecisionError(
                f"{location} images must have the shape (N, H, W, C), and vectors (N, features), "
                f"but got {images.shape}"
            )
        if images.dtype not in (np.uint8, np.float32):
            raise PrecisionError(f"{location} images must be uint8 or float32, but got {images.dtype}")
        if len(labels) != len(images):
            raise PrecisionError(
                f"{location} has {len(images)} images, so labels must have the shape ({len(images)},), "
                f"but got {labels.shape}"
            )
        self.asks.check(location, labels, self.class_names)

    @property
    def asks(self) -> tasks.Task:
        """What a network is asked."""
        return tasks.named(self.task)

    @property
    def classes(self) -> int:
        """How many classes, labels or targets there are: the numbers that a network returns."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Height, width and channels of one image, or the features of one vector."""
        return self.x_train.shape[1:]

    @property
    def vectors(self) -> bool:
        """Whether these are vectors and no images."""
        return self.x_train.ndim == 2

    @property
    def reading(self) -> str:
        """How the numbers of the files enter a network, in words."""
        return self.scaling or ("divided by 255" if self.x_train.dtype == np.uint8 else "as they are")

    def counts(self, part: str) -> str:
        """Return how what is to be said is distributed in ``train`` or ``test``: ``cat 12, dog 30``."""
        return self.asks.described(self.y_train if part == "train" else self.y_test, self.class_names)

    def digest(self) -> str:
        """Return the sha256 (64 hexadecimal digits) of the four arrays: shapes, types and values."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            little_endian = array.dtype.newbyteorder("<")
            digest.update(f"{little_endian.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, little_endian).data)
        return digest.hexdigest()


def as_float(images: np.ndarray) -> np.ndarray:
    """Return images as float32: uint8 divided by 255, float32 untouched (the same array).

    Raises:
        PrecisionError: for any other type.

    >>> import numpy as np
    >>> from precision.data import as_float
    >>> as_float(np.array([0, 255], dtype="uint8")).tolist()
    [0.0, 1.0]
    """
    if images.dtype == np.float32:
        return images
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    raise PrecisionError(f"images must be uint8 or float32, but got {images.dtype}")
