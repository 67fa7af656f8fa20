"""A regression as a data set: bundled, scaled, reduced, and handed to another process."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from precision.data import Extent, extent, load
from precision.data.listing import describe
from precision.data.shared import share, shared
from precision.errors import PrecisionError
from precision.quantization.calibration.calibrator import calibration_images


def test_the_bundled_one():
    dataset = load("diabetes", scale="none", target_scale="none")
    x, y = load_diabetes(return_X_y=True)
    said = dataset.task, dataset.class_names, dataset.title
    assert said == ("regression", ("progression",), "Diabetes, scale none")
    both = np.concatenate([dataset.y_train, dataset.y_test])[:, 0]
    assert sorted(both.tolist()) == sorted(y.tolist())
    pairs = {tuple(row): target for row, target in zip(x.astype(np.float32), y, strict=True)}
    assert all(
        pairs[tuple(row)] == target for row, (target,) in zip(dataset.x_test, dataset.y_test, strict=True)
    )
    assert Extent.of(dataset) == extent("diabetes", {}) == Extent(353, 89, (10,), 1, "regression")
    row = next(row for row in describe() if row["name"] == "diabetes")
    assert row["classes"] == "regression of 1"


def test_targets_are_scaled_by_the_training_part():
    plain, scaled = load("diabetes", target_scale="none"), load("diabetes", target_scale="standard")
    mean, std = plain.y_train.mean(dtype=float), plain.y_train.std(dtype=float)
    np.testing.assert_allclose(scaled.y_test, (plain.y_test - mean) / std, rtol=1e-5)
    assert scaled.title == "Diabetes, target scale standard"
    assert scaled.target_scaling == f"progression less {mean:.6g}, divided by {std:.6g}"
    assert plain.target_scaling == "" and scaled.counts("train").startswith("progression 0 ± 1 (")


def test_a_target_that_is_constant_becomes_zero(tmp_path):
    y = np.stack([np.full(20, 7.5), np.arange(20)], axis=1)
    np.savez(tmp_path / "own.npz", x=np.arange(40.0).reshape(20, 2), y=y)
    dataset = load("npz", path=tmp_path / "own.npz", target_scale="standard")
    assert set(dataset.y_train[:, 0]) == set(dataset.y_test[:, 0]) == {0}


def test_targets_far_from_what_a_new_network_returns_are_warned_of():
    with pytest.warns(UserWarning, match=r"Diabetes: the targets are of the size of 17\d, .*'target_scale'"):
        load("diabetes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("diabetes", target_scale="none")
        load("diabetes", target_scale="standard")


def test_fewer_images_and_those_of_calibration():
    dataset = load("diabetes", target_scale="standard", train_size=100, test_size=20)
    assert dataset.y_train.shape == (100, 1) and dataset.y_test.shape == (20, 1)
    assert dataset.title == "Diabetes, target scale standard (100/20)"
    images = calibration_images(dataset, 30, 0)
    assert len(np.unique(images, axis=0)) == 30


def test_through_the_files_of_another_process(tmp_path):
    dataset = load("diabetes", target_scale="standard")
    again = shared(share(dataset, tmp_path))
    assert again.digest() == dataset.digest()
    assert (again.task, again.target_scaling) == (dataset.task, dataset.target_scaling)


def test_classes_of_it_are_refused_before_it_is_loaded():
    from precision.data import check

    with pytest.raises(
        PrecisionError, match=r"'classes' .* is for a classification, but Diabetes is for the task"
    ):
        check("diabetes", {"classes": ["a", "b"]})
