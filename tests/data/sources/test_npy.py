"""Single NumPy arrays: images and vectors with their labels beside them."""

from pathlib import Path

import numpy as np
import pytest

from precision.data import fingerprint, load
from precision.errors import PrecisionError


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    np.save(tmp_path / "x.npy", np.arange(30).reshape(10, 3))
    np.save(tmp_path / "y.npy", np.arange(10) % 2 + 4)
    return {"path": tmp_path / "x.npy", "labels_path": tmp_path / "y.npy"}


def test_vectors_that_are_split(files: dict[str, Path]) -> None:
    dataset = load("npy", **files, scale="none")
    assert dataset.title == "x, 20 % of each class split off for testing, scale none"
    assert dataset.class_names == ("4", "5")
    assert dataset.x_train.shape == (8, 3) and dataset.x_train.dtype == np.float32
    assert (dataset.x_train[:, 0] / 3 % 2 == dataset.y_train).all()  # each row still has its label


def test_images_and_a_test_part(files: dict[str, Path], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(60, dtype=np.int64).reshape(10, 2, 3))
    np.save(tmp_path / "x_test.npy", np.full((2, 2, 3), 255, np.int64))
    np.save(tmp_path / "y_test.npy", [4, 5])
    test = {"test_path": tmp_path / "x_test.npy", "test_labels_path": tmp_path / "y_test.npy"}
    dataset = load("npy", **files, **test)
    assert dataset.title == "x" and dataset.input_shape == (2, 3, 1)
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.uint8
    assert len({fingerprint("npy", {**files, **test}), fingerprint("npy", files)}) == 2
    with pytest.raises(PrecisionError, match="belong together, but got only test_path; give both or none"):
        load("npy", **files, test_path=test["test_path"])


def test_wrong_arrays(files: dict[str, Path], tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.zeros(9, int))
    with pytest.raises(
        PrecisionError,
        match=r"y\.npy: .* one label, an integer or a text, for each of 10 images, but got int64 \(9,\)",
    ):
        load("npy", **files)
    np.save(tmp_path / "x.npy", np.array(["a"]))
    with pytest.raises(PrecisionError, match=r"x\.npy: the array must have the shape \(N, features\)"):
        load("npy", **files)
