"""Networks of integers against the emulation that they are made from, and against NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from precision.arithmetic.accumulators.register import Register
from precision.deploy.integer import Arithmetic, integer_network
from precision.errors import PrecisionError
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.transforms.folding import fold

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.random((6, 8, 8, 2)).astype(np.float32)
FIXED = parse_policy("fixed(8,5)")
INT8 = parse_policy("int8")


def quantised(model, policy, images=IMAGES):
    source = fold(model).model
    wanted = calibrated(source, policy)
    observed = Calibrator(source, images).statistics(wanted, values=False) if wanted else {}
    return apply(source, policy, observed=observed)


def stirred(model):
    """Return a model whose statistics and biases are not those of an initialisation."""
    random = np.random.default_rng(7)  # its own: a network does not depend on which others were made
    for variable in model.weights:
        shift = np.abs if variable.path.endswith(("gamma", "variance")) else np.asarray
        if "kernel" not in variable.path:
            variable.assign(shift(random.normal(0.1, 0.2, variable.shape)))
    return model


def body(*inner):
    keras.utils.set_random_seed(2)
    parts = [keras.Input((8, 8, 2)), *inner, layers.Flatten(), layers.Dense(3, name="logits")]
    return stirred(keras.Sequential(parts))


def residual(join=None):
    keras.utils.set_random_seed(2)
    x = keras.Input((8, 8, 2))
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(x)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a)
    y = a + b if join is None else join()([a, b])
    y = layers.GlobalAveragePooling2D()(keras.ops.relu(y))
    return stirred(keras.Model(x, layers.Dense(3, name="logits")(y)))


NETWORKS = {
    "plain": lambda: body(layers.Conv2D(4, 3, activation="relu")),
    "strided": lambda: body(layers.Conv2D(4, 3, strides=2, padding="same", activation="relu6")),
    "dilated": lambda: body(layers.Conv2D(4, 3, dilation_rate=2, padding="same")),
    "grouped": lambda: body(layers.Conv2D(4, 3, groups=2), layers.ReLU(max_value=1.5)),
    "depthwise": lambda: body(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), layers.ReLU()),
    "normalised": lambda: body(layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Activation("relu")),
    "pooled": lambda: body(layers.Conv2D(4, 3), layers.MaxPooling2D(3, 2, padding="same")),
    "averaged": lambda: body(layers.Conv2D(4, 3), layers.AveragePooling2D(2)),
    "averaged at the edge": lambda: body(layers.AveragePooling2D(3, 2, padding="same")),
    "greatest": lambda: body(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()),
    "padded": lambda: body(layers.ZeroPadding2D(1), layers.Conv2D(4, 3), layers.Cropping2D(1)),
    "prepared": lambda: body(layers.Rescaling(0.5, offset=-0.2), layers.Conv2D(4, 3), layers.Dropout(0.5)),
    "in rows": lambda: body(layers.Reshape((8, 16)), layers.Conv1D(4, 3, padding="causal"), layers.Dense(5)),
    "residual": residual,
    "residual layer": lambda: residual(layers.Add),
    "joined": lambda: residual(layers.Concatenate),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_point_has_the_bits_of_the_emulation(name):
    """Its sums of products are exact in float32 here, and both round them half to even."""
    model = quantised(NETWORKS[name](), FIXED)
    expected = model.predict_on_batch(IMAGES)
    assert len(np.unique(expected)) > 4
    np.testing.assert_array_equal(integer_network(model)(IMAGES), expected)


@pytest.mark.parametrize("rule", ["float", "single", "litert_reference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_scaled_integers_are_within_a_few_codes(name, rule):
    """The emulation sums in float32 and keeps a real bias; and rules round otherwise."""
    model = quantised(NETWORKS[name](), INT8)
    expected = model.predict_on_batch(IMAGES)
    found = integer_network(model, rule=rule)(IMAGES)
    step = np.unique(np.abs(np.diff(np.unique(np.concatenate([expected, found])))))
    codes = np.abs(found - expected) / step[step > 1e-5].min()
    assert codes.max() < 4.5 and codes.mean() < 1.5  # averages of four codes are ties in a quarter of cases


def test_the_codes_are_those_that_numpy_finds():
    """A dense layer with a zero point, worked out in float64 from the definition of the scales."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu", name="logits")])
    kernel, bias = RANDOM.normal(0, 1, (5, 4)), RANDOM.normal(0, 1, 4)
    model.layers[-1].set_weights([kernel, bias])
    x = RANDOM.normal(0.2, 1, (50, 5)).astype(np.float32)
    network = integer_network(quantised(model, INT8, x))
    codes = network.codes(x)["logits"]

    def affine(low, high):
        low, high = min(low, 0), max(high, 0)
        scale = (high - low) / 255
        return scale, round(-128 - low / scale)

    scale_x, zero_x = affine(float(x.min()), float(x.max()))
    real = np.maximum(x @ kernel + bias, 0)
    scale_y, zero_y = affine(float(real.min()), float(real.max()))
    scale_w = np.abs(kernel).max(axis=0) / 127
    q_x = np.clip(np.rint(x / scale_x) + zero_x, -128, 127)
    q_w = np.rint(kernel / scale_w)
    sums = (q_x - zero_x) @ q_w + np.rint(bias / (scale_x * scale_w))
    expected = np.clip(np.rint(sums * scale_x * scale_w / scale_y) + zero_y, zero_y, 127)
    assert np.mean(codes != expected) < 0.01  # a float32 scale on the border between two codes
    assert np.abs(codes - expected).max() <= 1 and len(np.unique(codes)) > 40


def test_every_engine_has_the_same_bits():
    model = quantised(NETWORKS["residual"](), INT8)
    first, *others = (integer_network(model, engine=e)(IMAGES) for e in ("naive", "table", "auto"))
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_narrow_register_overflows_and_says_where():
    plain = {"format": "int(8)", "scaling": "real"}
    policy = parse_policy({"weights": plain, "activations": plain, "inputs": plain})
    model = quantised(NETWORKS["plain"](), policy)  # whose biases are small: no zero stands in them
    wide = integer_network(model, watch=True)
    exact = wide(IMAGES)
    records = wide.records()
    assert all(record.overflowed == 0 and record.images == len(IMAGES) for record in records.values())
    peak = records["conv2d" if "conv2d" in records else next(iter(records))].peak
    for record in records.values():
        assert 0 < record.peak < 2 ** (record.proven_bits - 1)
    bits = int(peak).bit_length()  # one too few for the sign
    for overflow in ("wrap", "saturate"):
        arithmetic = Arithmetic(register=Register(bits, overflow))
        narrow = integer_network(model, lambda layer, same=arithmetic: same)
        assert (narrow(IMAGES) != exact).any()
        assert sum(record.overflowed for record in narrow.records().values()) > 0
    proven = max(record.proven_bits for record in records.values())
    safe = integer_network(model, lambda layer: Arithmetic(register=Register(proven, "saturate")))
    np.testing.assert_array_equal(safe(IMAGES), exact)


def test_scales_of_each_image_do_not_depend_on_the_others():
    dynamic = {"format": "int(8)", "scaling": "real", "dynamic": True}
    weights = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}
    policy = parse_policy({"weights": weights, "activations": dynamic, "inputs": dynamic})
    model = quantised(NETWORKS["residual"](), policy)
    images = IMAGES * np.array([1, 5, 0.1, 1, 30, 1], np.float32).reshape(-1, 1, 1, 1)
    network = integer_network(model)
    together = network(images)
    for i in range(len(images)):
        alone = network(images[i : i + 1])
        np.testing.assert_array_equal(alone, together[i : i + 1])
        emulated = model.predict_on_batch(images[i : i + 1])  # whose scales are those of the batch
        assert np.abs(alone - emulated).max() <= 0.05 * np.abs(emulated).max() + 1e-6


def refused(model, policy, images=IMAGES):
    with pytest.raises(PrecisionError) as caught:
        integer_network(quantised(model, parse_policy(policy), images))
    return str(caught.value)


def test_what_cannot_be_computed_is_named():
    smooth = body(layers.Conv2D(4, 3, activation="sigmoid", name="smooth"))
    assert "'smooth'" in (text := refused(smooth, "fixed(8,5)")) and "sigmoid" in text and "relu" in text
    norm = body(layers.BatchNormalization(name="norm"))
    assert "'norm'" in refused(norm, "fixed(8,5)")
    turned = body(layers.Conv2DTranspose(4, 3, name="turned"))
    assert "Conv2DTranspose" in refused(turned, "fixed(8,5)")
    assert "slope" in refused(body(layers.ReLU(negative_slope=0.1)), "fixed(8,5)")
    plain = NETWORKS["plain"]
    for missing, words in (("weights", "weights are not rounded"), ("inputs", "not rounded to integers")):
        policy = dict.fromkeys(["weights", "activations", "inputs"], "fixed(8,5)") | {missing: "float32"}
        assert words in refused(plain(), policy)
    assert "float8_e4m3" in refused(plain(), "float8_e4m3fn")
    assert "16 bits" in refused(plain(), "fixed(16,8)")


def test_a_bias_needs_a_register_that_holds_it():
    model = quantised(NETWORKS["plain"](), INT8)
    network = integer_network(model, lambda layer: Arithmetic(register=Register(8)))
    with pytest.raises(PrecisionError, match="8 bits is too narrow for the bias of channel"):
        network(IMAGES)
