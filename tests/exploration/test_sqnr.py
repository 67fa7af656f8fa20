import math

import keras
import numpy as np
import pytest

from precision.exploration.evaluator import Batch
from precision.exploration.sqnr import Power, of_tensors
from precision.formats import parse
from precision.quantization import apply, parse_policy


def ratio(exact, rounded):
    exact, rounded = np.float64(exact), np.float64(rounded)
    return 10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum())


def test_power_by_hand():
    power = Power()
    power.add([3.0, 4.0], [3.0, 3.0])
    assert power.decibels == pytest.approx(10 * math.log10(25 / 1))
    power.add([1.0], [2.0])
    assert power.decibels == pytest.approx(10 * math.log10(26 / 2))


@pytest.mark.parametrize(
    ("exact", "changed", "expected"),
    [([1.0], [1.0], math.inf), ([0.0], [0.0], math.inf), ([0.0], [1.0], -math.inf), ([1.0], [2.0], 0.0)],
)
def test_the_ends_of_the_scale(exact, changed, expected):
    power = Power()
    power.add(exact, changed)
    assert power.decibels == expected


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_has_no_ratio(bad):
    power = Power()
    power.add([1.0, 2.0], [1.0, bad])
    assert math.isnan(power.decibels)


def test_six_decibels_a_bit():
    x = np.random.default_rng(0).uniform(-0.9, 0.9, 100_000).astype(np.float32)
    ratios = []
    for bits in (6, 7, 8):
        power = Power()
        power.add(x, parse(f"fixed({bits},{bits - 1})").quantize(x))
        ratios.append(power.decibels)
    assert np.diff(ratios) == pytest.approx([6.02, 6.02], abs=0.1)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, name="logits", bias_initializer="normal"),
        ]
    )


def test_tensors_by_hand(network):
    """Each tensor is that of the float32 network, rounded once by NumPy."""
    policy = parse_policy(
        {
            "weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"},
            "biases": "fixed(5,4)",
            "activations": "fixed(6,3)",
            "inputs": "ufixed(3,3)",
        }
    )
    model = apply(network, policy, switchable=True)
    images = np.random.default_rng(1).uniform(size=(7, 6, 6, 1)).astype(np.float32)
    padded = np.concatenate([images[5:], images[5:]])
    batches = [Batch(images[:5], 5), Batch(padded, 2)]
    wanted = {
        ("conv", "weights"),
        ("conv", "inputs"),
        ("pool", "activations"),
        ("logits", "biases"),
        ("logits", "activations"),
    }
    found = of_tensors(network, model, batches, wanted)
    assert set(found) == wanted
    kernel = network.get_layer("conv").kernel.numpy()
    scale = np.float32(np.abs(kernel).max(axis=(0, 1, 2)) / 7)
    assert found["conv", "weights"] == pytest.approx(ratio(kernel, np.rint(kernel / scale) * scale), rel=1e-5)
    assert found["conv", "inputs"] == pytest.approx(ratio(images, parse("ufixed(3,3)").quantize(images)))
    bias = network.get_layer("logits").bias.numpy()
    assert found["logits", "biases"] == pytest.approx(ratio(bias, parse("fixed(5,4)").quantize(bias)))
    rounds = parse("fixed(6,3)").quantize
    pooled = keras.Model(network.inputs[0], network.get_layer("pool").output)(images).numpy()
    assert found["pool", "activations"] == pytest.approx(ratio(pooled, rounds(pooled)), rel=1e-4)
    logits = network(images).numpy()
    assert found["logits", "activations"] == pytest.approx(ratio(logits, rounds(logits)), rel=1e-3)
