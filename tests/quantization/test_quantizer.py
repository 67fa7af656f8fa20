"""One quantizer: what becomes of gradients, of ranges that move, and of noise, written out in NumPy."""

import keras
import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.formats import parse
from precision.quantization.policy.settings import parse_setting
from precision.quantization.quantizer import MOMENTUM, PLAIN, Backward, Quantizer

REAL, AFFINE = {"scaling": "real"}, {"scaling": "real", "zero_point": True}
STRAIGHT = Backward(clip=False)
FOLLOW = Backward(follow=True)


def setting(text, **options):
    return parse_setting({"format": text, **options}, ("activations",))


class Holder(keras.layers.Layer):
    """Holds the variables of a quantizer."""


def quantizer(s, low=None, high=None, *, gradient=None, seed=0, **options):
    found = Quantizer(Holder(), "activations", s, gradient=gradient, **options)
    ends = [None if end is None else np.atleast_1d(np.float32(end)) for end in (low, high)]
    found.assign(s, gradient, *ends)
    found.seed(seed)
    return found


def backward(q, x, upstream, **arguments):
    """Return what is computed, and the gradient of ``x``."""
    import tensorflow as tf

    x = tf.Variable(np.float32(x))
    with tf.GradientTape() as tape:
        y = q(x, **arguments)
    return y.numpy(), tape.gradient(y, x, output_gradients=tf.constant(np.float32(upstream))).numpy()


X = np.float32([-9, -1.2, -1, -0.999, -0.3, 0, 0.3, 0.7, 1.3, 3, 40])
UP = np.arange(1, 12).astype(np.float32)


@pytest.mark.parametrize(
    ("s", "low", "high", "inside"),
    [
        (setting("fixed(8,6)"), None, None, (X >= -2) & (X <= 2 - 2**-6)),
        (setting("ufixed(8,7)"), None, None, (X >= 0) & (X < 2)),
        (setting("int(8)", **REAL), -1.27, 0.5, (X >= -1.28) & (X <= 1.27)),  # int(8) has -128 too
        (setting("int(8,symmetric=True)", **REAL), -1.0, 0.5, (X >= -1) & (X <= 1)),
        (setting("fixed(8,auto)"), -1.0, 0.5, (X >= -1) & (X < 1)),
        (setting("uint(8)", **AFFINE), -1.0, 4.1, (X >= -1) & (X <= 4.1)),
        (setting("float8_e4m3fn", **REAL), -1.4, 0.5, (X >= -1.4) & (X <= 1.4)),
        (setting("nf4", scaling="pow2"), -1.4, 0.5, (X >= -2) & (X <= 2)),
    ],
    ids=str,
)
def test_a_gradient_stops_where_its_value_was_clipped_or_passes_straight(s, low, high, inside):
    y, clipped = backward(quantizer(s, low, high), X, UP)
    np.testing.assert_array_equal(clipped, np.where(inside, UP, 0))
    again, straight = backward(quantizer(s, low, high, backward=STRAIGHT), X, UP)
    np.testing.assert_array_equal(straight, UP)
    np.testing.assert_array_equal(again, y)


def test_each_channel_clips_at_its_own_range():
    s = setting("int(8,symmetric=True)", **REAL, per="channel")
    x = np.float32([[0.9, 0.9, 0.9], [-1.1, -1.1, -1.1], [3.9, 3.9, 3.9]])
    q = quantizer(s, [-1, -2, -4], [1, 2, 4], channels=3)
    y, gradient = backward(q, x, np.ones((3, 3)))
    np.testing.assert_array_equal(gradient, [[1, 1, 1], [0, 1, 1], [0, 0, 1]])
    np.testing.assert_allclose(y, np.clip(x, [-1, -2, -4], [1, 2, 4]), atol=4 / 127 / 2 + 1e-6)
    q = quantizer(s, [-1, -2, -4], [1, 2, 4], channels=3)
    _, gradient = backward(q, x.T, np.ones((3, 3)), axis=0)
    np.testing.assert_array_equal(gradient.T, [[1, 1, 1], [0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize("kind", [REAL, AFFINE, {"scaling": "pow2"}], ids=str)
def test_a_dynamic_range_clips_nothing(kind):
    """Its own largest value may lie a rounding error beyond it."""
    q = quantizer(setting("int(8)", **kind, dynamic=True))
    for scale in np.linspace(0.1, 3, 40, dtype=np.float32):
        np.testing.assert_array_equal(backward(q, X * scale, UP)[1], UP)


def test_the_range_of_a_trained_weight_under_minmax_moves_with_it():
    s = setting("int(8)", **REAL)
    following, still = (quantizer(s, -1, 1, weight=True, backward=b) for b in (FOLLOW, PLAIN))
    assert (following.source, still.source) == ("dynamic", "fixed")
    y, gradient = backward(following, X, UP)
    assert y.max() == pytest.approx(40, rel=1e-6)
    np.testing.assert_array_equal(gradient, UP)
    assert backward(still, X, UP)[0].max() == pytest.approx(1, rel=1e-6)
    for options in ({"observer": "mse"}, {"dynamic": False}):  # chosen once
        s = setting("int(8)", **REAL, **options)
        assert quantizer(s, -1, 1, weight=True, backward=FOLLOW).source == "fixed"


# Gradients that are rounded


def test_a_gradient_is_rounded_to_its_format():
    f = parse("float8_e5m2")
    upstream = np.random.default_rng(0).normal(size=500).astype(np.float32) * 1e-3
    x = np.linspace(-3, 3, 500, dtype=np.float32)
    y, gradient = backward(quantizer(None, gradient=setting(f.name)), x, upstream)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(gradient, f.quantize(upstream))
    assert (gradient != upstream).mean() > 0.9
    # After what was clipped has been left out.
    q = quantizer(setting("fixed(8,6)"), gradient=setting(f.name))
    y, gradient = backward(q, x, upstream)
    np.testing.assert_array_equal(y, parse("fixed(8,6)").quantize(x))
    np.testing.assert_array_equal(gradient, np.where((x >= -2) & (x <= 1.984375), f.quantize(upstream), 0))


@pytest.mark.parametrize("kind", ["real", "pow2"])
def test_a_gradient_is_rounded_under_the_scale_of_its_own_range(kind):
    q = quantizer(None, gradient=setting("int(4,symmetric=True)", scaling=kind, dynamic=True))
    for size in (1e-6, 1.0, 1e5):
        upstream = np.float32([-0.75, 0.5, 0.1, 0.05, 0]) * np.float32(size)
        scale = float(np.float32(0.75 * size)) / 7
        if kind == "pow2":  # 2^k / 8
            scale = 2.0 ** np.ceil(np.log2(0.75 * size)) / 8
        codes = np.clip(np.rint(upstream.astype(np.float64) / scale), -7, 7)
        np.testing.assert_allclose(backward(q, X[:5], upstream)[1], codes * scale, rtol=1e-6)


def test_a_gradient_is_rounded_in_blocks_along_the_axis():
    f = parse("mxfp4_e2m1(block=4)")
    upstream = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    q = quantizer(None, gradient=setting(f.name))
    for axis in (0, 1):
        _, gradient = backward(q, np.zeros((8, 6)), upstream, axis=axis)
        np.testing.assert_array_equal(gradient, f.quantize(upstream, axis=axis))


STEPS_OF_ONE = [{"format": "fixed(8,0)"}, {"format": "int(4)", **REAL, "dynamic": True}]


@pytest.mark.parametrize("options", STEPS_OF_ONE, ids=str)
def test_stochastic_rounding_of_gradients_is_unbiased_and_differs_by_step(options):
    n = 40_000
    upstream = np.full(n, 0.3, np.float32)
    upstream[0] = 7.0  # a step of 1 under the scale too
    q = quantizer(None, gradient=parse_setting({**options, "rounding": "stochastic"}, ("gradients",)))
    first, second = (backward(q, np.zeros(n), upstream)[1][1:] for _ in range(2))
    assert set(np.round(np.unique(first), 5)) == {0, 1}
    assert abs(first.mean() - 0.3) < 4.5 * (0.3 * 0.7 / n) ** 0.5
    assert 0.35 < (first != second).mean() < 0.49  # 2 x 0.3 x 0.7 of independent draws
    q.seed(0)
    np.testing.assert_array_equal(backward(q, np.zeros(n), upstream)[1][1:], first)


def test_the_noise_of_a_gradient_is_not_that_of_its_value():
    noisy = setting("fixed(8,0)", rounding="stochastic")
    q = quantizer(noisy, gradient=noisy)
    y, gradient = backward(q, np.full(10_000, 0.5), np.full(10_000, 0.5))
    assert abs(np.corrcoef(y, gradient)[0, 1]) < 0.05
    assert 0.45 < y.mean() < 0.55
    assert 0.45 < gradient.mean() < 0.55


# Ranges that move


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_a_moving_average_follows_the_batches(per):
    s = setting("int(8)", **REAL, observer="moving_average", per=per)
    q = quantizer(s, *np.zeros((2, 3 if per == "channel" else 1)), channels=3, backward=FOLLOW)
    assert q.source == "average"
    rng = np.random.default_rng(0)
    axes = (0,) if per == "channel" else (0, 1)
    low = high = None
    for number in range(4):
        batch = rng.normal(1, 1 + number, (50, 3)).astype(np.float32)
        least, most = batch.min(axes).reshape(-1), batch.max(axes).reshape(-1)
        # The first batch is taken as it is, then a <- 0.99 a + 0.01 x.
        low = least if low is None else least + (low - least) * np.float32(0.99)
        high = most if high is None else most + (high - most) * np.float32(0.99)
        y = q(batch, training=True)
        np.testing.assert_allclose(q.low.numpy(), low, rtol=1e-6)
        np.testing.assert_allclose(q.high.numpy(), high, rtol=1e-6)
        scale = np.maximum(-np.minimum(low, 0), high) / np.float32(127)
        np.testing.assert_allclose(
            y, np.clip(np.rint(batch / scale), -128, 127) * scale, atol=1.01 * scale.max()
        )
        assert np.abs(y - np.clip(batch, -128 * scale, 127 * scale)).max() <= 0.501 * scale.max()
    assert np.float32(0.99) == MOMENTUM
    for training in (False, None):  # an evaluation does not move it
        q(batch * np.float32(100), training=training)
        np.testing.assert_allclose(q.high.numpy(), high, rtol=1e-6)


def test_a_moving_average_goes_on_from_a_calibrated_range():
    q = quantizer(setting("int(8)", **REAL, observer="moving_average"), -1, 3, backward=FOLLOW)
    q(np.float32([-2, 13]), training=True)
    np.testing.assert_allclose([q.low.numpy()[0], q.high.numpy()[0]], [-1.01, 3.1], rtol=1e-6)


def test_a_moving_range_clips_gradients():
    q = quantizer(setting("int(8,symmetric=True)", **REAL, observer="moving_average"), -1, 1, backward=FOLLOW)
    _, gradient = backward(q, np.float32([0.5, 1.5, -3, 0]), np.ones(4), training=False)
    np.testing.assert_array_equal(gradient, [1, 0, 0, 1])


# A switch, and other settings


@pytest.mark.parametrize(
    ("s", "options"),
    [
        (setting("fixed(8,4)"), {}),
        (setting("int(8)", **REAL, per="channel"), {"channels": 11}),
        (setting("int(4)", **REAL, observer="moving_average"), {"backward": FOLLOW}),
        (setting("fixed(4,2)", rounding="stochastic"), {}),
        (setting("int(4)", **REAL), {"backward": Backward(learn=True)}),
        (setting("int(4)", **REAL), {"gradient": setting("float8_e5m2", rounding="stochastic")}),
    ],
    ids=str,
)
def test_switched_off_a_quantizer_is_the_identity_and_nothing_is_traced_anew(s, options):
    import tensorflow as tf

    def make(**more):
        ends = np.full(options.get("channels", 1), 1, np.float32)
        return quantizer(s, -ends, ends, **options, **more)

    q, plain = make(switchable=True), make()

    @tf.function(autograph=False)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = q(x, training=True)
        return y, tape.gradient(y, x, output_gradients=upstream)

    def on():
        y, gradient = step(*inputs)
        expected, straight = backward(plain, X, UP, training=True)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(gradient, straight)
        assert (expected != X).any()

    inputs = tf.constant(X), tf.constant(UP)
    on()
    q.enabled.assign(False)
    for _ in range(2):
        y, gradient = step(*inputs)
        np.testing.assert_array_equal(y, X)
        np.testing.assert_array_equal(gradient, UP)
    q.enabled.assign(True)
    on()  # neither the noise nor a moving range went on while it was off
    assert step.experimental_get_tracing_count() == 1


def test_another_setting_of_one_kind_is_assigned_and_of_another_kind_refused():
    q = quantizer(setting("int(8)", **REAL), -1, 1)
    other = setting("float8_e4m3fn", **REAL)  # the same kernel
    q.assign(other, None, np.float32([-448]), np.float32([448]))
    np.testing.assert_array_equal(q(X), parse("float8_e4m3fn").quantize(X))
    others = {**AFFINE}, {**REAL, "rounding": "odd"}, {**REAL, "dynamic": True}, {}
    for wrong in (*(setting("int(8)", **options) for options in others), setting("posit(8,1)", **REAL)):
        with pytest.raises(PrecisionError, match="computed in another way than float8_e4m3fn"):
            q.assign(wrong)
    for wrong in ((None, None), (other, other)):
        with pytest.raises(PrecisionError, match="what was not rounded stays so"):
            q.assign(*wrong)
    np.testing.assert_array_equal(q(X), parse("float8_e4m3fn").quantize(X))
