"""Networks of integers against the emulation that they are made from, and against NumPy."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.multipliers import parse_multiplier
from precision.deploy.integer import Arithmetic, IntegerPredictor, integer_network
from precision.errors import PrecisionError
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.transforms.folding import fold

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.random((6, 8, 8, 2)).astype(np.float32)
FIXED = parse_policy("fixed(8,5)")
INT8 = parse_policy("int8")
MOVING_INPUTS = parse_policy(
    dict.fromkeys(["weights", "activations"], "fixed(8,5)")
    | {"inputs": {"format": "fixed(8,auto)", "dynamic": True}}
)


@pytest.fixture(autouse=True)
def _seeded():
    """A layer draws the seed of its weights when it is made, before ``body`` is called with it."""
    keras.utils.set_random_seed(2)


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


def behind(way):
    """Return a network with something behind a convolution."""
    keras.utils.set_random_seed(2)
    x = keras.Input((8, 8, 2))
    y = way(layers.Conv2D(4, 3, padding="same", name="a")(x))
    return stirred(keras.Model(x, layers.Dense(3, name="logits")(layers.Flatten()(y))))


def image_and(merge):
    keras.utils.set_random_seed(2)
    x = keras.Input((8, 8, 2))
    y = layers.Flatten()(merge([layers.Conv2D(2, 3, padding="same", name="a")(x), x]))
    return stirred(keras.Model(x, layers.Dense(3, name="logits")(y)))


def pool():
    return layers.MaxPooling2D(3, 1, padding="same")


def pool_of_several_readers(y):
    shared = pool()(y)
    return layers.Add()([pool()(shared), layers.ReLU()(shared)])


def one_layer_twice(y):
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    return shared(shared(y))


SHAPES = {
    "several readers of a pool": pool_of_several_readers,
    "a layer that is called twice": one_layer_twice,
    "largest averages at the edge": lambda y: layers.ReLU()(
        layers.MaxPooling2D(2)(layers.AveragePooling2D(3, 2, padding="same")(y))
    ),
    "the largest average": lambda y: layers.GlobalMaxPooling2D(keepdims=True)(
        layers.AveragePooling2D(3, 2, padding="same")(y)
    ),
    "an image and a number of each channel": lambda y: y + layers.GlobalAveragePooling2D(keepdims=True)(y),
    "three side by side, one twice": lambda y: layers.Concatenate(1)([y, layers.ReLU()(y), y]),
}
NETWORKS["added to the image"] = lambda: image_and(layers.Add())
NETWORKS |= {name: lambda way=way: behind(way) for name, way in SHAPES.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_point_has_the_bits_of_the_emulation(name):
    """Its sums of products are exact in float32 here, and both round them half to even."""
    model = quantised(NETWORKS[name](), FIXED)
    expected = model.predict_on_batch(IMAGES)
    assert len(np.unique(expected)) > 4
    np.testing.assert_array_equal(integer_network(model)(IMAGES), expected)


@functools.cache
def scaled(name):
    """Return a network in scaled integers, not to be changed, and what the emulation says of the images."""
    model = quantised(NETWORKS[name](), INT8)
    return model, model.predict_on_batch(IMAGES)


@pytest.mark.parametrize("rule", ["float", "single", "litert_reference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_scaled_integers_are_within_a_few_codes(name, rule):
    """The emulation sums in float32 and keeps a real bias; and rules round otherwise."""
    model, expected = scaled(name)
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
    model, _ = scaled("residual")
    first, *others = (integer_network(model, engine=e)(IMAGES) for e in ("naive", "table", "auto"))
    for other in others:
        np.testing.assert_array_equal(other, first)


def pointwise():
    """A network that begins with convolutions of one place on one channel."""
    keras.utils.set_random_seed(2)
    inner = [layers.Conv2D(3, 1, activation="relu"), layers.Conv2D(5, 1, name="b"), layers.MaxPooling2D(2)]
    parts = [keras.Input((8, 8, 1)), *inner, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    return stirred(keras.Sequential(parts))


@functools.cache
def of_pixels():
    return quantised(pointwise(), INT8, IMAGES[..., :1])


@pytest.mark.parametrize("rule", ["float", "single", "litert_reference"])
@pytest.mark.parametrize("name", [*NETWORKS, "pixels"])
def test_steps_taken_together_by_several_threads_have_the_bits_of_one_after_the_other(
    monkeypatch, name, rule
):
    """Sums that are rounded at once, codes that are looked up, and images in groups."""
    monkeypatch.setattr("precision.arithmetic.integer.network.IN_CACHE", 2)
    monkeypatch.setattr("precision.arithmetic.integer.network.AT_ONCE", 4)
    monkeypatch.setattr("precision.arithmetic.integer.network.processors", lambda: 2)
    model, images = (of_pixels(), IMAGES[..., :1]) if name == "pixels" else (scaled(name)[0], IMAGES)
    together, each = (integer_network(model, rule=rule) for _ in range(2))
    expected = np.asarray(each.values(images)[-1].real(), np.float32)
    np.testing.assert_array_equal(together(images), expected)
    for one, other in zip(together.records().values(), each.records().values(), strict=True):
        assert (one.images, one.products, one.proven_bits) == (6, other.products, other.proven_bits)


@pytest.mark.parametrize("watch", [False, True])
def test_overflows_of_pixels_are_counted_for_the_image_that_they_are_in(watch):
    plain = {"format": "int(8)", "scaling": "real"}
    policy = parse_policy({"weights": plain, "activations": plain, "inputs": plain})
    model, images = quantised(pointwise(), policy, IMAGES[..., :1]), IMAGES[..., :1].copy()
    images[3:] = 0  # no sum of them leaves the register
    wide = integer_network(model, watch=True)
    wide(images)
    narrow = Arithmetic(register=Register(wide.records()["b"].peak.bit_length()))  # one too few for the sign
    network, each = (
        integer_network(model, lambda layer: narrow if layer == "b" else Arithmetic(), watch=watch)
        for _ in range(2)
    )
    network(images)
    each.values(images)
    assert network.records() == each.records()
    assert 0 < network.seen.overflowed == network.records()["b"].overflowed < 6


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


class Add(layers.Layer):
    """Called as a layer of Keras is, and another one."""

    def call(self, both):
        return both[0] - both[1]


def relu(x):
    return keras.ops.abs(x)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (lambda y: Add()([y, layers.ReLU()(y)]), "class of one's own"),
        (lambda y: layers.Activation(relu)(y), "none of Keras"),
        (lambda y: y + 1.0, "a constant"),
        (lambda y: layers.Add()([y, layers.GlobalAveragePooling2D()(y)]), "different ranks"),
    ],
)
def test_what_only_looks_like_something_known_is_refused(way, words):
    assert words in refused(behind(way), "fixed(8,5)")


def test_a_mask_is_refused():
    x = keras.Input((8, 8, 2))
    model = keras.Model(x, layers.Dense(3)(layers.Masking(1.0)(layers.Reshape((64, 2))(x))))
    assert "compares real numbers" in refused(model, "fixed(8,5)")


def test_a_constant_beside_a_tensor_is_refused():
    x = keras.Input(batch_shape=(6, 8, 8, 2))
    y = keras.ops.concatenate([layers.Conv2D(4, 1)(x), np.full((6, 8, 8, 1), 0.5, np.float32)], -1)
    model = keras.Model(x, layers.GlobalMaxPooling2D()(y))
    assert "a constant" in refused(model, "fixed(8,5)")


@pytest.mark.parametrize("rule", ["single", "litert_reference"])
def test_real_sums_are_rounded_as_such_by_every_rule(rule):
    """An input whose scale follows from the image makes them; the next layer has a scale of its own."""
    model = quantised(NETWORKS["plain"](), MOVING_INPUTS)
    expected = model.predict_on_batch(IMAGES[:1])  # the scale of one image is that of the batch
    found = integer_network(model, rule=rule)(IMAGES[:1])
    assert np.abs(found - expected).max() <= 2 / 32 < np.ptp(expected) / 4


@pytest.mark.parametrize("flip", [1, -1])
def test_tensors_of_different_formats_side_by_side_keep_their_range_and_their_steps(flip):
    wide, narrow = ({"format": f"uint({bits})", "scaling": "real"} for bits in (8, 4))
    policy = {
        "weights": "fixed(8,5)",
        "activations": wide,
        "inputs": wide,
        "layers": {"b": {"activations": narrow}},
    }

    def joined(y):
        y = layers.ReLU()(y)
        return layers.Concatenate()(
            [y, layers.Conv2D(4, 3, padding="same", activation="relu", name="b")(y)][::flip]
        )

    model = quantised(behind(joined), parse_policy(policy))
    expected = model.predict_on_batch(IMAGES)
    multiplier = Arithmetic(parse_multiplier("exact(8)"))  # whose table is of the codes that there are
    for network in (integer_network(model), integer_network(model, lambda layer: multiplier)):
        assert np.abs(network(IMAGES) - expected).max() < 0.02 * np.ptp(expected)


def test_each_call_of_a_layer_has_a_record():
    model = quantised(NETWORKS["a layer that is called twice"](), FIXED)
    network = integer_network(model, watch=True)
    network(IMAGES)
    numbers, facts = IntegerPredictor(network, FIXED, model).observed()
    assert list(network.records()) == ["a", "shared", "shared (call 2)", "logits"]
    assert numbers["register_bits"] == max(record.proven_bits for record in network.records().values())
    assert "shared (call 2)" in facts["registers"]


@pytest.mark.parametrize("policy", [FIXED, MOVING_INPUTS], ids=["fixed", "moving"])
def test_no_image_and_one_of_nan_and_infinity(policy):
    model = quantised(NETWORKS["joined" if policy is FIXED else "plain"](), policy)
    network = integer_network(model)
    assert network(IMAGES[:0]).shape == (0, 3)
    for value in (np.nan, np.inf, -np.inf):
        bad = IMAGES[:1].copy()
        bad[0, 2, 2, 0] = value
        expected = model.predict_on_batch(bad)
        np.testing.assert_allclose(network(bad), expected, rtol=1e-5)


def test_weights_next_to_nothing_have_a_bias_that_no_register_holds():
    model = NETWORKS["plain"]()
    model.layers[0].kernel.assign(model.layers[0].kernel * np.array([1, 0, 1e-30, 1], np.float32))
    network = integer_network(quantised(model, INT8), lambda layer: Arithmetic(register=Register(64)))
    with pytest.raises(PrecisionError, match=r"channel 2, .*no register holds it.* make them 0"):
        network(IMAGES)


def test_a_bias_needs_a_register_that_holds_it():
    model = quantised(NETWORKS["plain"](), INT8)
    network = integer_network(model, lambda layer: Arithmetic(register=Register(8)))
    with pytest.raises(PrecisionError, match="8 bits is too narrow for the bias of channel"):
        network(IMAGES)
