"""Folding against the unfolded network in float64, and against exact fractions written out by hand."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers
from normalised import (
    LINEAR,
    ULP,
    U,
    assert_points_stay,
    chain,
    network,
    norm,
    outputs,
    randomise,
    samples,
    trained,
)

from precision.quantization.transforms.folding import fold


def in_float64(model, change=lambda weights: weights):
    """Return the model computing in float64 with the float32 weights, each changed by a function."""
    wide = keras.models.clone_model(
        model, clone_function=lambda x: type(x).from_config({**x.get_config(), "dtype": "float64"})
    )
    wide.set_weights([change(w) for w in model.get_weights()])
    return wide


@pytest.mark.parametrize("name", LINEAR)
def test_outputs_differ_by_rounding_alone(name):
    """Two bounds that hold element by element, whatever the order of the sums.

    In float64 arithmetic only the rounding of the folded numbers is left, each relatively at most U: the
    outputs differ by at most U * (|kernel'| * |x| + |bias'|), which the same network computes from the
    magnitudes. (A separable convolution has one rounded kernel of its two.) In float32 a sum of n rounded
    products is off by at most n * U times the sum of the magnitudes (N. J. Higham, "Accuracy and stability
    of numerical algorithms", section 3.1), and the normalisation adds five operations; it cancels, so its
    own terms are the scale.
    """
    shape, layer, normalisation = LINEAR[name]()
    model = randomise(chain(shape, layer, normalisation, layers.ReLU(name="relu")))
    folded = fold(model)
    assert (folded.folded, folded.kept) == ({"norm": "layer"}, {})
    x = samples(model)
    [exact], [wide] = outputs(in_float64(model), x), outputs(in_float64(folded.model), x)

    linear = keras.Model(folded.model.input, folded.model.get_layer("norm").output)
    magnitude = in_float64(linear, np.abs)
    [scale] = outputs(magnitude, [abs(x[0])])
    assert (abs(exact - wide) <= 1.000001 * U * scale).all()
    assert (exact != wide).any()  # the weights did change

    [unfolded], [result] = outputs(model, x), outputs(folded.model, x)
    gamma, beta, mean, variance = parameters(normalisation)
    gain = abs(gamma) / np.sqrt(variance + normalisation.epsilon)
    along = [-1 if axis == normalisation.axis % exact.ndim else 1 for axis in range(exact.ndim)]
    parts = scale + (gain * abs(mean) * 2 + abs(beta) * 2).reshape(along)
    [terms] = outputs(in_float64(linear, np.ones_like), [np.ones_like(x[0])])  # each counts as one
    assert (abs(unfolded - result) <= 2 * (terms + 5) * U * parts).all()
    assert abs(unfolded - result).max() <= 4 * ULP * parts.max()  # the few ulps that are seen in practice
    assert_points_stay(model, folded)


def parameters(normalisation):
    size = normalisation.moving_mean.shape
    return [
        default * np.ones(size) if v is None else v.numpy().astype(np.float64)
        for v, default in (
            (normalisation.gamma, 1),
            (normalisation.beta, 0),
            (normalisation.moving_mean, 0),
            (normalisation.moving_variance, 1),
        )
    ]


def test_one_channel_in_exact_fractions():
    """All numbers are chosen such that the folded ones are exact in float32, the square root included."""
    random = np.random.default_rng(5)
    epsilon = 2.0**-10
    model = chain((3, 3, 2), layers.Conv2D(3, 3, name="conv"), norm(epsilon=epsilon))

    def eighths(*shape):
        return (random.integers(-32, 33, shape) / 8).astype(np.float32)

    kernel, bias, gamma, beta, mean = eighths(3, 3, 2, 3), *(eighths(3) for _ in range(4))
    deviation = np.array([0.5, 2, 0.25])
    model.get_layer("conv").set_weights([kernel, bias])
    model.get_layer("norm").set_weights([gamma, beta, mean, (deviation**2 - epsilon).astype(np.float32)])
    folded = fold(model).model
    image = eighths(1, 3, 3, 2)

    for channel in range(3):
        gain = Fraction(float(gamma[channel])) / Fraction(deviation[channel])
        shift = Fraction(float(bias[channel])) - Fraction(float(mean[channel]))
        offset = shift * gain + Fraction(float(beta[channel]))
        new_kernel, new_bias = folded.get_layer("conv").get_weights()
        total = Fraction(0)
        for place in np.ndindex(3, 3, 2):
            weight = Fraction(float(kernel[(*place, channel)])) * gain
            assert Fraction(float(new_kernel[(*place, channel)])) == weight
            total += weight * Fraction(float(image[(0, *place)]))
        assert Fraction(float(new_bias[channel])) == offset
        # Products and sums of multiples of 2^-9 below 2^13 are exact in float32 too.
        assert Fraction(float(folded(image)[0, 0, 0, channel])) == total + offset


@pytest.mark.parametrize("make", [trained, lambda: randomise(network())], ids=["trained", "randomised"])
def test_residual_network(make):
    """The folded network is as near to the exact outputs as the unfolded one, within few ulps of their scale.

    The roundings of a network have no simple sharp bound, but each step of both networks rounds sums of the
    same terms. So their distance is measured in the error that float32 makes anyway: exact outputs are those
    of the unfolded network in float64.
    """
    model = make()
    before = model.get_weights()
    folded = fold(model)
    assert not folded.kept
    assert folded.folded == {
        layer.name: layer.name.replace("norm", "conv") for layer in model.layers if "norm" in layer.name
    }
    assert len(folded.folded) == 7
    assert_points_stay(model, folded)
    assert [type(layer).__name__ for layer in folded.model.layers if layer.name == "norm1"] == ["Activation"]

    x = samples(model, 16)
    [exact] = outputs(in_float64(model), x)
    [unfolded], [result] = outputs(model, x), outputs(folded.model, x)
    scale = ULP * abs(exact).max()
    assert abs(unfolded - exact).max() <= 8 * scale
    assert abs(result - exact).max() <= 2 * abs(unfolded - exact).max() + 2 * scale
    assert abs(result - unfolded).max() <= 8 * scale  # 2.6 at most when this was written
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_channels_first_folds_to_the_same_numbers():
    """TensorFlow computes these on a GPU only, so their folded weights are compared."""
    stack = [
        (layers.Conv2D(3, 2, data_format=order, name="layer"), norm(axis=axis))
        for order, axis in (("channels_first", 1), ("channels_last", 3))
    ]
    first, last = chain((3, 9, 8), *stack[0]), randomise(chain((9, 8, 3), *stack[1]))
    first.set_weights(last.get_weights())
    for a, b in zip(fold(first).model.get_weights(), fold(last).model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_folded_network_learns_and_is_saved(tmp_path):
    folded = fold(trained()).model
    folded.compile(
        "sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )
    before = folded.get_layer("conv1").bias.numpy()
    x = np.random.default_rng(0).random((8, 28, 28, 1)).astype(np.float32)
    folded.train_on_batch(x, np.arange(8))
    assert (folded.get_layer("conv1").bias.numpy() != before).all()
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras", compile=False)
    np.testing.assert_array_equal(outputs(loaded, [x])[0], outputs(folded, [x])[0])
