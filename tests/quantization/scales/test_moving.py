"""Ranges that follow the batches of a training."""

import numpy as np
import pytest
from kernels import REAL, backward, quantizer, setting

from precision.quantization.scales.base import Backward
from precision.quantization.scales.moving import MOMENTUM, Moving

FOLLOW = Backward(follow=True)


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_a_moving_average_follows_the_batches(per):
    s = setting("int(8)", **REAL, observer="moving_average", per=per)
    q = quantizer(s, *np.zeros((2, 3 if per == "channel" else 1)), channels=3, backward=FOLLOW)
    assert type(q.scale) is Moving
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
        np.testing.assert_allclose(q.scale.low.numpy(), low, rtol=1e-6)
        np.testing.assert_allclose(q.scale.high.numpy(), high, rtol=1e-6)
        scale = np.maximum(-np.minimum(low, 0), high) / np.float32(127)
        np.testing.assert_allclose(
            y, np.clip(np.rint(batch / scale), -128, 127) * scale, atol=1.01 * scale.max()
        )
        assert np.abs(y - np.clip(batch, -128 * scale, 127 * scale)).max() <= 0.501 * scale.max()
    assert np.float32(0.99) == MOMENTUM
    for training in (False, None):  # an evaluation does not move it
        q(batch * np.float32(100), training=training)
        np.testing.assert_allclose(q.scale.high.numpy(), high, rtol=1e-6)


def test_a_moving_average_goes_on_from_a_calibrated_range():
    q = quantizer(setting("int(8)", **REAL, observer="moving_average"), -1, 3, backward=FOLLOW)
    q(np.float32([-2, 13]), training=True)
    np.testing.assert_allclose([q.scale.low.numpy()[0], q.scale.high.numpy()[0]], [-1.01, 3.1], rtol=1e-6)


def test_a_moving_range_clips_gradients():
    q = quantizer(setting("int(8,symmetric=True)", **REAL, observer="moving_average"), -1, 1, backward=FOLLOW)
    _, gradient = backward(q, np.float32([0.5, 1.5, -3, 0]), np.ones(4), training=False)
    np.testing.assert_array_equal(gradient, [1, 0, 0, 1])
