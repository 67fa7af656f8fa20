"""Datasets: images and labels as NumPy arrays, by name, from bundled, downloaded or own files.

    dataset = load("mnist", train_size=6000, test_size=1000)
    dataset.x_train        # (6000, 28, 28, 1) uint8

A new dataset is one function that returns a ``Dataset``, registered with ``@DATASETS.register("name")``.
It takes the data directory first and its own options as keywords; an option whose annotation is
``Annotated``, such as the types of ``precision.data.rules``, is checked before anything is loaded.
"""

from precision.data import sources as sources
from precision.data.augment import Augmentation
from precision.data.dataset import Dataset, as_float
from precision.data.extent import Extent, extent
from precision.data.identity import fingerprint
from precision.data.listing import describe, describe_options
from precision.data.loading import check, load
from precision.data.options import path_options

__all__ = [
    "Augmentation",
    "Dataset",
    "Extent",
    "as_float",
    "check",
    "describe",
    "describe_options",
    "extent",
    "fingerprint",
    "load",
    "path_options",
]
