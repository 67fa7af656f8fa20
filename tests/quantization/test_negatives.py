"""Which tensors have negative values where their format has none, by the extremes of the tensors."""

import keras
import numpy as np
import pytest
from keras import layers

from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import calibrated, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.negatives import lost_negatives
from precision.trial import Choice, Training, Trial

IMAGES = np.random.default_rng(2).random((16, 6, 6, 2)).astype(np.float32)
SIGNED, UNSIGNED = ({"format": f"{kind}(8)", "scaling": "real"} for kind in ("int", "uint"))


@pytest.fixture(scope="module")
def network():
    """A rectified branch, one that is not, and their sum."""
    keras.utils.set_random_seed(1)
    x = keras.Input((6, 6, 2))
    a = layers.Conv2D(4, 3, activation="relu", name="rectified")(x)
    b = layers.Conv2D(4, 3, name="plain")(x)
    y = layers.Flatten(name="flat")(layers.Add(name="sum")([a, b]))
    return keras.Model(x, layers.Dense(3, activation="relu", name="out")(y))


def lost(network, policy):
    policy = parse_policy(policy)
    observed = Calibrator(network, IMAGES).statistics(calibrated(network, policy), values=False)
    return lost_negatives(network, policy, observed)


def test_they_are_the_tensors_that_are_negative(network):
    values = keras.Model(network.input, [layer.output for layer in network.layers])(IMAGES)
    least = {layer.name: float(np.min(v)) for layer, v in zip(network.layers, values, strict=True)}
    found = lost(network, {"activations": UNSIGNED, "inputs": UNSIGNED})
    assert set(found) == {"plain", "sum"} == {n for n, low in least.items() if low < 0 and n != "flat"}
    assert found["sum"] == f"activations down to {least['sum']:.3g} become 0 in uint(8)"


@pytest.mark.parametrize("policy", [{"activations": SIGNED}, "int8", {"activations": "fixed(8,4)"}], ids=str)
def test_with_a_sign_or_a_zero_point_nothing_is_lost(network, policy):
    assert lost(network, policy) == {}


def test_variables_are_looked_at_too(network):
    found = lost(network, {"weights": UNSIGNED})
    least = float(network.get_layer("plain").kernel.numpy().min())
    assert set(found) == {"rectified", "plain", "out"}
    assert found["plain"] == f"weights down to {least:.3g} become 0 in uint(8)"


def test_a_trial_says_it_and_the_next_one_does_not(tmp_path):
    bench = Workbench(None, lambda trial_id: tmp_path / f"{trial_id}.weights.h5")
    trial = Trial(
        Choice("digits", {"train_size": 40, "test_size": 20}),
        Choice("mlp", {"width": 0.1}),
        Choice("float32"),
        {},
        Training(),
        seed=0,
    )
    run_trial(trial, bench)
    facts = []
    for policy in ({"activations": UNSIGNED}, "float16", {"activations": SIGNED}):
        rounded = Trial(
            trial.dataset,
            trial.architecture,
            Choice("ptq"),
            parse_policy(policy).to_json(),
            trial.training,
            0,
        )
        facts.append(run_trial(rounded, bench).facts.get("lost_negatives", ""))
    assert facts[0].startswith("logits: activations down to -") and facts[1:] == ["", ""]
