"""Narrow accumulators: the reference against exact arithmetic, the fast one against the reference."""

import itertools
import math
from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.accumulators import compiled as fast
from precision.arithmetic.accumulators import reference as reference
from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.window import Window
from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.quantization import apply, parse_policy, sums
from precision.quantization.sites import resolve
from precision.quantization.sums import window_of

layers = keras.layers


def accumulator(text, every=1, products=None, rounding="nearest"):
    return Accumulator(parse(text), every, products and parse(products), rounding)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_same_bits(got, expected):
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32))


# The reference against exact arithmetic.


def exactly(value, man, least):
    """Return a fraction rounded to nearest, ties to even, with ``man`` bits after the leading one."""
    if value == 0:
        return value
    exponent = math.floor(math.log2(abs(value)))
    exponent += (abs(value) >= Fraction(2) ** (exponent + 1)) - (abs(value) < Fraction(2) ** exponent)
    step = Fraction(2) ** (max(exponent, least) - man)
    return round(value / step) * step


def single(value):
    return exactly(value, 23, -126)


ROUNDED = {
    "float16": lambda v: exactly(v, 10, -14),
    "bfloat16": lambda v: exactly(v, 7, -126),
    "float(5,7)": lambda v: exactly(v, 7, -14),
    "fixed(16,8)": lambda v: (
        max(Fraction(-(2**15)), min(Fraction(2**15 - 1), Fraction(round(v * 256)))) / 256
    ),
    "fixed(10,4,overflow=wrap)": lambda v: Fraction((round(v * 16) + 512) % 1024 - 512, 16),
}


def by_hand(x, kernel, bias, sums, products, every, stride, dilation, left):
    """A one-dimensional convolution with two groups, index by index, in fractions."""
    size, channels, filters = kernel.shape
    count = (x.shape[1] + 2 * left - (size - 1) * dilation - 1) // stride + 1
    out = np.zeros((x.shape[0], count, filters))
    for image, place, f in itertools.product(*map(range, out.shape)):
        total, steps = Fraction(0), 0
        for k in range(size):
            for c in range(channels):
                at = place * stride + k * dilation - left
                seen = x[image, at, c + (f >= filters // 2) * channels] if 0 <= at < x.shape[1] else 0.0
                product = single(Fraction(float(seen)) * Fraction(float(kernel[k, c, f])))
                total = single(total + (ROUNDED[products](product) if products else product))
                steps += 1
                if steps % every == 0 or steps == size * channels:
                    total = ROUNDED[sums](total)
        out[image, place, f] = ROUNDED[sums](single(total + Fraction(float(bias[f]))))
    return out.astype(np.float32)


@pytest.mark.parametrize("sums", ROUNDED)
@pytest.mark.parametrize(("products", "every"), [(None, 1), ("float16", 1), ("fixed(16,8)", 4), (None, 100)])
@pytest.mark.parametrize(
    ("stride", "dilation", "padding"), [(1, 1, "same"), (2, 1, "valid"), (1, 2, "valid")]
)
def test_the_reference_by_hand(sums, products, every, stride, dilation, padding):
    x, kernel, bias = normal(2, 7, 4) * 5, normal(3, 2, 6, seed=1) * 3, normal(6, seed=2)
    window = Window((3,), (stride,), (dilation,), padding, groups=2)
    expected = by_hand(x, kernel, bias, sums, products, every, stride, dilation, int(padding == "same"))
    got = reference.accumulate(x, kernel, bias, accumulator(sums, every, products), window)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("text", "stops"), [("float16", 2048), ("bfloat16", 256), ("float(5,7)", 256)])
def test_a_large_sum_swamps_ones(text, stops):
    ones = np.ones((1, 4096), np.float32)
    for way in (reference, fast):
        assert way.accumulate(ones, ones.T, None, accumulator(text)) == stops
        assert way.accumulate(ones, ones.T, None, accumulator(text, every=4096)) == 4096


def test_fixed_point_wraps_and_saturates():
    ones = np.ones((1, 20), np.float32)
    for way in (reference, fast):
        assert way.accumulate(ones, ones.T, None, accumulator("fixed(4,0)")) == 7
        assert way.accumulate(ones, ones.T, None, accumulator("fixed(4,0,overflow=wrap)")) == 20 - 16
        assert way.accumulate(ones, ones.T, -ones[0, :1], accumulator("fixed(4,0)")) == 6


def test_float32_in_the_stated_order():
    x, kernel = normal(5, 300), normal(300, 9, seed=1)
    expected = np.add.accumulate(x[:, :, None] * kernel, axis=1)[:, -1]  # from first to last, one by one
    for every in (1, 7):
        got = fast.accumulate(x, kernel, None, accumulator("float32", every))
        assert_same_bits(got, expected)
    assert (got != x @ kernel).any()


def test_half_precision_as_torch_adds_it():
    import torch  # which takes seconds

    x, kernel = normal(40, 200).astype(np.float16), normal(200, 12, seed=1).astype(np.float16)
    a, b = torch.from_numpy(x), torch.from_numpy(kernel)
    total = torch.zeros(40, 12, dtype=torch.half)
    for step in range(200):
        total = total + a[:, step, None] * b[None, step]
    wide = x.astype(np.float32), kernel.astype(np.float32)
    got = fast.accumulate(*wide, None, accumulator("float16", products="float16"))
    np.testing.assert_array_equal(got, total.float().numpy())


# The fast one against the reference.

ACCUMULATORS = [
    accumulator("float16"),
    accumulator("float16", 2, "float16"),
    accumulator("float16", 7),
    accumulator("float16", 1000, "float16"),
    accumulator("bfloat16", 1, "bfloat16"),
    accumulator("float8_e4m3fn"),
    accumulator("float(5,7)", 7),
    accumulator("fixed(16,8)", 1, "fixed(16,8)"),
    accumulator("fixed(10,6,overflow=wrap)", 2),
    accumulator("float16", 2, "fixed(12,6)", "toward_zero"),
    accumulator("posit(8,1)"),
    accumulator("float(5,7)", 2, "float(5,7)", "stochastic"),
    accumulator("float32", 7),
]


@st.composite
def convolutions(draw):
    rank = draw(st.integers(0, 3))
    sizes = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    strides, dilations = (1,) * rank, (1,) * rank
    if draw(st.booleans()):
        strides = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    else:
        dilations = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    padding = draw(st.sampled_from(["valid", "same", "causal"][: 3 if rank == 1 else 2]))
    groups = draw(st.integers(1, 3)) if rank else 1
    channels, filters = draw(st.integers(1, 5)), groups * draw(st.sampled_from([1, 2, 5, 8, 13, 140]))
    spatial = [draw(st.integers((k - 1) * d + 1, 7)) for k, d in zip(sizes, dilations, strict=True)]
    window = Window(sizes, strides, dilations, padding, groups)
    shapes = (draw(st.integers(1, 9)), *spatial, groups * channels), (*sizes, channels, filters)
    return window, *shapes, draw(st.booleans()), draw(st.integers(0, 100))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(convolutions(), st.sampled_from(ACCUMULATORS), st.integers(1, 3))
def test_the_fast_one_agrees(convolution, setting, threads):
    window, shape, kernel_shape, biased, seed = convolution
    x = normal(*shape, seed=seed) * np.float32(2.0 ** (seed % 5))
    kernel, bias = normal(*kernel_shape, seed=seed + 1), normal(kernel_shape[-1]) if biased else None
    expected = reference.accumulate(x, kernel, bias, setting, window, seed)
    assert_same_bits(fast.accumulate(x, kernel, bias, setting, window, seed, threads), expected)


@pytest.mark.parametrize("setting", ACCUMULATORS, ids=str)
def test_they_agree_on_extreme_numbers(setting):
    """Subnormal numbers, overflow, infinities and NaN."""
    rng = np.random.default_rng(3)
    x = normal(6, 40) * np.float32(2.0) ** rng.integers(-140, 120, (6, 40)).astype(np.float32)
    kernel = normal(40, 20, seed=1) * np.float32(2.0) ** rng.integers(-20, 10, (40, 20)).astype(np.float32)
    x[4, 30], x[5, 20], x[5, 25] = np.nan, np.inf, -np.inf
    assert_same_bits(
        fast.accumulate(x, kernel, None, setting), reference.accumulate(x, kernel, None, setting)
    )


def test_threads_do_not_change_a_bit():
    x, kernel, bias = normal(30, 12, 12, 8), normal(3, 3, 8, 20, seed=1), normal(20)
    window = Window((3, 3), (1, 1), (1, 1), "same")
    for setting in (accumulator("float16"), accumulator("float16", rounding="stochastic")):
        one, *more = (fast.accumulate(x, kernel, bias, setting, window, 5, n) for n in (1, 2, 3, 7))
        for other in more:
            assert_same_bits(other, one)


def test_seeds_of_stochastic_rounding():
    x, kernel = normal(20, 50), normal(50, 20, seed=1)
    setting = accumulator("float8_e4m3fn", rounding="stochastic")
    first, same, other = (fast.accumulate(x, kernel, None, setting, seed=seed) for seed in (1, 1, 2))
    assert_same_bits(first, same)
    assert (first != other).mean() > 0.3


# Layers.


def built(layer, shape):
    layer.build((None, *shape))
    for weight in layer.weights:
        weight.assign(normal(*weight.shape, seed=len(weight.shape)) * 0.5)
    return layer


def image(kind, *arguments, **options):
    return kind(*arguments, **options), (9, 8, 4)


LAYERS = [
    (layers.Dense(7, activation="relu"), (5,)),
    (layers.Dense(7, use_bias=False), (3, 5)),
    (layers.Conv1D(6, 3, padding="causal", dilation_rate=2), (9, 4)),
    (layers.Conv1D(6, 4, strides=3, padding="same"), (11, 4)),
    image(layers.Conv2D, 6, 3, activation="tanh"),
    image(layers.Conv2D, 6, (4, 3), strides=(2, 3), padding="same"),
    image(layers.Conv2D, 6, (2, 3), dilation_rate=(2, 1), padding="same", use_bias=False),
    image(layers.Conv2D, 6, 3, groups=2, strides=2),
    image(layers.Conv2D, 6, 3, padding="same", data_format="channels_first"),
    (layers.Conv3D(3, 2, strides=2, padding="same"), (5, 4, 3, 2)),
    image(layers.DepthwiseConv2D, 3, depth_multiplier=3, strides=2, padding="same"),
    image(layers.DepthwiseConv2D, 3, dilation_rate=2),
    (layers.DepthwiseConv1D(3, depth_multiplier=2, activation="relu"), (9, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda v: getattr(v, "name", None))
def test_rounding_once_is_the_plain_layer(layer, shape):
    """With a sum that is not rounded on the way, only the order of the sum and its end differ."""
    layer = built(type(layer).from_config(layer.get_config()), shape)
    x = tf.constant(normal(4, *shape))
    plain = layer(x).numpy() if layer.get_config().get("data_format") != "channels_first" else None
    if plain is None:  # which TensorFlow does not compute on a processor
        last = type(layer).from_config({**layer.get_config(), "data_format": "channels_last"})
        last.build((None, *shape[1:], shape[0]))
        last.set_weights(layer.get_weights())
        plain = np.moveaxis(last(tf.transpose(x, [0, 2, 3, 1])).numpy(), -1, 1)
    assert sums.refusal(layer) is None
    in_graph = tf.function(lambda x, s: sums.call(layer, x, s), autograph=False)
    got = in_graph(x, accumulator("float32", every=1000))
    assert got.shape == plain.shape
    np.testing.assert_allclose(got, plain, rtol=1e-5, atol=1e-5)
    half = in_graph(x, accumulator("float16", every=1000)).numpy()
    np.testing.assert_allclose(half, plain, rtol=2**-10, atol=2**-9)
    assert (half != got.numpy()).any()


def test_a_layer_in_a_graph_gives_the_bits_of_the_reference():
    """TensorFlow's threads take subnormal numbers for zero; the emulation does not."""
    layer = built(layers.Conv2D(6, 3, padding="same"), (9, 8, 4))
    x = normal(4, 9, 8, 4) * np.float32(2.0**-90)
    kernel, bias = layer.kernel.numpy() * np.float32(2.0**-42), layer.bias.numpy() * np.float32(2.0**-130)
    assert np.abs(bias).max() < np.finfo(np.float32).tiny
    setting = accumulator("bfloat16", products="tf32")
    expected = reference.accumulate(x, kernel, bias, setting, window_of(layer))
    assert 0 < np.abs(expected[expected != 0]).min() < np.finfo(np.float32).tiny
    graph = tf.function(lambda *t: sums.accumulate(layer, *t, setting), autograph=False)
    for _ in range(2):
        assert_same_bits(graph(x, kernel, bias).numpy(), expected)
    flushed = tf.function(lambda a, b: tf.numpy_function(np.multiply, [a, b], tf.float32))
    tiny = np.float32(2.0**-100)
    assert flushed(tiny, np.float32(2.0**-40)) == 0, "the thread is left as TensorFlow has set it"


def test_weights_are_those_of_the_scope():
    layer = built(layers.Dense(3), (4,))
    x, other = normal(2, 4), normal(4, 3, seed=9)
    with keras.StatelessScope(state_mapping=[(layer._kernel, keras.ops.convert_to_tensor(other))]):
        got = sums.call(layer, tf.constant(x), accumulator("float16"))
    expected = reference.accumulate(x, other, layer.bias.numpy(), accumulator("float16"))
    assert_same_bits(got.numpy(), expected)


def test_a_gradient_is_refused():
    layer = built(layers.Dense(3, name="logits"), (4,))
    x = tf.constant(normal(2, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = sums.call(layer, x, accumulator("float16"))
    with pytest.raises(PrecisionError, match=r"layer 'logits' sums in float16.*no gradient; train without"):
        tape.gradient(y, x)


class Doubled(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Named(layers.Conv2D):
    """A subclass that computes as its parent does."""


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2DTranspose(2, 3, name="up"), "layer 'up' is a Conv2DTranspose.*set its accumulators"),
        (layers.SeparableConv2D(2, 3, name="s"), "layer 's' is a SeparableConv2D"),
        (layers.LSTM(3, name="memory"), "layer 'memory' is a LSTM"),
        (layers.EinsumDense("ab,bc->ac", 3, name="e"), "layer 'e' is a EinsumDense"),
        (Doubled(3, name="twice"), "layer 'twice' is a Doubled"),
        (layers.Dense(3, name="half", dtype="float16"), "'half' computes in float16.*dtype='float32'"),
        (layers.Dense(3, name="mixed", dtype="mixed_bfloat16"), "'mixed' computes in bfloat16"),
    ],
)
def test_other_layers_are_refused(layer, words):
    assert sums.refusal(layer)
    with pytest.raises(PrecisionError, match=words):
        sums.call(layer, tf.zeros((1, 3)), accumulator("float16"))


def test_a_layer_that_keras_quantised_is_refused():
    layer = built(layers.Dense(3, name="d"), (4,))
    layer.quantize("int8")
    assert "'d' was quantised by Keras (int8)" in sums.refusal(layer)


def test_a_subclass_that_computes_alike_is_served():
    assert sums.refusal(Named(2, 3)) is None


class Halves(NumberFormat):
    """A format that only has a function of its own."""

    name, bits = "halves", 8.0

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        return keras.ops.round(x * 2) / 2 if tf.is_tensor(x) else np.rint(x * 2).astype(np.float32) / 2

    def values(self):
        return np.arange(-128, 128, dtype=np.float32) / 2


def test_a_format_with_a_function_of_its_own_goes_through_the_reference():
    setting = Accumulator(Halves())
    assert not fast.serves(setting)
    layer = built(layers.Dense(3), (4,))
    x = normal(20, 4) * 3
    same = reference.accumulate(x, layer.kernel.numpy(), layer.bias.numpy(), accumulator("fixed(20,1)"))
    got = tf.function(lambda x: sums.call(layer, x, setting), autograph=False)(x)
    np.testing.assert_array_equal(got, same)


def test_a_policy_whose_sums_are_not_emulated_is_refused():
    x = keras.Input((6, 6, 2))
    y = layers.SeparableConv2D(3, 3, name="s")(layers.Conv2D(2, 1, name="c")(x))
    model = keras.Model(x, y)
    with pytest.raises(PrecisionError, match=r"layer 's' is a SeparableConv2D.*s: \{accumulators: float32\}"):
        resolve(model, parse_policy({"accumulators": "fixed(6,2)"}))
    policy = parse_policy({"accumulators": "fixed(6,2)", "layers": {"s": {"accumulators": "float32"}}})
    assert {site.layer for site in resolve(model, policy) if site.setting} == {"c"}


def test_every_layer_and_seed_has_its_own_noise_in_its_sums():
    x = keras.Input((40,))
    first, second = (layers.Dense(30, use_bias=False, name=name) for name in "ab")
    model = keras.Model(x, [first(x), second(x)])
    second.set_weights(first.get_weights())
    policy = parse_policy({"accumulators": {"format": "float8_e5m2", "rounding": "stochastic"}})
    batch = np.random.default_rng(0).normal(0, 1, (4, 40)).astype(np.float32)
    found = {seed: apply(model, policy, seed).predict_on_batch(batch) for seed in (0, 1)}
    again = apply(model, policy, 0).predict_on_batch(batch)
    for a, b in zip(found[0], again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found[0][0] != found[0][1]).mean() > 0.3  # of two layers with the same weights
    assert (found[0][0] != found[1][0]).mean() > 0.3  # of two seeds
