"""The networks of experiments/published/, which grids name as a plugin."""

from pathlib import Path

import keras
import numpy as np
import pytest

import architectures
from precision import plugins
from precision.errors import PrecisionError

NETWORKS = Path(__file__).parents[2] / "experiments" / "published" / "networks.py"


@pytest.fixture(autouse=True)
def _loaded():
    plugins.load([NETWORKS])
    yield
    plugins.load([])


def test_a_perceptron_of_any_depth():
    model = architectures.build("perceptron", (30,), 2, hidden=[100, 40], width=0.5)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [50, 20, 2]
    with pytest.raises(PrecisionError, match="numbers of units, each above 0, but got"):
        architectures.build("perceptron", (30,), 2, hidden=[100, 0])


def test_the_weights_of_tfc_begin_between_minus_one_and_one_and_stay_there():
    keras.utils.set_random_seed(0)
    model = architectures.build("tfc")
    assert model.count_params() == 784 * 64 + 2 * 64 * 64 + 64 * 10 + 3 * 4 * 64 + 4 * 10
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    began = [keras.ops.convert_to_numpy(kernel).copy() for kernel in kernels]
    assert all(0.9 < np.abs(kernel).max() <= 1 for kernel in began) and not model.layers[3].use_bias
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.5), loss, run_eagerly=True)  # one step is not worth a graph
    images = np.random.default_rng(0).uniform(-1, 1, (32, 28, 28, 1)).astype(np.float32)
    model.train_on_batch(images, np.arange(32) % 10)
    for kernel, before in zip(kernels, began, strict=True):
        after = keras.ops.convert_to_numpy(kernel)
        free = np.abs(before) < 0.4  # Adam moves each by at most its rate in the first step
        moved = np.abs(after - before)[free]
        assert np.abs(after).max() <= 1 and 0.4 < moved.max() <= 0.5001
        assert (np.abs(after) > 0.999).mean() > 0.1  # those that were to go further
