"""A range that is set once: what lies beyond it is clipped, and so is its gradient."""

import numpy as np
import pytest
from kernels import AFFINE, REAL, UP, X, backward, quantizer, setting

from precision.quantization.scales.base import Backward


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
    again, straight = backward(quantizer(s, low, high, backward=Backward(clip=False)), X, UP)
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
