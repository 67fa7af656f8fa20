"""Training in low precision: what lies where, by hand, beside qat and ptq, and what is refused."""

import re
from pathlib import Path

import inside
import keras
import numpy as np
import pytest

import precision
from precision.errors import PrecisionError
from precision.formats import parse
from precision.grid import expand, load_grid
from precision.grid.plan.unrounded import needs_baseline
from precision.methods.loss_scaling import scale_loss
from precision.methods.run import run_trial
from precision.methods.training import Batches, train
from precision.methods.workbench import Workbench
from precision.quantization import apply, parse_policy
from precision.quantization.quantizer import Quantizer
from precision.quantization.updates import keep, places, round_variables, without_variables
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

NOISY = {
    "weights": "fixed(8,6)",
    "biases": "fixed(9,7)",
    "activations": "fixed(8,3)",
    "gradients": "fixed(14,12)",
    "optimizer_state": "float(5,4)",
    "rounding": "stochastic",
    "layers": {"logits": {"optimizer_state": "fixed(14,13)"}},
}
PLAIN = {"weights": "fixed(8,6)", "biases": "fixed(8,6)", "activations": "fixed(8,3)"}


def trial(policy, method="low_precision", *, training=None, **options):
    steps = training or Training(epochs=1, batch_size=32, optimizer="sgd", momentum=0.9, learning_rate=0.05)
    return Trial(
        Choice("digits", {"train_size": 192, "test_size": 32}),
        Choice("mlp", {"width": 0.25}),
        Choice(method, options) if policy else Choice("float32"),
        parse_policy(policy).to_json() if policy else {},
        steps,
        0,
    )


def bench(folder):
    return Workbench(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


def outcome(one, folder):
    return METHODS[one.method.name](one, bench(folder), **one.method.options)


def in_format(variable, text):
    value = variable.numpy()
    return np.array_equal(parse(text).quantize(value), value)


def test_everything_that_is_kept_lies_in_its_format_and_repeats_bit_for_bit(tmp_path):
    done, again = (outcome(trial(NOISY), tmp_path / name) for name in "ab")
    model, optimizer = done.predictor.model, done.predictor.model.optimizer
    assert len(model.trainable_variables) == len(optimizer.keeper.states) > 2
    for variable, (reference, state) in zip(model.trainable_variables, optimizer.keeper.states, strict=True):
        assert reference is variable
        assert in_format(variable, "fixed(9,7)" if variable.path.endswith("bias") else "fixed(8,6)")
        text = "fixed(14,13)" if "logits" in variable.path else "float(5,4)"
        assert in_format(state, text)
        assert np.unique(state.numpy()).size > 4
    for a, b in zip(
        [*model.variables, *optimizer.variables],
        [*again.predictor.model.variables, *again.predictor.model.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert done.trained.history[0]["loss"] == again.trained.history[0]["loss"]
    assert done.timing == "emulated"
    # The network that variables are counted on is the plain one.
    assert [layer.name for layer in done.predictor.network.layers] == [layer.name for layer in model.layers]
    kernels = [v for v in done.predictor.network.trainable_variables if len(v.shape) == 2]
    assert kernels and not any(in_format(v, "fixed(9,7)") for v in kernels)


def linear(digits, factor=None):
    """One dense layer, whose outputs are multiplied by a factor."""
    keras.utils.set_random_seed(3)
    x = keras.Input(digits.x_train.shape[1:])
    y = keras.layers.Dense(10, name="dense")(keras.layers.Flatten()(x))
    return keras.Model(x, y if factor is None else keras.layers.Rescaling(factor)(y))


def run(model, digits, policy, training, loss_scale=None):
    """Train as the method does, with any model."""
    policy = parse_policy(policy)
    lower = apply(model, without_variables(policy))
    found = places(model, lower, policy)
    round_variables(found)

    def change(optimizer):
        return scale_loss(keep(optimizer, lower, found, 0), loss_scale)

    train(lower, digits, training, 7, None, lambda row: None, change=change)
    return lower


@pytest.fixture(scope="module")
def digits():
    return precision.data.load("digits", train_size=96, test_size=20)


def fixed(x, wl, fl):
    """Fixed point by hand: ties to even, saturating."""
    step = np.float32(2.0**-fl)
    return np.clip(np.rint(x / step), -(2 ** (wl - 1)), 2 ** (wl - 1) - 1).astype(np.float32) * step


@pytest.mark.parametrize("loss_scale", [None, 8])
def test_an_epoch_by_hand(digits, loss_scale):
    """Two epochs of a linear network in NumPy, bit for bit: its sums have so few bits that they are exact."""
    policy = {
        "weights": "fixed(8,6)",
        "biases": "fixed(8,6)",
        "inputs": "fixed(5,4)",
        "activations": "fixed(10,4)",
        "gradients": "fixed(10,9)",
        "optimizer_state": "fixed(12,10)",
    }
    training = Training(epochs=2, batch_size=32, optimizer="sgd", momentum=0.5, learning_rate=0.25)
    model = linear(digits)
    w, b = (fixed(v.numpy(), 8, 6) for v in model.trainable_variables)
    lower = run(model, digits, policy, training, loss_scale)
    m, c = np.zeros_like(w), np.zeros_like(b)
    factor = np.float32(loss_scale or 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    moved = 0
    for epoch in (1, 2):
        batches = Batches(digits.x_train, digits.y_train, 32, 7, epoch)
        for x, y in (batches[i] for i in range(len(batches))):
            x = fixed(x.reshape(len(x), -1), 5, 4)
            z = fixed(x @ w + b, 10, 4)
            assert np.abs(z).max() < 31  # nothing was clipped, which would stop its gradient
            d = fixed(slope(loss, y, z) * factor, 10, 9)
            moved += (d != 0).sum()
            m = m * np.float32(0.5) - fixed(x.T @ d, 10, 9) / factor * np.float32(0.25)
            c = c * np.float32(0.5) - fixed(d.sum(0), 10, 9) / factor * np.float32(0.25)
            w, b = fixed(w + m, 8, 6), fixed(b + c, 8, 6)
            m, c = fixed(m, 12, 10), fixed(c, 12, 10)
    assert moved > 100
    for ours, by_hand in zip(lower.trainable_variables, (w, b), strict=True):
        np.testing.assert_array_equal(ours.numpy(), by_hand)


def slope(loss, labels, logits):
    """The derivative of the mean cross-entropy by the logits."""
    import tensorflow as tf

    point = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = loss(labels, point)
    return tape.gradient(total, point).numpy()


def test_a_loss_scale_saves_gradients_that_a_narrow_format_loses(digits):
    """Gradients around 2^-26 lie far below 2^-16, the smallest number of float8_e5m2."""
    training = Training(epochs=1, batch_size=96, optimizer="sgd", learning_rate=2.0**20)
    factor = np.float32(2.0**-20)
    w, b = (v.numpy() for v in linear(digits, factor).trainable_variables)
    x, y = Batches(digits.x_train, digits.y_train, 96, 7, 1)[0]
    x = x.reshape(96, -1)
    narrow = parse("float8_e5m2").quantize
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    d = slope(loss, y, (x @ w + b) * factor) * factor
    for loss_scale, scale in ((None, 1.0), (2.0**18, 2.0**18), ("dynamic", 2.0**15)):
        lower = run(linear(digits, factor), digits, {"gradients": "float8_e5m2"}, training, loss_scale)
        seen = narrow(d * np.float32(scale))
        for variable, before, gradient in zip(
            lower.trainable_variables, (w, b), (x.T @ seen, seen.sum(0)), strict=True
        ):
            by_hand = before - np.float32(2.0**20 / scale) * narrow(gradient)
            # A sum in another order may round to the neighbour.
            assert np.isclose(variable.numpy(), by_hand, rtol=1e-5, atol=1e-7).mean() > 0.99
            assert ((variable.numpy() != before).mean() > 0.3) == (loss_scale is not None)
    assert float(lower.optimizer.dynamic_scale) == 2.0**15  # no overflow, and too few steps to double


def test_a_dynamic_loss_scale_backs_off_until_no_gradient_overflows(digits):
    training = Training(epochs=4, batch_size=32, optimizer="sgd", learning_rate=1e-3)
    policy = {"gradients": "float8_e5m2", "weights": "float(5,6)", "biases": "float(5,6)"}
    start = linear(digits, 64.0)
    lower = run(start, digits, policy, training, "dynamic")
    skipped = 12 - int(lower.optimizer.iterations)
    assert 0 < skipped < 12
    assert float(lower.optimizer.dynamic_scale) == 2.0 ** (15 - skipped)
    for variable, before in zip(lower.trainable_variables, start.trainable_variables, strict=True):
        assert np.isfinite(variable.numpy()).all() and in_format(variable, "float(5,6)")
        assert (variable.numpy() != parse("float(5,6)").quantize(before.numpy())).any()


def numbers(result):
    rows = [(row["loss"], row["val_loss"]) for row in result.history]
    return result.metrics["accuracy"], result.metrics["loss"], result.predictions.tobytes(), rows


def test_a_master_copy_alone_is_quantisation_aware_training(tmp_path):
    ours = run_trial(trial(PLAIN, master_copy=True), bench(tmp_path))
    assert numbers(ours) == numbers(run_trial(trial(PLAIN, "qat", start="scratch"), bench(tmp_path)))
    lower = run_trial(trial(PLAIN), bench(tmp_path))
    assert numbers(lower) != numbers(ours)
    assert lower.metrics["weight_bytes"] == ours.metrics["weight_bytes"]
    assert lower.metrics["weight_bytes"] * 4 == lower.metrics["float32_weight_bytes"]


def test_starting_from_the_baseline_is_to_start_from_the_rounded_baseline(tmp_path):
    run_trial(trial(None), bench(tmp_path))
    policy = {**PLAIN, "activations": {"format": "int(8)", "scaling": "real"}}
    policy["calibration"] = {"images": 100}
    ours = run_trial(trial(policy, start="baseline", learning_rate=1e-30), bench(tmp_path))
    assert numbers(ours)[:3] == numbers(run_trial(trial(policy, "ptq"), bench(tmp_path)))[:3]


def test_a_divergence_is_named(tmp_path):
    steep = Training(epochs=3, batch_size=32, optimizer="sgd", learning_rate=1e38)
    result = run_trial(trial({"weights": "float16", "biases": "float16"}, training=steep), bench(tmp_path))
    assert result.status == "diverged"
    epoch = len(result.history)
    assert result.reason == f"the loss was no longer finite in epoch {epoch}"
    assert epoch < 3


REFUSED = [
    ("low_precision", {"accumulators": "float16"}, {}, "training sums in float32"),
    (
        "low_precision",
        {"weights": {"format": "int(8)", "scaling": "real", "observer": "mse"}},
        {"start": "baseline"},
        "weights that are kept in their format move with every step.*'master_copy: true'",
    ),
    (
        "low_precision",
        {"weights": {"format": "int(8)", "scaling": "real", "observer": "mse"}},
        {"master_copy": True},
        "the scale of weights is calibrated on a trained network",
    ),
    ("low_precision", {"activations": "fixed(8,auto)"}, {}, "observer: moving_average"),
    ("low_precision", {"weights": "fixed(8,6)", "fold_batch_norm": True}, {}, "start: baseline"),
    ("low_precision", {"gradients": "fixed(8,6)"}, {"loss_scale": "dynamic"}, "end at 1.98438; use a format"),
    ("low_precision", {"gradients": "posit(8,2)"}, {"loss_scale": "dynamic"}, "end at 1.67772e"),
    (
        "low_precision",
        {"gradients": {"format": "float8_e5m2", "rounding": "toward_zero"}},
        {"loss_scale": "dynamic"},
        "end at 57344",
    ),
    ("low_precision", {"gradients": "fixed(8,6,overflow=wrap)"}, {"loss_scale": "dynamic"}, "end at 0;"),
    ("ptq", {"gradients": "float16"}, {}, "ptq trains nothing, so 'gradients' has no effect"),
    ("ptq", {"optimizer_state": "float16"}, {}, "ptq trains nothing, so 'optimizer_state' has no effect"),
    ("qat", {"optimizer_state": "float16"}, {}, "qat updates in float32"),
    ("qat", {"accumulators": "float16"}, {}, "training sums in float32"),
    ("qat", {"weights": "fixed(8,6)", "fold_batch_norm": True}, {"start": "scratch"}, "start: baseline"),
    (
        "qat",
        {"weights": "fixed(8,6)"},
        {"start": "scratch", "freeze_batch_norm": True},
        "needs trained statistics",
    ),
    ("qat", {"weights": "fixed(8,6)"}, {"start": "scratch", "learn_scales": True}, "learned scales"),
]


@pytest.mark.parametrize(("method", "policy", "options", "words"), REFUSED)
def test_what_a_method_cannot_train_is_refused(method, policy, options, words):
    with pytest.raises(PrecisionError, match=words):
        METHODS[method].check(parse_policy(policy), options)


ACCEPTED = [
    ({"gradients": "float8_e5m2"}, {"loss_scale": "dynamic"}),
    ({"gradients": {"format": "float8_e5m2", "rounding": "stochastic"}}, {"loss_scale": "dynamic"}),
    ({"gradients": "bfloat16"}, {"loss_scale": "dynamic"}),
    ({"gradients": {"format": "int(8)", "scaling": "pow2", "dynamic": True}}, {"loss_scale": "dynamic"}),
    ({"gradients": "fixed(8,6)"}, {"loss_scale": 64}),
    ({"weights": "fixed(8,auto)", "biases": "fixed(8,auto)"}, {}),
    (
        {"weights": {"format": "int(8)", "scaling": "real", "observer": "mse"}},
        {"start": "baseline", "master_copy": True},
    ),
]


@pytest.mark.parametrize(("policy", "options"), ACCEPTED)
def test_what_can_be_trained_is_accepted(policy, options):
    METHODS["low_precision"].check(parse_policy(policy), options)


@pytest.mark.parametrize("scaling", ["pow2", "real"])
def test_scaled_gradients_show_an_overflow_of_float32_to_a_dynamic_loss_scale(scaling):
    import tensorflow as tf

    policy = parse_policy({"gradients": {"format": "int(8)", "scaling": scaling, "dynamic": True}})
    quantizer = Quantizer(keras.layers.Layer(), "x", None, gradient=policy.slots["gradients"])
    x = tf.ones(4)
    for number, finite in ((3.0, True), (np.inf, False), (np.nan, False)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = quantizer(x)
        gradient = tape.gradient(y, x, tf.constant([1.0, -2.0, number, 0.5])).numpy()
        assert np.isfinite(gradient).all() == finite


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "static", [1024]])
def test_a_loss_scale_is_a_number_or_dynamic(value):
    with pytest.raises(PrecisionError, match="needs 'loss_scale' to be null, a finite number above 0"):
        METHODS.check_options("low_precision", {"loss_scale": value})


GRID = """\
name: lower
datasets: [{name: digits, train_size: 96, test_size: 32}]
architectures: [{name: mlp, width: 0.25}]
policies:
  float32: float32
  fixed: {weights: "fixed(8,6)", gradients: float8_e5m2, optimizer_state: "float(5,6)"}
methods:
  - {name: low_precision, loss_scale: 1024}
  - {name: low_precision, master_copy: true, loss_scale: dynamic, label: master}
training: {epochs: 1, batch_size: 32, optimizer: sgd, momentum: 0.9, learning_rate: 1e-2}
"""


def test_a_grid(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    with inside.trials():
        results = precision.run(
            tmp_path / "grid.yaml", store=tmp_path / "runs", output=tmp_path / "report", quiet=True
        )
    table = results.cells()
    lower = table[table["policy"] == "fixed"]
    assert sorted(lower["method"]) == ["low_precision", "master"]
    assert set(table["status"]) == {"ok"}
    assert lower["accuracy"].between(0, 1).all() and lower["accuracy"].nunique() == 2
    report = (tmp_path / "report" / "report.md").read_text()
    assert "training in low precision" in report


def test_a_grid_knows_what_a_trial_needs_and_what_it_cannot_do(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    found = [cell.trial for cell in expand(*load_grid(path)) if cell.trial.policy]
    assert len(found) == 2 and not any(needs_baseline(one) for one in found)
    path.write_text(GRID.replace("float8_e5m2", '"fixed(8,6)"'))
    with pytest.raises(PrecisionError) as caught:
        expand(*load_grid(path))
    assert "grid.yaml:6: policy 'fixed' cannot run under method 'master': a dynamic" in str(caught.value)
    path.write_text(GRID.replace("methods:", "methods:\n  - ptq"))
    with pytest.raises(PrecisionError, match="under method 'ptq': ptq trains nothing"):
        expand(*load_grid(path))


def test_the_grid_of_the_page(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text().split("## low_precision")[1]
    fragment = re.search(r"```yaml\n(.*?)```", page, re.S)[1]
    (tmp_path / "grid.yaml").write_text(f"name: x\ndatasets: digits\narchitectures: lenet\n{fragment}")
    assert len(expand(*load_grid(tmp_path / "grid.yaml"))) == 2 * 2 + 2
