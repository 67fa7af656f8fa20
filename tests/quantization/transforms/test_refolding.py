"""New weights in a network that is folded already."""

import numpy as np
import pytest
from keras import layers
from normalised import LINEAR, chain, network, norm, outputs, randomise, samples, trained

from precision.errors import PrecisionError
from precision.quantization import apply, parse_policy
from precision.quantization.transforms.folding import Folded, fold, refold


def test_refolding_takes_new_weights_without_a_trace():
    first, second = trained(0), randomise(trained(1), 7)
    folded = fold(first).model
    folded.compile(jit_compile=False)
    x = samples(first)[0]
    folded.predict_on_batch(x)
    traces = folded.predict_function.experimental_get_tracing_count()
    before = second.get_weights()
    refold(second, folded)
    fresh = fold(second).model
    for a, b in zip(folded.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fresh.compile(jit_compile=False)
    np.testing.assert_array_equal(folded.predict_on_batch(x), fresh.predict_on_batch(x))
    assert folded.predict_function.experimental_get_tracing_count() == traces
    for a, b in zip(before, second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", LINEAR)
def test_refolding_every_kind_of_layer(name):
    model = randomise(chain(*LINEAR[name]()))
    folded = fold(model).model
    randomise(model, 9)
    refold(model, folded)
    for a, b in zip(folded.get_weights(), fold(model).model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_refolding_a_quantised_network():
    policy = parse_policy({"weights": "fixed(8,6)", "biases": "fixed(8,4)", "activations": "fixed(8,4)"})
    first, second = randomise(network(0)), randomise(network(1), 3)
    quantised = apply(fold(first).model, policy)
    refold(second, quantised)
    x = samples(first)
    np.testing.assert_array_equal(outputs(quantised, x)[0], outputs(apply(fold(second).model, policy), x)[0])


def test_refolding_another_network_changes_nothing():
    model = randomise(chain((6, 6, 3), layers.Conv2D(4, 3, name="conv"), norm()))
    folded = fold(model).model
    before = folded.get_weights()
    others = {
        "'norm' where the folded model has None": chain((6, 6, 3), layers.Conv2D(4, 3, name="conv")),
        "'conv' is of the class Dense": chain((6, 6, 3), layers.Dense(4, name="conv"), norm()),
        "'norm' is of the class BatchNormalization": chain(
            (6, 6, 3), layers.Conv2D(4, 3, activation="relu", name="conv"), norm()
        ),
        r"of 'conv' have the shapes \[\(3, 3, 3, 5\), \(5,\)\]": chain(
            (6, 6, 3), layers.Conv2D(5, 3, name="conv"), norm()
        ),
    }
    for reason, other in others.items():
        if "None" in reason:
            with pytest.raises(PrecisionError, match=reason):
                refold(model, other)
            continue
        with pytest.raises(PrecisionError, match=reason):
            refold(other, folded)
    with pytest.raises(PrecisionError, match="but got Folded"):
        refold(model, Folded(folded, {}, {}))
    model.get_layer("norm").moving_mean.assign([np.nan] * 4)
    with pytest.raises(PrecisionError, match="must be finite"):
        refold(model, folded)
    for a, b in zip(before, folded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
