"""How numbers are read: against scikit-learn, from the training part alone, for vectors and for images."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from precision.data import Dataset, as_float, load
from precision.data.scaling import scaled
from precision.errors import PrecisionError


def dataset(train: np.ndarray, test: np.ndarray) -> Dataset:
    y = np.arange(len(train)) % 2
    return Dataset("own", "Own", train, y, test, y[: len(test)], ("a", "b"))


@pytest.mark.parametrize(
    ("scale", "scaler"), [(None, StandardScaler), ("standard", StandardScaler), ("minmax", MinMaxScaler)]
)
def test_vectors_as_scikit_learn_scales_them(scale: str | None, scaler: type) -> None:
    options = {} if scale is None else {"scale": scale}
    plain, found = load("wine", scale="none"), load("wine", **options)
    fitted = scaler().fit(plain.x_train.astype(np.float64))
    np.testing.assert_allclose(found.x_train, fitted.transform(plain.x_train), atol=1e-6)
    np.testing.assert_allclose(found.x_test, fitted.transform(plain.x_test), atol=1e-6)
    assert found.x_train.dtype == found.x_test.dtype == np.float32


def test_what_is_measured_is_of_the_images_that_are_trained_on() -> None:
    found = load("iris", train_size=30)
    np.testing.assert_allclose(found.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.x_train.std(axis=0), 1, atol=1e-6)
    assert abs(found.x_test.mean(axis=0)).max() > 0.01


def test_numbers_by_hand() -> None:
    own = dataset(np.float32([[1, 7, 0.1], [3, 7, 0.1]]), np.float32([[5, 8, 0.1], [2, 7, 0.1]]))
    assert scaled(own, "standard").x_train.tolist() == [[-1, 0, 0], [1, 0, 0]]
    assert scaled(own, "standard").x_test.tolist() == [[3, 1, 0], [0, 0, 0]]  # a constant is only moved
    assert scaled(own, "minmax").x_train.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert scaled(own, "minmax").x_test.tolist() == [[2, 1, 0], [0.5, 0, 0]]
    assert scaled(own, "none").x_test.tolist() == own.x_test.tolist()


def test_images_have_a_scale_for_each_channel() -> None:
    images = np.uint8([[[[0, 100]]], [[[200, 110]]]])
    own = dataset(images, images)
    assert scaled(own, None) is own
    assert scaled(own, "minmax").x_train.ravel().tolist() == [0, 0, 1, 1]
    assert scaled(own, "standard").x_train.ravel().tolist() == [-1, -1, 1, 1]
    assert as_float(scaled(own, "none").x_train).ravel().tolist() == [0, 100, 200, 110]


def test_the_title_says_what_was_asked_for() -> None:
    assert load("iris").title == "Iris"
    assert load("iris", scale="minmax", train_size=30).title == "Iris, scale minmax (30/30)"


@pytest.mark.parametrize("option", [{"resize": [28, 28]}, {"augment": {"rotation": 10}}])
def test_options_of_images_are_none_of_vectors(tmp_path: Path, option: dict) -> None:
    np.savez(tmp_path / "own.npz", x=np.zeros((10, 5)), y=np.arange(10) % 2)
    with pytest.raises(
        PrecisionError, match=r"is for images, but own.* has vectors of 5 numbers; leave it out"
    ):
        load("npz", path=tmp_path / "own.npz", **option)
