"""The two custom layers against independent computations."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import architectures
from architectures._normalisation import LocalResponseNormalization
from architectures._shortcut import SubsamplingShortcut

tf = pytest.importorskip("tensorflow")

SETTINGS = [
    {},
    {"radius": 1, "bias": 2.0, "alpha": 0.5, "beta": 0.75},
    {"radius": 2, "bias": 0.3, "alpha": 0.1, "beta": 0.5},
    {"radius": 99, "alpha": 1.0},
    {"radius": 0, "alpha": 1.0},
]


def by_loop(x: np.ndarray, radius: int, bias: float, alpha: float, beta: float) -> np.ndarray:
    y = np.empty_like(x, dtype=np.float64)
    for i in range(x.shape[-1]):
        energy = np.zeros(x.shape[:-1])
        for j in range(max(0, i - radius), min(x.shape[-1], i + radius + 1)):
            energy += x[..., j].astype(np.float64) ** 2
        y[..., i] = x[..., i] / (bias + alpha * energy) ** beta
    return y


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_normalisation_and_its_gradient(settings: dict, channels: int) -> None:
    layer = LocalResponseNormalization(**settings)
    arguments = {key: layer.get_config()[key] for key in ("radius", "bias", "alpha", "beta")}
    x = np.random.default_rng(channels).normal(scale=5, size=(2, 4, 3, channels)).astype(np.float32)
    np.testing.assert_allclose(layer(x), by_loop(x, **arguments), rtol=2e-6, atol=1e-7)

    def tensorflow(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.local_response_normalization(x, arguments["radius"], *list(arguments.values())[1:])

    np.testing.assert_allclose(layer(x), tensorflow(x), rtol=2e-6, atol=1e-7)
    gradients = []
    for function in (layer, tensorflow):
        with tf.GradientTape() as tape:
            tape.watch(point := tf.constant(x))
            total = tf.reduce_sum(function(point) * tf.cos(point))
        gradients.append(tape.gradient(total, point).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


def test_normalisation_in_half_precision_does_not_overflow() -> None:
    layer = LocalResponseNormalization(dtype="float16")
    x = np.array([[400.0, 1000.0, 60000.0, -3.0]], np.float16)
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    np.testing.assert_allclose(y, by_loop(x, 4, 1.0, 0.001 / 9, 0.75), rtol=1e-3)


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (6, 7)])
def test_shortcut_takes_the_centres_of_the_windows(size: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    y = np.array(SubsamplingShortcut(5)(x))
    assert y.shape == SubsamplingShortcut(5).compute_output_shape(x.shape)
    # A 3x3 convolution that passes on the centre of its window and nothing else.
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[1, 1] = np.eye(3)
    np.testing.assert_array_equal(y[..., :3], keras.ops.conv(x, kernel, strides=2, padding="same"))
    np.testing.assert_array_equal(y[..., 3:], 0)


@pytest.mark.parametrize(
    "layer",
    [
        LocalResponseNormalization(radius=2, bias=3.0, alpha=0.5, beta=0.25, name="norm"),
        SubsamplingShortcut(12, name="shortcut"),
    ],
)
def test_config_recreates_the_layer(layer: keras.Layer) -> None:
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert not layer.weights


@pytest.mark.parametrize("name", ["alexnet", "resnet"])
def test_a_saved_model_loads(name: str, tmp_path: Path) -> None:
    model = architectures.build(name, width=0.25)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras", custom_objects=architectures.custom_objects())
    x = np.random.default_rng(0).random((2, 28, 28, 1), dtype=np.float32)
    np.testing.assert_allclose(copy(x), model(x), rtol=1e-5, atol=1e-6)
