"""The tables of measurements that come with scikit-learn: vectors without any download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from precision import tasks
from precision.data.dataset import Dataset
from precision.data.files.catalogue import ENTRIES
from precision.data.sampling import split
from precision.registry import DATASETS
from precision.tasks import CLASSIFICATION


@DATASETS.register("iris")
def iris(data_dir: Path | None) -> Dataset:
    """Iris flowers of 3 kinds by 4 lengths in cm, bundled with scikit-learn (Fisher)."""
    return _load("iris")


@DATASETS.register("wine")
def wine(data_dir: Path | None) -> Dataset:
    """Wines of 3 growers by 13 chemical measurements, bundled with scikit-learn (Aeberhard and Forina)."""
    return _load("wine")


@DATASETS.register("breast_cancer")
def breast_cancer(data_dir: Path | None) -> Dataset:
    """Tumours, malignant or benign, by 30 measurements, bundled with scikit-learn (Wolberg et al.)."""
    return _load("breast_cancer")


@DATASETS.register("diabetes")
def diabetes(data_dir: Path | None) -> Dataset:
    """How a disease goes on in a year by 10 measurements, a regression, bundled with scikit-learn (Efron)."""
    return _load("diabetes")


def _load(name: str) -> Dataset:
    """Return a table whose split, a fifth of each class for testing, is drawn at random, once and for all."""
    from sklearn import datasets

    entry = ENTRIES[name]
    values, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    task = tasks.named(entry.task)
    x = values.astype(np.float32)
    y = targets.astype(np.int64) if task is CLASSIFICATION else targets.astype(np.float32).reshape(-1, 1)
    train, test = split(task.strata(y), 0.2, name, entry.class_names)
    parts = x[train], y[train], x[test], y[test]
    return Dataset(name, entry.title, *parts, entry.class_names, task=entry.task, split=True)
