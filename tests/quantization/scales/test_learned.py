"""Learned steps (LSQ) against finite differences of what they stand for, and the paper's update in NumPy."""

import keras
import numpy as np
import pytest
from kernels import REAL, Holder, setting

from precision.formats import parse
from precision.quantization import apply, parse_policy
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import Backward
from precision.quantization.scales.kernel import scale_and_zero

LEARN = Backward(learn=True, follow=True)


def learned(s, high, *, weight=True, ratio=1.0, backward=LEARN):
    """A quantizer whose calibrated range is [-high, high] for each channel, and its calibrated scales."""
    high = np.atleast_1d(np.float32(high))
    q = Quantizer(Holder(), "weights", s, channels=len(high), weight=weight, backward=backward)
    q.assign(s, None, -high, high)
    q.scale.ratio.assign(np.full(len(high), ratio, np.float32))
    return q, scale_and_zero(s, q.scale.parameters.numpy())[0].astype(np.float64)


def gradients(q, x, upstream, axis=-1):
    import tensorflow as tf

    x = tf.constant(np.float32(x))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = q(x, axis)
    upstream = tf.constant(np.float32(upstream))
    return y.numpy(), *(
        g.numpy() for g in tape.gradient(y, [x, q.scale.ratio.value], output_gradients=upstream)
    )


def surrogate(f, x, step, at):
    """y(step) = step * clip(x / step + c): what rounding added at the step ``at`` is held fixed.

    This is rounding with the straight-through estimator, as the paper differentiates it.
    """
    v0 = x / at
    added = f.quantize(v0.astype(np.float32)).astype(np.float64) - v0
    inside = (v0 >= f.lowest) & (v0 <= f.max)
    return step * np.where(inside, x / step + added, np.clip(v0, f.lowest, f.max))


FORMATS = [
    "int(3)",
    "int(4,symmetric=true)",
    "uint(4)",
    "fixed(5,2)",
    "float4_e2m1fn",
    "float8_e4m3fn",
    "nf4",
]


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("text", FORMATS)
def test_the_gradient_of_a_step_is_that_of_its_surrogate(text, weight):
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=(12, 5)), rng.normal(size=(12, 5))
    x = x.astype(np.float32).astype(np.float64)
    s = setting(text, **REAL)
    f = s.number_format
    q, [base] = learned(s, 1.37, weight=weight, ratio=0.9)
    step = base * np.float64(np.float32(0.9))
    y, _, gradient = gradients(q, x, upstream)
    assert ((x / step > f.max) | (x / step < f.lowest)).sum() > 5, "nothing was clipped"
    np.testing.assert_allclose(y, surrogate(f, x, step, step), rtol=2e-6)

    h = step * 1e-5
    ends = [(upstream * surrogate(f, x, step + d, step)).sum() for d in (h, -h)]
    slope = (ends[0] - ends[1]) / (2 * h)
    count = (
        60 if weight else 5
    )  # values that share the step: of a weight all, of activations those of an image
    damping = 1 / np.sqrt(count * max(f.max, 1))
    # The variable is the step over its calibrated value, and moves as the step itself under SGD.
    np.testing.assert_allclose(gradient, [slope * damping / base], rtol=2e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_channel_has_a_step_of_its_own(axis):
    rng = np.random.default_rng(1)
    x, upstream = rng.normal(size=(2, 4, 3, 5)).astype(np.float32)
    x, upstream = x[..., :4], upstream[..., :4]
    channels = x.shape[axis]
    s = setting("int(3,symmetric=true)", **REAL, per="channel")
    high = np.linspace(0.4, 1.1, channels)
    q, base = learned(s, high)
    y, onto_x, gradient = gradients(q, x, upstream, axis)
    for i in range(channels):
        part, up = (np.take(t, i, axis).astype(np.float64) for t in (x, upstream))
        v = part / base[i]
        inside = np.abs(v) <= 3
        slope = (up * np.where(inside, np.rint(v) - v, np.clip(v, -3, 3))).sum()
        np.testing.assert_allclose(
            gradient[i], slope / np.sqrt(part.size * 3) / base[i], rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(
            np.take(onto_x, i, axis), np.where(inside, np.take(upstream, i, axis), 0)
        )
        np.testing.assert_allclose(np.take(y, i, axis), np.clip(np.rint(v), -3, 3) * base[i], rtol=1e-5)


def test_a_step_stays_positive():
    q, [base] = learned(setting("int(4)", **REAL), 1.0, ratio=-5.0)
    y = q(np.linspace(-1, 1, 9, dtype=np.float32)).numpy()
    assert np.isfinite(y).all()
    np.testing.assert_allclose(np.abs(y).max(), 8 * base * 2.0**-10, rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_takes_the_steps_of_the_paper(momentum):
    """Three steps of a dense layer, kernel and steps of its channels, written out in NumPy."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(4, use_bias=False, name="dense")(inputs))
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(32, 6)).astype(np.float32), rng.normal(size=(32, 4)).astype(np.float32)
    setting = {"format": "int(3,symmetric=true)", **REAL, "per": "channel", "observer": "percentile"}
    policy = parse_policy({"weights": {**setting, "percentile": 75}})
    trained = apply(model, policy, backward=LEARN)
    rate = 0.01
    trained.compile(keras.optimizers.SGD(rate, momentum=momentum), "mse", jit_compile=False)

    wrapped = trained.get_layer("dense")
    quantizer = wrapped.quantizers["weights"]
    base = scale_and_zero(quantizer.scale.setting, quantizer.scale.parameters.numpy())[0].astype(np.float64)
    assert {v.path.split("/")[-1] for v in trained.trainable_variables} == {"kernel", "weights_scale"}
    w, step = model.get_weights()[0].astype(np.float64), base.copy()
    velocity_w, velocity_step = np.zeros_like(w), np.zeros_like(step)
    for _ in range(3):
        trained.train_on_batch(x, target)
        v = w / step
        inside = np.abs(v) <= 3
        assert 0 < inside.sum() < inside.size
        y = x @ (np.clip(np.rint(v), -3, 3) * step)
        onto_w = x.T @ (2 * (y - target) / y.size)
        onto_step = (onto_w * np.where(inside, np.rint(v) - v, np.clip(v, -3, 3))).sum(0) / np.sqrt(6 * 3)
        velocity_w = momentum * velocity_w - rate * onto_w * inside
        velocity_step = momentum * velocity_step - rate * onto_step
        w, step = w + velocity_w, step + velocity_step
        np.testing.assert_allclose(wrapped.layer.kernel.numpy(), w, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(quantizer.scale.ratio.numpy() * base, step, rtol=1e-4)
    assert ((step / base > 0.5) & (np.abs(step / base - 1) > 1e-3)).all(), (
        "the steps hardly moved, or too far"
    )


def test_a_learned_step_finds_the_best_one():
    """Heavy tails under three bits: the step that the largest value asks for is twice too large."""
    import tensorflow as tf

    x = np.random.default_rng(0).standard_t(3, 1000).astype(np.float32)
    s = setting("int(3,symmetric=true)", **REAL)
    q, [base] = learned(s, np.abs(x).max())
    f = parse("int(3,symmetric=true)")

    def error(step):
        return np.mean((f.quantize((x / step).astype(np.float32)) * step - x) ** 2)

    @tf.function(autograph=False)
    def descend(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((q(x) - x) ** 2)
        q.scale.ratio.assign_sub(20.0 * tape.gradient(loss, q.scale.ratio.value))

    for _ in range(150):
        descend(tf.constant(x))
    found = error(base * float(q.scale.ratio.numpy()[0]))
    best = min(error(step) for step in np.linspace(0.1, base, 400))
    assert error(base) > 2.5 * best
    assert found < 1.03 * best
