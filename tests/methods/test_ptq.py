"""What a worker calibrates, folds and re-uses under ptq, against a worker that is new."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from tiny import registered

from precision.errors import PrecisionError
from precision.methods.ptq import check
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import apply, parse_policy
from precision.quantization.calibration.calibrator import calibration_images
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

INT8 = {"format": "int(8)", "scaling": "real"}
AFFINE = {"format": "uint(8)", "scaling": "real", "zero_point": True}
WHOLE = {"weights": INT8, "activations": AFFINE, "inputs": AFFINE}
CHANNELS = {"weights": {**INT8, "per": "channel"}, "activations": {**INT8, "per": "channel"}}
POLICIES = {
    "minmax": WHOLE,
    "few": {**WHOLE, "calibration": {"images": 5}},
    "averages": {**WHOLE, "activations": {**AFFINE, "observer": "moving_average"}},
    "percentile": {**WHOLE, "activations": {**AFFINE, "percentile": 97, "observer": "percentile"}},
    "mse": {**WHOLE, "weights": {**INT8, "observer": "mse"}, "inputs": {**AFFINE, "observer": "mse"}},
    "narrow": {**WHOLE, "weights": {**INT8, "format": "int(3)"}, "inputs": {**AFFINE, "format": "uint(5)"}},
    "noisy": {**WHOLE, "weights": {**INT8, "rounding": "stochastic"}},
    "channels": CHANNELS,
    "folded": {**CHANNELS, "fold_batch_norm": True},
    "powers": "fixed(6,auto)",
    "dynamic": {"activations": {**INT8, "dynamic": True}},
}  # fmt: skip
SHARED = ("minmax", "few", "averages", "percentile", "mse", "narrow")
ORDER = [
    ("minmax", 0), ("channels", 0), ("folded", 0), ("few", 0), ("percentile", 0), ("mse", 0), ("noisy", 0),
    ("folded", 1), ("averages", 1), ("minmax", 1), ("dynamic", 0), ("powers", 0), ("narrow", 0),
    ("averages", 0), ("folded", 0), ("minmax", 0), ("noisy", 0), ("percentile", 0),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny():
    with registered():
        yield


def trial(policy, seed=0):
    return Trial(
        Choice("digits", {"train_size": 600, "test_size": 40}),
        Choice("tiny"),
        Choice("ptq"),
        parse_policy(POLICIES.get(policy, policy) if isinstance(policy, str) else policy).to_json(),
        Training(epochs=1, learning_rate=0.01),
        seed,
    )


class Bench(Workbench):
    """A workbench whose data set may be another one."""

    def __init__(self, folder, **changes):
        super().__init__(None, lambda trial_id: folder / f"{trial_id}.weights.h5")
        self.changes = changes

    def dataset(self, choice):
        return replace(super().dataset(choice), **self.changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the trained baselines of two seeds."""
    path = tmp_path_factory.mktemp("weights")
    for seed in (0, 1):
        METHODS["float32"](trial("minmax", seed).baseline, Bench(path))
    return path


def numbers(bench, one):
    """Return the logits of a quantised network and the numbers of its quantizers."""
    model = METHODS["ptq"](one, bench).predictor.model
    images = bench.dataset(one.dataset).x_test[:20].astype(np.float32) / 255
    found = {f"{layer.name} {site}": q.scale.parameters.numpy()
             for layer in model.layers for site, q in getattr(layer, "quantizers", {}).items()}  # fmt: skip
    return model, {"logits": model.predict_on_batch(images), **found}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_a_warm_worker_has_the_bits_of_a_new_one_in_any_order(folder):
    warm, cold, models = Bench(folder), {}, {}
    for policy, seed in ORDER:
        one = trial(policy, seed)
        if (policy, seed) not in cold:
            cold[policy, seed] = numbers(Bench(folder), one)[1]
        models[policy], found = numbers(warm, one)
        assert_same(found, cold[policy, seed])
    assert len({id(models[policy]) for policy in SHARED}) == 1
    assert len({id(model) for model in models.values()}) == len(models) - len(SHARED) + 1
    # They are different policies.
    for i, policy in enumerate(SHARED):
        for other in SHARED[:i]:
            a, b = (next(v for (p, _), v in cold.items() if p == name) for name in (policy, other))
            assert any((a[key] != b[key]).any() for key in a), (policy, other)


def test_calibration_sees_training_images_alone(folder):
    one = trial("minmax")
    data = Bench(folder).dataset(one.dataset)
    _, plain = numbers(Bench(folder), one)
    _, found = numbers(Bench(folder, x_test=np.full_like(data.x_test, 255)), one)
    del plain["logits"], found["logits"]
    assert_same(found, plain)
    _, found = numbers(Bench(folder, x_train=data.x_train // 2), one)
    assert (found["conv inputs"] != plain["conv inputs"]).any()
    assert (found["relu activations"] != plain["relu activations"]).any()
    np.testing.assert_array_equal(found["conv weights"], plain["conv weights"])


def test_the_range_is_that_of_the_float32_network_on_the_calibration_images(folder):
    one, bench = trial("few"), Bench(folder)
    _, found = numbers(bench, one)
    network = bench.baseline(one)
    images = calibration_images(bench.dataset(one.dataset), 5, one.seed)
    assert images.shape == (5, 28, 28, 1)
    for layer, slot, values in (
        ("conv", "inputs", images),
        ("relu", "activations", keras.Model(network.input, network.get_layer("relu").output)(images)),
        ("logits", "activations", network(images)),
    ):
        scale, zero = found[f"{layer} {slot}"][-2:]
        low, high = min(0.0, float(np.min(values))), max(0.0, float(np.max(values)))
        assert scale == pytest.approx((high - low) / 255, rel=1e-5)
        assert zero == pytest.approx(-low / scale, abs=0.51)


def test_a_folded_network_is_the_rounded_product(folder):
    one, bench = trial("folded"), Bench(folder)
    model, _ = numbers(bench, one)
    plain = bench.baseline(one)
    gamma, beta, mean, variance = (np.float64(v) for v in plain.get_layer("norm").get_weights())
    factor = gamma / np.sqrt(variance + plain.get_layer("norm").epsilon)
    kernel = plain.get_layer("conv").get_weights()[0] * factor
    conv = model.get_layer("conv")
    assert type(model.get_layer("norm")).__name__ == "Activation"  # which keeps the name
    np.testing.assert_allclose(conv.layer.kernel.numpy(), kernel, rtol=1e-5)
    np.testing.assert_allclose(conv.layer.bias.numpy(), beta - mean * factor, rtol=1e-4, atol=1e-6)
    scale = np.abs(kernel).max((0, 1, 2)) / 127
    rounded = conv.quantizers["weights"](conv.layer.kernel, -1).numpy()
    np.testing.assert_allclose(rounded / scale, np.rint(rounded / scale), atol=1e-3)
    assert np.abs(rounded - kernel).max() <= 0.501 * scale.max()


def test_a_policy_is_applied_to_what_the_baseline_is_and_leaves_it_alone(folder):
    one, bench = trial("channels"), Bench(folder)
    before = [v.numpy() for v in bench.baseline(one).variables]
    model, _ = numbers(bench, one)
    assert METHODS["ptq"](one, bench).predictor.network is bench.baseline(one)
    for a, b in zip(before, bench.baseline(one).variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    with pytest.raises(
        PrecisionError, match="the activations of layer 'relu' have a scale that must be calib"
    ):
        apply(bench.baseline(one), parse_policy(POLICIES["channels"]))
    assert model is METHODS["ptq"](one, bench).predictor.model


def test_more_images_than_there_are(folder):
    policy = {"activations": AFFINE, "calibration": {"images": 601}}
    with pytest.raises(PrecisionError, match="all 600 training images of Digits"):
        numbers(Bench(folder), trial(policy))
    data = Bench(folder).dataset(trial(policy).dataset)
    few = Bench(folder, x_train=data.x_train[:100], y_train=data.y_train[:100])
    numbers(few, trial({"activations": AFFINE}))  # 512 if there are as many


@pytest.mark.parametrize("slot", ["gradients", "optimizer_state"])
def test_slots_of_a_training_are_refused(slot):
    with pytest.raises(PrecisionError, match=f"ptq trains nothing, so '{slot}' has no effect"):
        check(parse_policy({"weights": "float16", slot: "float16"}), {})


def test_the_int4_policy_of_the_readme_computes_something(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    fragment = re.search(r"```yaml\n(policies:\n  int4:.*?)```", readme, re.S)[1]
    one = replace(
        trial(yaml.safe_load(fragment)["policies"]["int4"]),
        dataset=Choice("digits", {"train_size": 1400, "test_size": 300}),
        training=Training(epochs=4, batch_size=32, learning_rate=0.01),
    )
    bench = Bench(tmp_path)
    before = run_trial(one.baseline, bench).metrics["accuracy"]
    after = run_trial(one, bench).metrics["accuracy"]
    assert before > 0.85
    assert after > before - 0.1  # chance is 0.1


def test_a_network_from_elsewhere_is_looked_at_a_second_time(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "precision.quantization.claims.check", lambda model, images: seen.append(images.shape)
    )
    bench = Workbench(None, lambda key: tmp_path / f"{key}.weights.h5")
    with registered("elsewhere", own=False):
        one = replace(trial("powers"), architecture=Choice("elsewhere"))
        run_trial(one.baseline, bench)
        assert seen == []
        for _ in range(2):  # the second has the same structure, which was looked at
            run_trial(one, bench)
    assert seen == [(4, *bench.dataset(one.dataset).input_shape)]
