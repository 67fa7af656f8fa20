"""What the targets of a user's file are taken for: classes, labels or numbers, and what is asked."""

import numpy as np
import pytest

from precision.data import load
from precision.errors import PrecisionError

RNG = np.random.default_rng(4)
X = RNG.normal(0, 1, (40, 3))


def saved(folder, y, **more):
    np.savez(folder / "own.npz", x=X, y=y, **more)
    return folder / "own.npz"


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 2)])
def test_numbers_with_fractions_are_a_regression(tmp_path, shape):
    y = RNG.normal(0, 2, shape)
    dataset = load("npz", path=saved(tmp_path, y))
    assert dataset.task == "regression" and dataset.y_train.dtype == np.float32
    assert dataset.class_names == (("target",) if shape != (40, 2) else ("target0", "target1"))
    assert dataset.title == "own, 20 % split off for testing" and len(dataset.y_test) == 8
    both = np.concatenate([dataset.y_train, dataset.y_test])
    assert sorted(map(tuple, both.tolist())) == sorted(
        map(tuple, y.reshape(40, -1).astype("float32").tolist())
    )
    # Images and targets are still those of one another.
    order = [int(np.abs(y.reshape(40, -1) - row).sum(axis=1).argmin()) for row in dataset.y_test]
    raw = load("npz", path=tmp_path / "own.npz", scale="none")
    np.testing.assert_allclose(raw.x_test, X[order].astype(np.float32))


def test_whole_numbers_are_classes_unless_one_says_otherwise(tmp_path):
    path = saved(tmp_path, np.arange(40) % 4)
    assert load("npz", path=path).class_names == ("0", "1", "2", "3")
    dataset = load("npz", path=path, task="regression")
    assert dataset.task == "regression" and sorted(np.unique(dataset.y_train)) == [0, 1, 2, 3]
    with pytest.raises(PrecisionError, match="must hold 0 or 1 for each label, but got 2"):
        load("npz", path=path, task="multi_label")


def test_both_parts_are_one_task(tmp_path):
    parts = {"x_train": X, "x_test": X[:5], "y_train": np.arange(40.0), "y_test": np.arange(5) + 0.5}
    np.savez(tmp_path / "own.npz", **parts)
    dataset = load("npz", path=tmp_path / "own.npz", target_scale="none")
    assert dataset.task == "regression" and dataset.title == "own"
    assert dataset.y_train.ravel().tolist() == list(range(40)) and dataset.y_test[0, 0] == 0.5


def test_zeros_and_ones_are_labels(tmp_path):
    y = (RNG.random((40, 3)) < 0.5).astype(np.int64)
    y[0] = 1
    dataset = load("npz", path=saved(tmp_path, y))
    assert dataset.task == "multi_label" and dataset.y_train.dtype == np.uint8
    assert dataset.class_names == ("label0", "label1", "label2") and dataset.classes == 3
    counted = dataset.y_train.sum(axis=0)
    assert dataset.counts("train") == ", ".join(f"label{i} {n}" for i, n in enumerate(counted))
    assert load("npz", path=tmp_path / "own.npz", train_size=10).y_train.shape == (10, 3)


def test_one_label_of_several_is_asked_about(tmp_path):
    classes = np.arange(40) % 4
    path = saved(tmp_path, np.eye(4)[classes])
    with pytest.raises(PrecisionError, match=r"exactly one of 4 labels; say with the option 'task'"):
        load("npz", path=path)
    assert load("npz", path=path, task="multi_label").y_train.shape == (32, 4)
    same = load("npz", path=path, task="classification")
    other = load("npz", path=saved(tmp_path, classes))
    assert same.y_train.tolist() == other.y_train.tolist() and same.class_names == other.class_names


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (
            np.arange(80).reshape(40, 2),
            {},
            "columns of whole numbers are not classes; .* 'task' to 'regression'",
        ),
        (np.full(40, np.nan), {"task": "regression"}, "targets must be finite, but image 0 has NaN"),
        (np.full(40, 1e39), {"task": "regression"}, "targets must be finite"),
        (np.array(["a", "b"] * 20), {"task": "regression"}, r"must hold numbers of the shape \(40,\)"),
        (
            np.arange(20) / 3,
            {"task": "regression"},
            r"numbers of the shape \(40,\) .* but got float64 \(20,\)",
        ),
        (np.arange(40) % 2, {"task": "multi_label"}, "one label that is there or not makes two classes"),
        (np.arange(40) / 3, {"task": "classification"}, "must hold one label, an integer or a text"),
        (np.arange(40) / 3, {"classes": ["a", "b"]}, "option 'classes' .* is for a classification, but own"),
        (np.arange(40) % 2, {"target_scale": "standard"}, "'target_scale' .* is for a regression, but own"),
    ],
)
def test_what_is_refused(tmp_path, y, options, message):
    with pytest.raises(PrecisionError, match=message):
        load("npz", path=saved(tmp_path, y), **options)


def test_parts_of_other_columns(tmp_path):
    y = RNG.normal(0, 1, (40, 2))
    np.savez(tmp_path / "own.npz", x_train=X, x_test=X[:5], y_train=y, y_test=y[:5, :1])
    with pytest.raises(PrecisionError, match=r"y_test must have as many columns as .*y_train"):
        load("npz", path=tmp_path / "own.npz", task="regression")


def test_single_arrays(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", X[:, 0] * 2)
    dataset = load("npy", path=tmp_path / "x.npy", labels_path=tmp_path / "y.npy", scale="none")
    np.testing.assert_allclose(dataset.y_train[:, 0], 2 * dataset.x_train[:, 0], rtol=1e-6)


HOUSES = ["id,rooms,area,price,rent,street"]
HOUSES += [f"{n},{n % 5},{20 + n},{100 + 3.5 * n},{n / 8},street {n}" for n in range(30)]


def test_columns_of_a_table(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(HOUSES) + "\n")
    options = {"path": path, "drop": ["id", "street"], "scale": "none", "target_scale": "none"}
    dataset = load("csv", label_column="price", **options)
    assert dataset.task == "regression" and dataset.class_names == ("price",)
    assert dataset.input_shape == (3,)  # rooms, area and rent
    np.testing.assert_allclose(dataset.y_test[:, 0], 100 + 3.5 * (dataset.x_test[:, 1] - 20))
    both = load("csv", label_column=["price", "rent"], **options)
    assert both.class_names == ("price", "rent") and both.input_shape == (2,)
    np.testing.assert_allclose(both.y_train[:, 1], (both.x_train[:, 1] - 20) / 8)
    by_number = load("csv", label_column=3, **{**options, "drop": [0, -1]})
    assert by_number.digest() == dataset.digest()
    whole = load("csv", label_column="rooms", task="regression", **options)
    assert whole.task == "regression" and set(whole.y_train.ravel()) == {0, 1, 2, 3, 4}
    del options["target_scale"]
    assert load("csv", label_column="rooms", **options).classes == 5


def test_labels_of_a_table(tmp_path):
    path = tmp_path / "films.csv"
    rows = [f"{n},{n % 7},{n % 2},{int(n % 3 == 0)}" for n in range(30)]
    path.write_text("\n".join(["length,stars,drama,comedy", *rows]) + "\n")
    dataset = load("csv", path=path, label_column=["drama", "comedy"])
    assert dataset.task == "multi_label" and dataset.class_names == ("drama", "comedy")
    assert dataset.counts("train").startswith("drama ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": ["idd"], "label_column": "price"}, "has no column 'idd'; did you mean 'id'"),
        ({"drop": [9], "label_column": "price"}, "a column of 'drop' must be below 6, but got 9"),
        ({"drop": "price", "label_column": "price"}, "'price' is named as a label and left out as well"),
        ({"label_column": ["price", 3]}, "'price' is named as a label twice"),
        ({"label_column": ["price", "street"]}, "each must hold numbers, but column 'street'"),
        ({"label_column": "price"}, "must be numbers, but column 'street' holds something else"),
    ],
)
def test_columns_that_are_refused(tmp_path, options, message):
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(HOUSES) + "\n")
    with pytest.raises(PrecisionError, match=message):
        load("csv", path=path, **options)
