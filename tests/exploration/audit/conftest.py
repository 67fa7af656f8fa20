"""A small classifier of digits without any training, and its audit, at which the tests here look."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

IMAGES = 1500  # of which more than a first look can be taken


def _data(folder):
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images[..., None].astype(np.float32) / 16
    np.savez(
        folder / "digits.npz",
        x_train=images[:297],
        y_train=digits.target[:297],
        x_test=images[297 : 297 + IMAGES],
        y_test=digits.target[297 : 297 + IMAGES],
    )
    return images, digits.target


def _model(folder, images, labels, end="softmax", begin=()):
    """Random features under an output that least squares fit: a network in no time."""
    import keras

    keras.utils.set_random_seed(0)
    features = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            *begin,
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(48, "relu", name="hidden"),
            keras.layers.BatchNormalization(name="norm"),
        ]
    )
    seen = np.asarray(features(images))
    design = np.column_stack([seen, np.ones(len(seen))])
    solved = np.linalg.lstsq(design, 4 * np.eye(10)[labels], rcond=None)[0]
    model = keras.Sequential([*features.layers, keras.layers.Dense(10, end, name="scores")])
    model.build((None, *images.shape[1:]))
    model.layers[-1].set_weights([solved[:-1], solved[-1]])
    return model


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with digits.npz and model.keras; not to be changed."""
    folder = tmp_path_factory.mktemp("audited")
    images, labels = _data(folder)
    _model(folder, images, labels).save(folder / "model.keras")
    return folder


@pytest.fixture(scope="session")
def audited(place):
    """The audit of the model for fixed point, and the folder of its report beside it."""
    import precision

    with contextlib.chdir(place):
        found = precision.audit("model.keras", data="digits.npz", quiet=True, targets=["fixed"], tolerance=2)
    return SimpleNamespace(found=found, folder=place, report=place / "reports" / "model-audit")


@pytest.fixture
def workplace(place, tmp_path):
    """A folder of a test's own, with the data and the model."""
    for name in ("digits.npz", "model.keras"):
        (tmp_path / name).symlink_to(place / name)
    return Path(tmp_path)
