from pathlib import Path

import numpy as np
import pytest

from precision.data import Dataset
from precision.errors import PrecisionError
from precision.exploration.audit import readings

NAMES = ("cat", "dog", "owl")


def dataset(images, labels, scaling=""):
    labels = labels.astype(np.int64)
    return Dataset("npz", "pets", images[:60], labels[:60], images[60:], labels[60:], NAMES, scaling)


def bright(count=360):
    """Images of one of three brightnesses, which their classes are."""
    labels = np.random.default_rng(0).integers(0, 3, count)
    labels[:3] = 0, 1, 2
    grey = np.array([0, 130, 255])[labels]
    return np.broadcast_to(grey[:, None, None, None], (count, 4, 4, 1)).astype(np.uint8), labels


def trained_on_bytes(images):
    return np.digitize(images.mean(axis=(1, 2, 3)), [60, 190])


def check(data, classify, said=None):
    said = classify(data.x_test.astype(np.float32) / 255) if said is None else said
    raw = dataset(np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test]))
    return readings.check(Path("m.keras"), data, said, classify, lambda: raw, np.arange(len(said)))


def test_the_scale_that_a_model_was_trained_with_is_found():
    data = dataset(*bright())
    with pytest.raises(PrecisionError) as told:
        check(data, trained_on_bytes)
    text = str(told.value)
    assert text.startswith("m.keras: in float32 the model is right on ")
    assert text.endswith("with --data-option 'scale=none' it is right on 100.0 %")


def test_the_order_of_the_classes_is_found():
    data = dataset(*bright())
    own = {0: 2, 1: 0, 2: 1}  # what the model calls cat, dog, owl is the output 2, 0, 1
    said = np.array([own[label] for label in data.y_test])
    with pytest.raises(
        PrecisionError, match=r"--data-option 'classes=\[dog, owl, cat\]' it is right on 100.0"
    ):
        check(data, lambda images: np.zeros(len(images), np.int64), said)


def test_an_order_that_fits_by_chance_is_not_told():
    data = dataset(*bright(72))  # 12 test images
    said = np.roll(data.y_test, 5)
    with pytest.raises(PrecisionError, match="look at how") as told:
        check(data, lambda images: np.zeros(len(images), np.int64), np.where(said == data.y_test, 2, said))
    assert "classes=[dog" not in str(told.value)


def test_where_nothing_helps_the_sentence_says_where_to_look():
    data = dataset(*bright())
    with pytest.raises(PrecisionError, match="look at how images were scaled in its training"):
        check(data, lambda images: np.zeros(len(images), np.int64))


def test_a_model_that_is_much_better_otherwise_gives_a_doubt():
    data = dataset(*bright())

    def half(images):  # of 0..1 it tells black from white alone
        mean = images.mean(axis=(1, 2, 3))
        return np.where(mean > 1, np.digitize(mean, [60, 190]), np.where(mean > 0.9, 2, 0))

    assert "scale=none' it is right on 100.0 %" in check(data, half)
    assert check(data, lambda images: np.digitize(images.mean(axis=(1, 2, 3)), [0.2, 0.8])) == ""


@pytest.mark.parametrize(
    ("said", "labels", "gain"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 1], 0.0),  # always the most frequent class
        ([0, 1, 0, 1], [0, 1, 0, 1], 1.0),
        ([1, 1, 0, 1], [0, 0, 0, 1], 1 / 3),  # worse than the frequent one, but better on average
        ([2, 2, 2, 2], [0, 1, 0, 1], -1.0),
    ],
)
def test_the_gain_over_chance(said, labels, gain):
    assert readings.gain(np.array(said), np.array(labels), 3) == pytest.approx(gain)
