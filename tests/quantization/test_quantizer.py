"""One quantizer: its switch, its noise, other settings, and what becomes of the gradient on the way back."""

import math

import numpy as np
import pytest
from kernels import AFFINE, REAL, UP, Holder, X, backward, quantizer, setting

from precision.errors import PrecisionError
from precision.formats import parse
from precision.quantization.policy.settings import parse_setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import Backward

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


# A switch, and other settings


@pytest.mark.parametrize(
    ("s", "options"),
    [
        (setting("fixed(8,4)"), {}),
        (setting("int(8)", **REAL, per="channel"), {"channels": 11}),
        (setting("int(4)", **REAL, observer="moving_average"), {"backward": Backward(follow=True)}),
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


GRADIENT = setting("float8_e5m2", rounding="stochastic")
SCALED_GRADIENT = setting("int(4)", **REAL, dynamic=True)


@pytest.mark.parametrize(
    ("s", "options", "expected"),
    [
        (setting("fixed(8,4)"), {}, {"format": 14}),
        (setting("int(8)", **REAL, per="channel"), {"channels": 3}, {"format": 25}),
        (setting("int(8)", **REAL, dynamic=True, per="channel"), {"channels": 3}, {"format": 17}),
        (
            setting("int(8)", **REAL, observer="moving_average", per="channel"),
            {"channels": 3, "backward": Backward(follow=True)},
            {"format": 17, "low": 3, "high": 3},
        ),
        (
            setting("int(8)", **REAL, per="channel"),
            {"channels": 3, "backward": Backward(learn=True), "gradient": SCALED_GRADIENT},
            {"format": 25, "scale": 3, "gradient_format": 17},
        ),
        (
            setting("fixed(8,4)"),
            {"gradient": GRADIENT, "switchable": True},
            {"enabled": 1, "format": 14, "gradient_format": 14, "key": 2, "step": 1},
        ),
        (None, {"gradient": GRADIENT}, {"gradient_format": 14, "key": 2, "step": 1}),
    ],
    ids=str,
)
def test_the_variables_of_a_layer_that_files_of_weights_rely_on(s, options, expected):
    layer = Holder()
    Quantizer(layer, "activations", s, **options)
    made = [*layer.trainable_variables, *layer.non_trainable_variables]
    found = {v.name.removeprefix("activations_"): math.prod(v.shape) for v in made}
    assert found == expected
    order = [name for name in expected if name != "scale"]
    assert [v.name.removeprefix("activations_") for v in layer.non_trainable_variables] == order
