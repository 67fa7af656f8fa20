"""Images are counted without loading them, as many as there are when they are loaded."""

import pytest

from precision import data
from precision.data import Extent, extent, load


@pytest.mark.parametrize(
    "options",
    [{}, {"train_size": 100}, {"test_size": 7, "resize": [32, 40]}, {"classes": [3, 7], "train_size": 50}],
)
def test_as_many_as_are_loaded(options):
    told, loaded = extent("digits", options), Extent.of(load("digits", **options))
    assert (told.train, told.shape, told.classes) == (loaded.train, loaded.shape, loaded.classes)
    assert told.test == pytest.approx(loaded.test, abs=3)  # classes are not all of one size


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_nothing_is_loaded(name, monkeypatch):
    monkeypatch.setattr(data.loading, "load", None)
    assert extent(name, {}).train >= 50_000


def test_ones_own_images_have_to_be_loaded():
    assert extent("npz", {"path": "mine.npz"}) is None
