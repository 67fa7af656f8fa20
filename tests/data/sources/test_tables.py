"""The tables of scikit-learn: what they hold, and a split that never changes."""

import numpy as np
import pytest
from sklearn import datasets as sklearn

from precision.data import load


@pytest.mark.parametrize(
    ("name", "train", "test", "features"),
    [
        ("iris", [40, 40, 40], [10, 10, 10], 4),
        ("wine", [47, 57, 38], [12, 14, 10], 13),
        ("breast_cancer", [170, 285], [42, 72], 30),
    ],
)
def test_every_row_once_with_its_label(name: str, train: list[int], test: list[int], features: int) -> None:
    dataset = load(name, scale="none")
    assert dataset.vectors and dataset.input_shape == (features,)
    assert np.bincount(dataset.y_train).tolist() == train
    assert np.bincount(dataset.y_test).tolist() == test
    original = getattr(sklearn, f"load_{name}")()
    assert dataset.class_names == tuple(map(str, original.target_names))
    rows = np.column_stack([original.data.astype(np.float32), original.target])
    x, y = (
        np.concatenate(pair)
        for pair in ((dataset.x_train, dataset.x_test), (dataset.y_train, dataset.y_test))
    )
    assert sorted(map(tuple, np.column_stack([x, y]).tolist())) == sorted(map(tuple, rows.tolist()))


@pytest.mark.parametrize(
    ("name", "digest"),
    [("iris", "899adaa3d6a1650a"), ("wine", "b0f55c47e869fa40"), ("breast_cancer", "b8bf589e9f0774cf")],
)
def test_the_split_never_changes(name: str, digest: str) -> None:
    """This digest changes only if stored results stop being comparable."""
    assert load(name, scale="none").digest().startswith(digest)


def test_sizes_and_classes() -> None:
    dataset = load("iris", classes=["virginica", "setosa"], train_size=20, test_size=6)
    assert dataset.title == "Iris: virginica, setosa (20/6)"
    assert np.bincount(dataset.y_train).tolist() == [10, 10]
