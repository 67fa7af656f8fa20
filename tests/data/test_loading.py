"""The options of every dataset, and the bundled digits."""

from pathlib import Path

import numpy as np
import pytest

from precision.data import Dataset, as_float, load
from precision.errors import PrecisionError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def test_digits(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    assert digits.title == "Digits"
    assert digits.x_train.shape == (1437, 28, 28, 1)
    assert digits.x_test.shape == (360, 28, 28, 1)
    assert digits.x_train.dtype == np.uint8
    original, labels = load_digits(return_X_y=True)
    together = np.bincount(digits.y_train) + np.bincount(digits.y_test)
    assert together.tolist() == np.bincount(labels).tolist()
    assert (abs(np.bincount(digits.y_test) - np.bincount(labels) / 5) < 1).all()
    # Enlarging keeps the mean brightness; 0..16 has become 0..255.
    mean = np.concatenate([as_float(digits.x_train), as_float(digits.x_test)]).mean()
    assert mean == pytest.approx(original.mean() / 16, rel=0.01)
    assert digits.x_train.max() == 255


def test_digits_never_change(digits: Dataset) -> None:
    """This digest changes only if stored results stop being comparable."""
    assert digits.digest() == load("digits").digest()
    assert digits.digest().startswith("92f79df0293d9c92")


def test_sizes(digits: Dataset) -> None:
    reduced = load("digits", train_size=200, test_size=50)
    assert reduced.title == "Digits (200/50)"
    assert (len(reduced.x_train), len(reduced.y_test)) == (200, 50)
    shares = np.bincount(digits.y_train) * 200 / 1437
    assert (abs(np.bincount(reduced.y_train) - shares) < 1).all()
    assert reduced.digest() == load("digits", train_size=200, test_size=50).digest()
    # Each image still has its label.
    labels = {image.tobytes(): label for image, label in zip(digits.x_train, digits.y_train, strict=True)}
    assert [labels[image.tobytes()] for image in reduced.x_train] == reduced.y_train.tolist()


def test_all_images_are_no_reduction(digits: Dataset) -> None:
    full = load("digits", train_size=1437, test_size=360)
    assert full.title == "Digits"
    assert full.digest() == digits.digest()
    assert load("digits", train_size=1437, test_size=10).title == "Digits (1437/10)"


def test_unstratified(digits: Dataset) -> None:
    drawn = load("digits", train_size=200, stratified=False)
    assert len(drawn.y_train) == 200
    assert drawn.digest() != load("digits", train_size=200).digest()


def test_classes_are_renumbered_in_the_given_order(digits: Dataset) -> None:
    chosen = load("digits", classes=[8, "3"])
    assert chosen.title == "Digits: 8, 3"
    assert chosen.class_names == ("8", "3")
    assert chosen.classes == 2
    kept = np.isin(digits.y_train, [3, 8])
    np.testing.assert_array_equal(chosen.x_train, digits.x_train[kept])
    np.testing.assert_array_equal(chosen.y_train, np.where(digits.y_train[kept] == 8, 0, 1))


def test_sizes_count_the_chosen_classes() -> None:
    chosen = load("digits", classes=[1, 2], train_size=100, test_size=20)
    assert chosen.title == "Digits: 1, 2 (100/20)"
    assert np.bincount(chosen.y_train).tolist() == [51, 49]  # of 146 and 142, or one image from that
    with pytest.raises(
        PrecisionError, match=r"'train_size' of dataset 'digits' asks for 900 images, but there are o"
    ):
        load("digits", classes=[1, 2], train_size=900)
    with pytest.raises(
        PrecisionError, match=r"'test_size' of dataset 'digits' asks for 300 images, but there are o"
    ):
        load("digits", classes=[1, 2], test_size=300)


def test_a_partial_dataset_keeps_its_name(mnist_dir: Path) -> None:
    reduced = load("mnist", data_dir=mnist_dir, classes=["3", "1"], train_size=2)
    assert reduced.title == "MNIST subset: 3, 1 (2/2)"
    assert reduced.y_train.tolist() in ([1, 0], [0, 1])
    assert load("mnist", data_dir=mnist_dir, train_size=10).title == "MNIST subset (10/10)"


def test_classes_of_renumbered_labels_are_names(tmp_path: Path) -> None:
    labels = np.tile([1, 2, 5], 4)
    np.savez(tmp_path / "own.npz", x=np.zeros((12, 2, 2), np.uint8), y=labels)
    assert load("npz", path=tmp_path / "own.npz", classes=[5, 1]).class_names == ("5", "1")
    with pytest.raises(PrecisionError, match="names the class 0, which is unknown; known: 1, 2, 5"):
        load("npz", path=tmp_path / "own.npz", classes=[0, 1])


def test_a_choice_without_test_images_is_refused(tmp_path: Path) -> None:
    x = np.zeros((4, 2, 2), np.uint8)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=[0, 1, 2, 2], x_test=x[:2], y_test=[2, 2])
    with pytest.raises(PrecisionError, match="leaves no test image of own; choose other classes"):
        load("npz", path=tmp_path / "own.npz", classes=[0, 1])


def triangle_weights(before: int, after: int) -> np.ndarray:
    """The matrix of bilinear interpolation along one axis, by its definition."""
    scale = before / after
    width = max(scale, 1)
    centres = (np.arange(after) + 0.5) * scale
    distances = abs(np.arange(before) + 0.5 - centres[:, None]) / width
    weights = np.maximum(1 - distances, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resize(tmp_path: Path, rng: np.random.Generator, channels: int, dtype: type) -> None:
    images = (255 * rng.random((4, 16, 12, channels))).astype(dtype)
    np.savez(tmp_path / "own.npz", x_train=images, y_train=[0, 1, 0, 1], x_test=images[:1], y_test=[0])
    as_they_are = {"scale": "none"} if dtype == np.float32 else {}
    resized = load("npz", path=tmp_path / "own.npz", resize=[8, 20], **as_they_are)
    assert resized.title.removesuffix(", scale none") == "own at 8x20"
    assert resized.input_shape == (8, 20, channels)
    assert resized.x_train.dtype == resized.x_test.dtype == dtype
    expected = np.einsum("hy,wx,nyxc->nhwc", triangle_weights(16, 8), triangle_weights(12, 20), images)
    np.testing.assert_allclose(resized.x_train, expected, atol=1.01 if dtype == np.uint8 else 1e-3)
    np.testing.assert_array_equal(resized.x_test, resized.x_train[:1])


def test_resize_to_the_same_size_changes_nothing(digits: Dataset) -> None:
    same = load("digits", resize=[28, 28])
    assert same.title == "Digits"
    assert same.digest() == digits.digest()


def test_augment_leaves_the_stored_images_alone(digits: Dataset) -> None:
    augmented = load("digits", augment={"rotation": 10})
    assert augmented.digest() == digits.digest()
    assert augmented.title == "Digits"


def test_load_checks_its_options() -> None:
    with pytest.raises(PrecisionError, match="has no option 'trian_size'; did you mean 'train_size'"):
        load("digits", trian_size=3)
