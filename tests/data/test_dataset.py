"""The rules that a dataset's arrays obey, its digest, and images as floats."""

from dataclasses import replace

import numpy as np
import pytest

from precision.data import Dataset, as_float
from precision.errors import PrecisionError


def tiny(**changes: object) -> Dataset:
    x = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3, 1)
    y = np.array([0, 1, 0, 1])
    return replace(Dataset("tiny", "Tiny", x, y, x[:2], y[:2], ("a", "b")), **changes)  # type: ignore[arg-type]


def test_says_what_a_network_must_fit() -> None:
    assert tiny().classes == 2
    assert tiny().input_shape == (2, 3, 1)
    assert not tiny().vectors
    rows = tiny().x_train.reshape(4, 6)
    vectors = tiny(x_train=rows, x_test=rows[:2])
    assert vectors.vectors and vectors.input_shape == (6,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.zeros((4, 2, 3), np.uint8)},
            r"train images must have the shape \(N, H, W, C\).*\(4, 2, 3\)",
        ),
        ({"x_train": np.zeros((0, 2, 3, 1), np.uint8)}, "train images must have the shape"),
        ({"x_test": np.zeros((2, 2, 3, 1))}, "test images must be uint8 or float32, but got float64"),
        (
            {"x_test": np.zeros((2, 2, 2, 1), np.uint8)},
            r"one size and type, but got \(2, 3, 1\) uint8 and \(2, 2, 1\)",
        ),
        ({"x_test": np.zeros((2, 2, 3, 1), np.float32)}, "one size and type"),
        ({"y_train": np.array([0, 1])}, r"4 images, so labels must have the shape \(4,\), but got \(2,\)"),
        ({"y_train": np.array([0, 1, 2, 0])}, r"labels must be int64 in 0\.\.1, but got int64 in 0\.\.2"),
        ({"y_train": np.array([0, 1, -1, 0])}, r"in -1\.\.1"),
        ({"y_test": np.array([0, 1], np.uint8)}, "int64 in .*but got uint8"),
        ({"class_names": ("a",)}, "at least 2 classes are needed, but got 1"),
    ],
)
def test_refuses_arrays_that_break_a_rule(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PrecisionError, match=message):
        tiny(**changes)


def test_digest_follows_every_array_but_no_name() -> None:
    original = tiny()
    assert len(original.digest()) == 64
    assert original.digest() == tiny(name="other", title="Other", class_names=("c", "d")).digest()
    changed = [
        tiny(y_train=np.array([1, 1, 0, 1])),
        tiny(y_test=np.array([1, 1])),
        tiny(x_train=original.x_train[::-1]),
        tiny(x_test=original.x_train[2:]),
        tiny(x_train=original.x_train.reshape(4, 3, 2, 1), x_test=original.x_test.reshape(2, 3, 2, 1)),
        tiny(x_train=original.x_train.astype(np.float32), x_test=original.x_test.astype(np.float32)),
    ]
    assert len({original.digest(), *(dataset.digest() for dataset in changed)}) == 7


def test_digest_does_not_depend_on_the_memory_layout() -> None:
    original = tiny()
    assert original.digest() == tiny(x_train=np.asfortranarray(original.x_train)).digest()


def test_repr_leaves_the_arrays_out() -> None:
    assert repr(tiny()) == "Dataset(name='tiny', title='Tiny', class_names=('a', 'b'))"


def test_as_float_maps_every_byte_into_0_to_1() -> None:
    floats = as_float(np.arange(256, dtype=np.uint8))
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, np.float32([i / 255 for i in range(256)]))


def test_as_float_leaves_float32_alone_and_refuses_the_rest() -> None:
    images = np.float32([0.5, 7.0])
    assert as_float(images) is images
    with pytest.raises(PrecisionError, match="must be uint8 or float32, but got float64"):
        as_float(np.array([0.5]))
