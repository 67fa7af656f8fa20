"""The range of the tensor at hand: it clips nothing, and a traced model follows its own rule alone."""

import keras
import numpy as np
import pytest
from kernels import AFFINE, REAL, UP, X, backward, quantizer, setting

from precision.errors import PrecisionError
from precision.quantization import apply, assign, parse_policy, structure
from precision.quantization.scales.base import PLAIN, Backward
from precision.quantization.scales.dynamic import Dynamic
from precision.quantization.scales.fixed import Fixed

FOLLOW = Backward(follow=True)


@pytest.mark.parametrize("kind", [REAL, AFFINE, {"scaling": "pow2"}], ids=str)
def test_a_dynamic_range_clips_nothing(kind):
    """Its own largest value may lie a rounding error beyond it."""
    q = quantizer(setting("int(8)", **kind, dynamic=True))
    for scale in np.linspace(0.1, 3, 40, dtype=np.float32):
        np.testing.assert_array_equal(backward(q, X * scale, UP)[1], UP)


def test_the_range_of_a_trained_weight_under_minmax_moves_with_it():
    s = setting("int(8)", **REAL)
    following, still = (quantizer(s, -1, 1, weight=True, backward=b) for b in (FOLLOW, PLAIN))
    assert (type(following.scale), type(still.scale)) == (Dynamic, Fixed)
    y, gradient = backward(following, X, UP)
    assert y.max() == pytest.approx(40, rel=1e-6)
    np.testing.assert_array_equal(gradient, UP)
    assert backward(still, X, UP)[0].max() == pytest.approx(1, rel=1e-6)
    for options in ({"observer": "mse"}, {"dynamic": False}):  # chosen once
        s = setting("int(8)", **REAL, **options)
        assert type(quantizer(s, -1, 1, weight=True, backward=FOLLOW).scale) is Fixed


@pytest.mark.parametrize(("first", "second"), [("real", "pow2"), ("pow2", "real")])
def test_a_traced_model_is_not_shared_by_two_rules_from_a_range_to_a_scale(first, second):
    """The rule is part of the trace: a model would go on with the first one."""
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(4, name="dense")(inputs))
    slot = {"format": "int(4)", "dynamic": True}
    policies = [parse_policy({"activations": {**slot, "scaling": kind}}) for kind in (first, second)]
    assert structure(model, policies[0]) != structure(model, policies[1])
    with pytest.raises(PrecisionError, match="computed in another way"):
        assign(apply(model, policies[0]), model, policies[1])
    calibrated = [parse_policy({"weights": {"format": "int(4)", "scaling": k}}) for k in (first, second)]
    assert structure(model, calibrated[0]) == structure(model, calibrated[1])  # there it is in the numbers
