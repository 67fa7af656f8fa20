"""Networks in half precision: what their variables are, against arithmetic written out by hand."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from precision.data import as_float
from precision.errors import PrecisionError
from precision.measure.counted.packed import variable_memory
from precision.methods import native_network
from precision.methods.native import check, dtype_of, native
from precision.methods.run import run_trial
from precision.methods.training import Batches
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.trial import Choice, Training, Trial

NUMPY = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
MLP = Choice("mlp", {"width": 0.25})
TRAINING = Training(epochs=2, batch_size=50, learning_rate=0.01)
LONG = Training(epochs=12, batch_size=50, learning_rate=0.003)


def trial(policy="float16", architecture=MLP, training=TRAINING, seed=0, **options):
    return Trial(
        Choice("digits", {"train_size": 100, "test_size": 60}),
        architecture,
        Choice("native", options) if policy != "float32" else Choice("float32"),
        parse_policy(policy).to_json(),
        training,
        seed,
    )


def run_native(one, here):
    return native(one, here, **one.method.options)


def bench(folder):
    return Workbench(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the weights."""
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def plain(folder):
    """The trained float32 baseline of most tests, whose weights are in the folder."""
    return run_trial(trial("float32"), bench(folder))


@pytest.fixture(scope="module")
def plain_long(folder):
    """The float32 training that 16 bits are measured by."""
    return run_trial(trial("float32", training=LONG), bench(folder))


def numbers(result):
    """Return everything that a trial computed: equal bits have equal bytes."""
    history = [
        {k: np.float64(v).tobytes() for k, v in row.items() if k != "seconds"} for row in result.history
    ]
    return result.status, np.float64(result.metrics["loss"]).tobytes(), result.predictions.tobytes(), history


def raw(array):
    """Return the values of an array, whose type may be unknown to NumPy, in float64."""
    return np.asarray(array).astype(np.float64)


# What a network is


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mixed", [False, True])
def test_variables_really_have_the_type(folder, dtype, mixed):
    one = trial(dtype, Choice("resnet", {"depth": 8, "width": 0.25}))
    here = bench(folder)
    source = here.network(one)
    model = native_network.build(one, here, source, f"mixed_{dtype}" if mixed else dtype)
    held = "float32" if mixed else dtype
    assert {v.dtype for v in model.weights} == {held}
    assert model.output.dtype == dtype
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {dtype}
    assert keras.config.dtype_policy().name == "float32"
    memory = variable_memory(model)
    # Batch normalisations: two statistics for each scale and offset; every value in its own type.
    assert memory.parameters == sum(v.numpy().size for v in source.weights)
    assert memory.bytes == sum(v.numpy().nbytes for v in model.weights)
    assert memory.bits == (32 if mixed else 16)
    assert memory.float32_bytes == 4 * memory.parameters


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_initial_weights_are_those_of_float32_rounded(folder, dtype):
    one = trial(dtype, Choice("basic_cnn", {"width": 0.1}), seed=3)
    here = bench(folder)
    source = here.network(one)
    first = [w.copy() for w in source.get_weights()]
    halved, mixed = (native_network.build(one, here, source, name) for name in (dtype, f"mixed_{dtype}"))
    for original, half, full in zip(first, halved.get_weights(), mixed.get_weights(), strict=True):
        np.testing.assert_array_equal(raw(half), raw(original.astype(NUMPY[dtype])))
        np.testing.assert_array_equal(full, original)
    assert np.ptp(first[0]) > 0
    seeds = [
        [layer.seed_generator.state.numpy() for layer in m.layers if type(layer).__name__ == "Dropout"]
        for m in (source, halved, mixed)
    ]
    assert len(seeds[0]) == 2
    np.testing.assert_array_equal(seeds[1], seeds[0])
    np.testing.assert_array_equal(seeds[2], seeds[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_cast_network_computes_what_numpy_computes(folder, plain, dtype):
    """The trained float32 network in 16 bits: its logits by hand, each layer rounded once."""
    here = bench(folder)
    outcome = run_native(trial(dtype, start="baseline", epochs=0), here)
    assert outcome.trained is None and outcome.timing == "native"
    dataset = here.dataset(trial().dataset)
    images = as_float(dataset.x_test)
    w1, b1, w2, b2 = (w.astype(NUMPY[dtype]).astype(np.float64) for w in here.baseline(trial()).get_weights())

    def rounded(x):
        return x.astype(NUMPY[dtype]).astype(np.float64)

    hidden = rounded(np.maximum(rounded(images.reshape(60, -1)) @ w1 + b1, 0))
    logits = hidden @ w2 + b2
    got = outcome.predictor.model.predict_on_batch(images)
    assert got.dtype.name == dtype
    # A product may be rounded before its bias is added: half a unit in the last place each time.
    unit = float(ml_dtypes.finfo(NUMPY[dtype]).eps)
    np.testing.assert_allclose(raw(got), logits, rtol=2 * unit, atol=2 * unit * np.abs(logits).max())
    exact = here.baseline(trial()).predict_on_batch(images)
    error = np.abs(raw(got) - exact).max()
    assert 0 < error < 50 * unit
    result = run_trial(trial(dtype, start="baseline", epochs=0), here)
    np.testing.assert_array_equal(result.predictions, raw(got).argmax(1))
    assert result.metrics["weight_bits"] == result.metrics["activation_bits"] == 16
    assert result.metrics["epochs"] == 0 and np.isnan(result.metrics["train_seconds"])
    assert "optimizer" not in result.facts


# How it is trained


def by_hand(dataset, weights, dtype, mixed, scale, rate):
    """Train the perceptron for one epoch by gradient descent, without Keras layers, every cast written out.

    Forward and backward in ``dtype``, the loss in float32, updates in the type of the variables.
    """
    held = tf.float32 if mixed else dtype
    variables = [tf.cast(w, held) for w in weights]
    batches = Batches(dataset.x_train, dataset.y_train, TRAINING.batch_size, 0, 1)
    for images, labels in (batches[i] for i in range(len(batches))):
        with tf.GradientTape() as tape:
            tape.watch(variables)
            w1, b1, w2, b2 = (tf.cast(v, dtype) for v in variables)
            x = tf.cast(tf.reshape(images, [len(images), -1]), dtype)
            logits = tf.cast(tf.nn.relu(x @ w1 + b1) @ w2 + b2, tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses) * scale
        gradients = [tf.cast(g, tf.float32) / scale for g in tape.gradient(loss, variables)]
        variables = [
            v - tf.cast(rate, held) * tf.cast(g, held) for v, g in zip(variables, gradients, strict=True)
        ]
    return [raw(v.numpy()) for v in variables]


@pytest.mark.parametrize(("dtype", "mixed"), [("float16", True), ("float16", False), ("bfloat16", True)])
def test_gradient_descent_is_what_a_loop_with_every_cast_computes(folder, dtype, mixed):
    sgd = Training(epochs=1, batch_size=50, optimizer="sgd", learning_rate=0.5)
    here = bench(folder)
    one = trial(dtype, training=sgd, mixed=mixed, loss_scale=256)
    start = here.network(one).get_weights()
    outcome = run_native(one, here)
    assert outcome.trained.diverged_in is None
    assert outcome.facts["loss_scale"] == "256" and outcome.facts["optimizer"] == "as usual"
    expected = by_hand(here.dataset(one.dataset), start, dtype, mixed, 256.0, 0.5)
    # Sums in another order, of which a single number may be the difference of two large ones.
    allowed = 8 * float(ml_dtypes.finfo(NUMPY[dtype]).eps)
    for got, want, before in zip(outcome.predictor.model.get_weights(), expected, start, strict=True):
        moved = np.linalg.norm(want - before)
        assert moved > 0.1
        assert np.linalg.norm(raw(got) - want) < allowed * moved
    if (dtype, mixed) == ("float16", True):  # a scale that follows the gradients does not change their size
        twin = run_native(trial(dtype, training=sgd, mixed=mixed), here)
        assert twin.facts["loss_scale"] == "dynamic"
        for got, want, before in zip(twin.predictor.model.get_weights(), expected, start, strict=True):
            assert np.linalg.norm(got - want) < allowed * np.linalg.norm(want - before)


def test_without_a_scale_small_gradients_are_lost_in_float16(folder):
    """A loss of 1e-7 times the usual: its gradients are below the smallest float16 unless they are scaled."""
    here = bench(folder)
    one = trial(mixed=True)
    model = native_network.build(one, here, here.network(one), "mixed_float16")
    dataset = here.dataset(one.dataset)
    images, labels = as_float(dataset.x_train[:50]), dataset.y_train[:50]

    def largest(scale):
        with tf.GradientTape() as tape:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, model(images))
            loss = loss * 1e-7 * scale
        return max(float(tf.reduce_max(tf.abs(g))) for g in tape.gradient(loss, model.trainable_variables))

    assert largest(1.0) == 0
    assert largest(2.0**15) > 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_adam_learns_in_sixteen_bits(folder, plain_long, dtype):
    """The optimizer that most grids use: about as good as float32, which the constants of Keras are not."""
    pure = run_trial(trial(dtype, training=LONG), bench(folder))
    assert pure.facts["optimizer"] == {"float16": "epsilon 0.0001", "bfloat16": "beta_2 0.99"}[dtype]
    assert pure.facts["loss_scale"] == {"float16": "dynamic", "bfloat16": "1"}[dtype]
    assert pure.facts["dtype"] == dtype
    first, last = (plain_long.history[i]["loss"] for i in (0, -1))
    assert last < first / 2
    assert pure.history[-1]["loss"] < 1.15 * last


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Nadam"])
def test_one_step_of_adam(name):
    """A small gradient at the first step: with the constants of Keras the step is 0, or hundreds of times
    the learning rate.
    """

    def step(dtype, gradient, fitted):
        optimizer = getattr(keras.optimizers, name)(learning_rate=1e-3, **extra)
        if fitted:
            native_network.fit_optimizer(optimizer, dtype)
        variable = keras.Variable(np.zeros(1), dtype=dtype)
        optimizer.apply([tf.constant([gradient], dtype)], [variable])
        return float(raw(variable.numpy())[0])

    extra = {"weight_decay": 0.0} if name == "AdamW" else {}
    assert -2e-2 < step("float16", 1e-3, True) < 0  # its square is lost, so it is divided by epsilon alone
    assert step("float16", 1e-3, False) < -0.1
    assert -2e-3 < step("bfloat16", 1e-3, True) < 0
    stuck = step("bfloat16", 1e-3, False)
    assert stuck == 0 or np.isnan(stuck)


def test_only_what_a_type_cannot_hold_is_changed():
    for dtype in ("float32", "float16", "bfloat16"):
        for name in ("sgd", "rmsprop", "adagrad", "adadelta"):
            optimizer = keras.optimizers.get(name)
            before = optimizer.get_config()
            assert native_network.fit_optimizer(optimizer, dtype) == "as usual"
            assert optimizer.get_config() == before
    kept = keras.optimizers.Adam(epsilon=1e-2, beta_2=0.9)
    for dtype in ("float16", "bfloat16"):
        native_network.fit_optimizer(kept, dtype)
    assert (kept.epsilon, kept.beta_2) == (1e-2, 0.9)
    usual = keras.optimizers.Adam()
    native_network.fit_optimizer(usual, "float32")
    assert (usual.epsilon, usual.beta_2) == (1e-7, 0.999)


@pytest.mark.parametrize("options", [{}, {"mixed": True}])
def test_divergence_is_a_result_with_its_epoch(folder, options):
    wild = Training(epochs=5, batch_size=50, optimizer="sgd", learning_rate=3e4)
    result = run_trial(trial(training=wild, **options), bench(folder))
    assert result.status == "diverged"
    epoch = len(result.history)
    assert 1 <= epoch < 5
    assert result.reason == f"the loss was no longer finite in epoch {epoch}"
    assert not np.isfinite(result.metrics["loss"])
    assert 0 <= result.metrics["accuracy"] <= 0.5
    assert result.predictions.shape == (60,)


def test_a_cast_that_overflows_gives_numbers_that_are_none(folder, plain):
    """Weights beyond 65504 are infinite in float16; the evaluation says so and does not stop."""
    here = bench(folder)
    one = trial(start="baseline", epochs=0)
    baseline = here.baseline(one)
    before = baseline.get_weights()
    baseline.set_weights([w * 1e6 for w in before])
    try:
        result = run_trial(one, here)
    finally:
        baseline.set_weights(before)
    assert np.isnan(result.metrics["loss"])
    assert (result.predictions == 255).any()
    assert result.metrics["accuracy"] < 0.5


# What stays the same


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_same_bits_whatever_ran_before(folder, plain, dtype):
    """With convolutions and max-pooling, for whose gradients TensorFlow has no deterministic XLA code."""
    short = Training(epochs=1, batch_size=50, learning_rate=0.01)
    one = trial(dtype, Choice("two_conv", {"width": 0.25}), short)
    first = run_trial(one, bench(folder))
    kept = (folder / f"{one.id}.weights.h5").rename(folder / "first.weights.h5")
    warm = bench(folder)
    run_trial(trial(dtype, start="baseline", epochs=0), warm)
    assert numbers(run_trial(one, warm)) == numbers(first)
    models = [native_network.build(one, warm, warm.network(one), dtype) for _ in range(2)]
    models[0].load_weights(kept)
    models[1].load_weights(folder / f"{one.id}.weights.h5")
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        assert a.dtype.name == b.dtype.name == dtype
        assert a.tobytes() == b.tobytes()


def test_nothing_is_left_behind(folder, plain):
    here = bench(folder)
    here.restart(trial())
    assert is_op_determinism_enabled()
    seen = []
    here.report = lambda row: seen.append((is_op_determinism_enabled(), row["epoch"]))
    native(trial(), here)
    assert seen == [(not native_network.needs_compiling(), 1), (not native_network.needs_compiling(), 2)]
    assert is_op_determinism_enabled()

    def stop(row):
        raise RuntimeError("interrupted")

    here.report = stop
    with pytest.raises(RuntimeError, match="interrupted"):
        native(trial(), here)
    assert is_op_determinism_enabled()
    assert keras.config.dtype_policy().name == "float32"
    here.report = lambda row: None
    assert numbers(run_trial(trial("float32"), here)) == numbers(plain)


def test_training_goes_on_from_the_baseline(folder, plain):
    here = bench(folder)
    still = {"start": "baseline", "learning_rate": 1e-30, "epochs": 1}  # below the smallest float16
    cast = run_trial(trial(start="baseline", epochs=0), here)
    kept = run_trial(trial(**still), here)
    assert kept.metrics["loss"] == cast.metrics["loss"]
    assert kept.predictions.tobytes() == cast.predictions.tobytes()
    assert len(kept.history) == 1
    assert kept.facts["compiled"] == ("yes" if native_network.needs_compiling() else "no")


# What is refused


HALF = dict.fromkeys(("weights", "biases", "activations", "inputs"), "float16")


@pytest.mark.parametrize(
    "spec",
    [
        "fixed(8,4)",
        "float8_e4m3fn",
        "float32",
        {"weights": "float16"},
        {**HALF, "activations": "bfloat16"},
        {**HALF, "gradients": "float16"},
        {**HALF, "layers": {"logits": "float32"}},
        {**HALF, "rounding": "stochastic"},
        {**HALF, "exempt": ["first"]},
        {**HALF, "fold_batch_norm": True},
    ],
)
def test_other_policies_are_refused_in_one_sentence(spec):
    with pytest.raises(PrecisionError, match=r"float16 or bfloat16 .* use ptq or qat") as caught:
        check(parse_policy(spec), {})
    assert "\n" not in str(caught.value)


def test_a_policy_may_name_its_slots():
    for dtype in ("float16", "bfloat16"):
        slots = dict.fromkeys(("weights", "biases", "activations", "inputs"), dtype)
        assert dtype_of(parse_policy(slots)) == dtype_of(parse_policy(dtype)) == dtype


@pytest.mark.parametrize(
    ("policy", "options", "message"),
    [
        ("float16", {"epochs": 0}, "the network starts from scratch; use start: baseline"),
        ("float16", {"epochs": 0, "start": "scratch"}, "use start: baseline"),
        ("float16", {"epochs": 0, "start": "baseline", "learning_rate": 0.1}, "learning_rate has no effect"),
        ("float16", {"epochs": 0, "start": "baseline", "loss_scale": None}, "loss_scale has no effect"),
        ("float16", {"loss_scale": 65536}, "at most 65504 in float16"),
    ],
)
def test_options_that_contradict_are_refused(folder, policy, options, message):
    with pytest.raises(PrecisionError, match=message):
        check(parse_policy(policy), options)
    with pytest.raises(PrecisionError, match=message):
        run_trial(trial(policy, **options), bench(folder))


def test_what_is_allowed():
    check(parse_policy("float16"), {"epochs": 0, "start": "baseline", "loss_scale": "auto"})
    check(parse_policy("float16"), {"loss_scale": 65504})
    check(parse_policy("bfloat16"), {"loss_scale": 65536})
