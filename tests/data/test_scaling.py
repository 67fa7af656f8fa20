"""How numbers are read: against scikit-learn, from the training part alone, for vectors and for images."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from precision.data import Dataset, as_float, load
from precision.data.scaling import scaled
from precision.errors import PrecisionError
from precision.grid import expand, load_grid


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


IMAGES = np.uint8([[[[0, 51, 255]]], [[[255, 102, 10]]]])


@pytest.mark.parametrize("numbers", [IMAGES, IMAGES.astype(np.float32), IMAGES / np.float32(255)])
@pytest.mark.parametrize(
    ("scale", "first"),
    [
        ("0..1", [0, 0.2, 1]),
        ("-1..1", [-1, -0.6, 1]),
        ("tf", [-1, -0.6, 1]),
        ("caffe", [255 - 103.939, 51 - 116.779, -123.68]),  # blue, green, red
        ("torch", [-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
    ],
)
def test_images_of_bytes_and_of_fractions(numbers: np.ndarray, scale: str, first: list[float]) -> None:
    found = scaled(dataset(numbers, numbers), scale)
    np.testing.assert_allclose(as_float(found.x_train)[0, 0, 0], first, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.x_test, found.x_train)
    assert scale in found.reading


@pytest.mark.parametrize(("scale", "wanted"), [("0..1", [0, 1, 1.5]), ("-1..1", [-1, 1, 2])])
def test_other_numbers_have_the_range_of_the_training_part(scale: str, wanted: list[float]) -> None:
    images = np.float32([-2000, 6000, 10000]).reshape(3, 1, 1, 1)
    own = Dataset("own", "Own", images[:2], np.array([0, 1]), images[2:], np.array([0]), ("a", "b"))
    found = scaled(own, scale)
    assert [*found.x_train.ravel(), found.x_test.ravel()[0]] == wanted
    assert found.scaling == f"-2000..6000 to {scale}"


@pytest.mark.parametrize(
    ("shape", "numbers", "scale", "message"),
    [
        (
            (1, 1, 1),
            1,
            "torch",
            "scale: 'torch' is for images of 3 channels, but Own has images of 1 channels",
        ),
        ((3,), 1, "caffe", "scale: 'caffe' is for images of 3 channels, but Own has vectors"),
        ((3,), 1, "tf", "scale: 'tf' is for images, but Own has vectors"),
        ((1, 1, 3), 300, "tf", "'tf' is for numbers in 0..255 or 0..1, but those of Own are in 0..300; take"),
    ],
)
def test_the_ways_of_keras_are_for_some_images(shape: tuple, numbers: int, scale: str, message: str) -> None:
    x = np.zeros((2, *shape), np.float32)
    x[0] = numbers
    with pytest.raises(PrecisionError) as caught:
        scaled(dataset(x, x), scale)
    assert message in str(caught.value)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255), (0, 1.01), (0, 40000)])
def test_images_that_no_network_expects_are_a_warning(tmp_path: Path, low: float, high: float) -> None:
    x = np.tile(np.float32([low, high]).reshape(2, 1, 1), (5, 2, 2))
    np.savez(tmp_path / "own.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:2], y_test=[0, 1])
    with pytest.warns(
        UserWarning, match=f"own: .* are in {low:g}..{high:g}, neither bytes .* option 'scale'"
    ):
        plain = load("npz", path=tmp_path / "own.npz")
    assert plain.reading == "as they are"
    asked = load("npz", path=tmp_path / "own.npz", scale="none")  # no warning, which is an error in tests
    assert asked.digest() == plain.digest()
    assert asked.title == "own, scale none"


@pytest.mark.parametrize("images", [np.float32([0, 1]), np.float32([0.2, 1 + 1e-6]), np.uint8([0, 255])])
def test_images_that_networks_expect_are_none(images: np.ndarray) -> None:
    own = dataset(images.reshape(2, 1, 1, 1), images.reshape(2, 1, 1, 1))
    assert scaled(own, None) is own
    assert own.reading == ("divided by 255" if images.dtype == np.uint8 else "as they are")


def test_a_grid_says_it_and_the_identity_has_it(tmp_path: Path) -> None:
    text = "name: x\narchitectures: [mlp]\npolicies: [float32]\ndatasets: [{name: digits, scale: SCALE}]\n"
    ids = set()
    for scale in ("0..1", "-1..1", "none", "tf"):
        (tmp_path / "grid.yaml").write_text(text.replace("SCALE", scale))
        [cell] = expand(*load_grid(tmp_path / "grid.yaml"))
        assert cell.trial.dataset.options == {"scale": scale}
        ids.add(cell.trial.id)
    assert len(ids) == 4


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
