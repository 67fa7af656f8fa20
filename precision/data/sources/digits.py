"""The digits that come with scikit-learn: real data without any download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from precision.data.dataset import Dataset
from precision.data.files.catalogue import ENTRIES
from precision.data.resizing import resize_images
from precision.data.sampling import split
from precision.registry import DATASETS


@DATASETS.register("digits")
def digits(data_dir: Path | None) -> Dataset:
    """Handwritten digits bundled with scikit-learn, 8x8 enlarged to 28x28 gray (Alpaydin and Kaynak).

    The originals have the values 0..16, which become 0..255. Their order is by writer, so the split
    (a fifth of each class for testing) is drawn at random, once and for all.
    """
    from sklearn.datasets import load_digits

    entry = ENTRIES["digits"]
    original, labels = load_digits(return_X_y=True)
    small = (original.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.float32)
    images = np.rint(resize_images(small, entry.size)).astype(np.uint8)
    labels = labels.astype(np.int64)
    train, test = split(labels, 0.2, "digits", entry.class_names)
    parts = images[train], labels[train], images[test], labels[test]
    return Dataset("digits", entry.title, *parts, entry.class_names, split=True)
