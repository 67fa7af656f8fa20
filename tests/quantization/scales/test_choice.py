"""Which scale a tensor has."""

import pytest
from kernels import AFFINE, REAL, quantizer, setting

from precision.quantization.scales.base import PLAIN, Backward
from precision.quantization.scales.choice import scale_class
from precision.quantization.scales.dynamic import Dynamic
from precision.quantization.scales.fixed import Fixed
from precision.quantization.scales.learned import Learned
from precision.quantization.scales.moving import Moving

LEARN = Backward(learn=True, follow=True)
FOLLOW = Backward(follow=True)
AVERAGE = {**REAL, "observer": "moving_average"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (REAL, Learned),
        ({**REAL, "observer": "mse"}, Learned),
        ({**REAL, "per": "channel"}, Learned),
        (AFFINE, Fixed),
        ({**REAL, "dynamic": True}, Dynamic),
        ({"scaling": "pow2"}, Fixed),
        ({}, Fixed),
    ],
)
def test_which_scales_are_learned(options, expected):
    q = quantizer(setting("int(4)", **options), channels=3, backward=LEARN)
    assert type(q.scale) is expected
    assert hasattr(q.scale, "ratio") == (expected is Learned)


@pytest.mark.parametrize(
    ("options", "backward", "weight", "expected"),
    [
        (REAL, FOLLOW, True, Dynamic),
        (REAL, PLAIN, True, Fixed),
        ({**REAL, "observer": "mse"}, FOLLOW, True, Fixed),
        ({**REAL, "dynamic": False}, FOLLOW, True, Fixed),
        (AVERAGE, FOLLOW, False, Moving),
        (AVERAGE, FOLLOW, True, Fixed),
        (AVERAGE, PLAIN, False, Fixed),
        (AVERAGE, LEARN, False, Learned),
    ],
)
def test_which_scales_follow_a_training(options, backward, weight, expected):
    assert scale_class(setting("int(8)", **options), backward, weight=weight) is expected
