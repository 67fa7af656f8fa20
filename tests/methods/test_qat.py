"""What the options of qat do to a training, and what it refuses."""

import h5py
import keras
import numpy as np
import pytest
from tiny import registered

from precision.errors import PrecisionError
from precision.formats import parse
from precision.methods.qat import check
from precision.methods.training import Batches
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.quantization.scales.kernel import numbers_for
from precision.quantization.scales.learned import Learned
from precision.registry import METHODS
from precision.trial import Choice, Training, Trial

INT4 = {"format": "int(4,symmetric=true)", "scaling": "real"}
AFFINE = {"format": "uint(8)", "scaling": "real", "zero_point": True}
SGD = Training(epochs=1, batch_size=32, optimizer="sgd", learning_rate=0.1)


@pytest.fixture(scope="module", autouse=True)
def tiny():
    with registered():
        yield


def trial(policy, method="qat", seed=0, training=SGD, **options):
    return Trial(
        Choice("digits", {"train_size": 128, "test_size": 32}),
        Choice("tiny"),
        Choice(method, options),
        parse_policy(policy).to_json(),
        training,
        seed,
    )


def bench(folder):
    return Workbench(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the trained baseline."""
    path = tmp_path_factory.mktemp("weights")
    METHODS["float32"](trial("float16").baseline, bench(path))
    return path


def run(folder, one):
    """Return the outcome of a trial."""
    return METHODS[one.method.name](one, bench(folder), **one.method.options)


def values(model):
    """Return the variables of a network by name, of what was wrapped too."""
    found = {}
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        found |= {f"{layer.name}/{v.path.rsplit('/', 1)[-1]}": v.numpy() for v in inner.variables}
    return found


def moved(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


KERNELS = {"conv/kernel", "logits/kernel", "logits/bias"}
NORM = {"norm/gamma", "norm/beta"}
STATISTICS = {"norm/moving_mean", "norm/moving_variance"}


# What it is compared with


def test_float32_goes_on_from_the_baseline_over_the_same_images(folder):
    one = trial("float32", "float32", start="baseline", epochs=2, learning_rate=0.05)
    bench_ = bench(folder)
    baseline = bench_.baseline(one)
    before = values(baseline)
    outcome = run(folder, one)
    assert not moved(before, values(baseline))
    assert [row["epoch"] for row in outcome.trained.history] == [1, 2]
    model = keras.models.clone_model(baseline)
    model.set_weights(baseline.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss=loss)
    data = bench_.dataset(one.dataset)
    for epoch in (1, 2):
        batches = Batches(data.x_train, data.y_train, SGD.batch_size, one.seed, epoch)
        model.fit(batches, shuffle=False, verbose=0)
    after = values(outcome.predictor.model)
    for name, value in values(model).items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    assert moved(before, after) == KERNELS | NORM | STATISTICS


def test_it_goes_on_as_qat_does_where_that_rounds_nothing(folder):
    options = {"start": "baseline", "freeze_batch_norm": True}
    control = run(folder, trial("float32", "float32", **options))
    untrained = trial("float32", "qat", **options)  # no grid asks for it: it is the other
    assert not moved(values(control.predictor.model), values(run(folder, untrained).predictor.model))


# What the options do


def test_the_estimator_decides_what_becomes_of_clipped_weights(folder):
    policy = {"weights": "fixed(4,7)", "layers": {"norm": {"weights": "float32"}}}
    baseline = values(bench(folder).baseline(trial(policy)))
    for estimator in ("clipped", "straight"):
        after = values(run(folder, trial(policy, estimator=estimator)).predictor.model)
        for name in ("conv/kernel", "logits/kernel"):
            outside = (baseline[name] < -(2**-4)) | (baseline[name] > 2**-4 - 2**-7)
            assert 0.05 < outside.mean() < 0.95
            still = (after[name] == baseline[name])[outside].mean()
            assert (still == 1) if estimator == "clipped" else (still < 0.2)
            # A pixel that is never on moves nothing.
            assert (after[name] != baseline[name])[~outside].mean() > 0.8


def test_learned_scales_are_trained_and_kept(folder):
    policy = {"weights": {**INT4, "per": "channel"}, "activations": INT4, "layers": {"norm": "float32"}}
    outcome = run(folder, trial(policy, learn_scales=True))
    sources = {
        (layer.name, site): quantizer
        for layer in outcome.predictor.model.layers
        for site, quantizer in getattr(layer, "quantizers", {}).items()
    }
    assert set(sources) == {(n, "weights") for n in ("conv", "logits")} | {
        (n, "activations") for n in ("relu", "logits")
    }
    for (name, site), quantizer in sources.items():
        assert isinstance(quantizer.scale, Learned)
        ratio = quantizer.scale.ratio.numpy()
        assert ratio.shape == (({"conv": 4, "logits": 10}[name],) if site == "weights" else (1,))
        assert (ratio != 1).all() and (np.abs(ratio - 1) < 0.5).all()
    with h5py.File(folder / f"{trial(policy, learn_scales=True).id}.weights.h5") as file:
        stored = []
        file.visititems(
            lambda path, item: stored.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    for quantizer in sources.values():
        assert any(np.array_equal(item, quantizer.scale.ratio.numpy()) for item in stored)


def test_normalisations_are_frozen_from_the_start_or_from_an_epoch_on(folder):
    policy = {"weights": "fixed(6,4)", "biases": "fixed(6,4)"}
    baseline = values(bench(folder).baseline(trial(policy)))

    def after(epochs, **options):
        return values(run(folder, trial(policy, epochs=epochs, **options)).predictor.model)

    one = after(1)
    assert moved(baseline, one) == KERNELS | NORM | STATISTICS
    assert moved(baseline, after(2, freeze_batch_norm=True)) == KERNELS
    second = after(2, freeze_batch_norm=2)
    assert moved(one, second) == KERNELS
    assert moved(one, after(2)) == KERNELS | NORM | STATISTICS


def test_a_training_from_scratch_finds_its_ranges(folder):
    moving = {**AFFINE, "observer": "moving_average"}
    policy = {"weights": {**INT4, "per": "channel"}, "inputs": moving, "activations": moving}
    one = trial(policy, start="scratch", epochs=2)
    outcome = run(folder, one)
    low = high = None
    for epoch in (1, 2):
        batches = Batches(bench(folder).dataset(one.dataset).x_train, np.zeros(128), 32, one.seed, epoch)
        for images, _ in (batches[i] for i in range(len(batches))):
            least, most = images.min(), images.max()
            low = least if low is None else least + (low - least) * np.float32(0.99)
            high = most if high is None else most + (high - most) * np.float32(0.99)
    found = outcome.predictor.model.get_layer("conv").quantizers["inputs"].scale
    np.testing.assert_allclose(
        [found.low.numpy()[0], found.high.numpy()[0]], [low, high], rtol=1e-6, atol=1e-7
    )
    relu = outcome.predictor.model.get_layer("relu").quantizers["activations"].scale
    assert relu.low.numpy()[0] == 0 < relu.high.numpy()[0]
    # Weights are rounded under the range that they have now.
    conv = outcome.predictor.model.get_layer("conv")
    kernel = conv.layer.kernel.numpy()
    setting = conv.quantizers["weights"].scale.setting
    f, highest = parse("int(4,symmetric=true)"), np.abs(kernel).max((0, 1, 2))
    scale = numbers_for(setting, -highest, highest)[-8:-4]
    rounded = f.quantize(kernel * (np.float32(1) / scale)) * scale
    np.testing.assert_array_equal(conv.quantizers["weights"](conv.layer.kernel, -1), rounded)
    assert moved(values(bench(folder).baseline(one)), values(outcome.predictor.model)) >= KERNELS


def test_a_trial_repeats_to_the_last_bit(folder):
    policy = {
        "weights": {**INT4, "per": "channel"},
        "activations": {**AFFINE, "observer": "percentile"},
        "gradients": {"format": "int(8)", "scaling": "pow2", "dynamic": True, "rounding": "stochastic"},
        "calibration": {"images": 64},
    }
    one = trial(policy, learn_scales=True)
    first = run(folder, one)
    other = bench(folder)
    METHODS["qat"](
        trial("fixed(6,4)", seed=0, start="scratch"), other, start="scratch"
    )  # whatever ran before
    second = METHODS["qat"](one, other, learn_scales=True)
    assert first.trained.history[0]["loss"] == second.trained.history[0]["loss"]
    for a, b in zip(first.predictor.model.variables, second.predictor.model.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_folded_network_is_trained_without_normalisation(folder):
    policy = {"weights": {**INT4, "per": "channel"}, "fold_batch_norm": True}
    plain = bench(folder).baseline(trial(policy))
    outcome = run(folder, trial(policy, learning_rate=1e-30))  # hardly a step
    conv, norm = (plain.get_layer(name) for name in ("conv", "norm"))
    gamma, beta, mean, variance = norm.get_weights()
    factor = gamma / np.sqrt(variance + norm.epsilon)
    trained = values(outcome.predictor.model)
    assert set(trained) == KERNELS | {"conv/bias"}
    np.testing.assert_allclose(trained["conv/kernel"], conv.get_weights()[0] * factor, rtol=1e-5)
    np.testing.assert_allclose(trained["conv/bias"], beta - mean * factor, rtol=1e-4, atol=1e-6)


# What is refused

SCRATCH = {"start": "scratch"}
MOVING = {**INT4, "observer": "moving_average"}
REFUSED = [
    ({"weights": INT4, "fold_batch_norm": True}, SCRATCH, "fold_batch_norm needs trained statistics"),
    ({"weights": INT4}, {**SCRATCH, "freeze_batch_norm": True}, "freeze_batch_norm needs trained statistics"),
    ({"weights": INT4}, {**SCRATCH, "freeze_batch_norm": 1}, "freeze_batch_norm needs trained statistics"),
    ({"weights": INT4}, {**SCRATCH, "learn_scales": True}, "learned scales begin with calibrated ones"),
    ({"activations": INT4}, SCRATCH, "the scale of activations .*: moving_average'.* 'dynamic: true'"),
    ({"inputs": {**INT4, "observer": "mse"}}, SCRATCH, "the scale of inputs .* 'observer: moving_average'"),
    ({"weights": {**INT4, "observer": "mse"}}, SCRATCH, "the scale of weights .* 'observer: minmax'"),
    ({"biases": MOVING}, SCRATCH, "the scale of biases .* 'observer: minmax'"),
    ({"weights": {**INT4, "dynamic": False}}, SCRATCH, "the scale of weights"),
    ({"layers": {"a": {"activations": "fixed(8,auto)"}}}, SCRATCH, "the scale of activations"),
    ({"weights": INT4, "optimizer_state": "float16"}, {}, "optimizer_state"),
    ({"weights": INT4, "accumulators": "float16"}, {}, "accumulators"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "options", "message"), REFUSED)
def test_what_cannot_be_trained_is_refused(policy, options, message):
    with pytest.raises(PrecisionError, match=message):
        check(parse_policy(policy), options)


@pytest.mark.parametrize(
    ("policy", "options"),
    [
        ({"weights": INT4, "biases": "fixed(8,auto)", "activations": MOVING, "inputs": MOVING}, SCRATCH),
        ({"activations": {**INT4, "dynamic": True}, "gradients": {**INT4, "dynamic": True}}, SCRATCH),
        ("fixed(8,4)", {**SCRATCH, "freeze_batch_norm": 2}),
        ({"activations": {**INT4, "observer": "mse"}, "fold_batch_norm": True}, {"freeze_batch_norm": True}),
    ],
)
def test_what_can_be_trained(policy, options):
    check(parse_policy(policy), options)


def test_scales_to_learn_are_needed(folder):
    for policy in ("fixed(8,4)", {"weights": AFFINE}, {"weights": {**INT4, "dynamic": True}}):
        with pytest.raises(PrecisionError, match="learn_scales needs a scale to train: 'scaling: real'"):
            run(folder, trial(policy, learn_scales=True))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("estimator", "clip", "'estimator' to be clipped or straight, but got 'clip'"),
        ("learn_scales", "yes", "'learn_scales' to be true or false, but got 'yes'"),
        ("learn_scales", 1, "'learn_scales' to be true or false, but got 1"),
        *(("freeze_batch_norm", v, f"the epoch .* but got {v!r}") for v in (0, -1, 1.5, "true")),
        ("start", "warm", "'start' to be baseline or scratch"),
        ("freeze_batchnorm", True, "did you mean 'freeze_batch_norm'"),
    ],
)
def test_options_against_their_rules(option, value, message):
    with pytest.raises(PrecisionError, match=message):
        METHODS.check_options("qat", {option: value})
