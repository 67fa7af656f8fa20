"""Stochastic rounding: unbiased, reproducible, and different for every key."""

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.formats import parse

N = 200_000


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("fixed(8,4)", 0.3),
        ("fixed(8,4)", -0.01),
        ("fixed(8,4)", 5.01),
        ("float16", 1.0001),
        ("float8_e4m3fn", 100.3),
        ("float8_e4m3fn", 0.0031),  # between subnormals
        ("float8_e5m2", -3e-5),  # between subnormals
        ("bfloat16", 1e30),
    ],
)
def test_mean_is_the_value(text, x):
    f, x = parse(text), np.float32(x)
    rounded = f.quantize(np.full(N, x), "stochastic", key=(7, 1)).astype(np.float64)
    low, high = np.unique(rounded) if len(np.unique(rounded)) == 2 else (rounded[0], rounded[0])
    assert low <= x <= high
    assert low in f.values() and high in f.values() if f.bits <= 16 else True
    p = (float(x) - low) / (high - low)
    error = 5 * (high - low) * np.sqrt(p * (1 - p) / N)  # five standard deviations
    assert abs(rounded.mean() - float(x)) <= error


@pytest.mark.parametrize("text", ["fixed(8,4)", "float8_e4m3fn", "float16"])
def test_representable_values_stay(text):
    f = parse(text)
    np.testing.assert_array_equal(f.quantize(f.values(), "stochastic", key=1), f.values())


def test_same_key_same_bits_and_another_key_others():
    f, x = parse("fixed(8,4)"), np.random.default_rng(0).standard_normal(N).astype(np.float32)
    first = f.quantize(x, "stochastic", key=(1, 2, 3))
    np.testing.assert_array_equal(first, f.quantize(x, "stochastic", key=(1, 2, 3)))
    for other in [(1, 2, 4), (1, 3, 3), (2, 2, 3), 1]:
        assert (first != f.quantize(x, "stochastic", key=other)).mean() > 0.2


def test_neighbouring_keys_are_not_shifted_copies():
    f, x = parse("fixed(8,0)"), np.full(N, 0.5, np.float32)
    bits = [f.quantize(x, "stochastic", key=(0, step)) for step in range(4)]
    for a in range(4):
        for b in range(a):
            for shift in range(-3, 4):
                agreement = (bits[a] == np.roll(bits[b], shift)).mean()
                assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(N)


def test_noise_is_uniform():
    from scipy.stats import chisquare

    # With fl = 0 and x = k/64 the share that rounds up estimates the distribution of the draws.
    f = parse("fixed(8,0)")
    up = [f.quantize(np.full(N, k / 64, np.float32), "stochastic", key=5).mean() for k in range(65)]
    assert chisquare(np.diff(up) * N).pvalue > 1e-4


def test_eager_graph_and_arrays_agree():
    import tensorflow as tf

    f, x = parse("float8_e5m2"), np.random.default_rng(0).standard_normal((37, 11)).astype(np.float32)
    array = f.quantize(x, "stochastic", key=(3, 4))
    eager = f.quantize(tf.constant(x), "stochastic", key=(3, 4)).numpy()
    graph = tf.function(lambda t: f.quantize(t, "stochastic", key=(3, 4)))(tf.constant(x)).numpy()
    np.testing.assert_array_equal(array, eager)
    np.testing.assert_array_equal(array, graph)


@pytest.mark.parametrize("key", [None, -1, (), (1, "a"), 1.5])
def test_bad_key(key):
    with pytest.raises(PrecisionError, match="key"):
        parse("fixed(8,4)").quantize(np.ones(3, np.float32), "stochastic", key=key)
