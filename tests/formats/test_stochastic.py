"""Stochastic rounding: unbiased, reproducible, and different for every key."""

import numpy as np
import pytest
from oracles.catalogue import definition
from oracles.staircase import bits
from scipy.stats import chi2

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


SAMPLES, REPEATS = 200, 20_000


def samples(text: str) -> np.ndarray:
    """Return numbers within the range of a format, of every magnitude that it has, and below the least."""
    values = definition(text).values
    rng = np.random.default_rng(11)
    gap = rng.integers(0, len(values) - 1, SAMPLES)
    zero = int(np.flatnonzero(values == 0)[0]) if 0 in values else len(values) // 2
    gap[: SAMPLES // 4] = np.clip(zero + rng.integers(-3, 3, SAMPLES // 4), 0, len(values) - 2)  # subnormals
    low, high = values[gap], values[gap + 1]
    return (low + rng.uniform(0, 1, SAMPLES) * (high - low)).astype(np.float32)


def surprise(up: np.ndarray, p: np.ndarray) -> float:
    """Return how likely it is that counts out of ``REPEATS`` drawn with probability p lie as far off."""
    certain = (p == 0) | (p == 1)
    np.testing.assert_array_equal(up[certain], p[certain] * REPEATS)
    up, p = up[~certain], p[~certain]
    z = (up - REPEATS * p) / np.sqrt(REPEATS * p * (1 - p))
    plenty = REPEATS * np.minimum(p, 1 - p) > 20  # where the normal approximation holds
    return float(chi2.sf((z[plenty] ** 2).sum(), plenty.sum()))


@pytest.mark.parametrize("random_bits", [24, 8, 3, 1])
@pytest.mark.parametrize(
    "text",
    [
        *("fixed(8,4)", "ufixed(8,4)", "fixed(8,-3)", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"),
        *("float8_e4m3fnuz", "float6_e2m3fn", "float4_e2m1fn", "float(4,3,subnormals=False)"),
        *("posit(8,2)", "posit(16,1)", "lns(8,3)", "pow2(4)", "binary", "ternary", "nf4"),
    ],
)
def test_probability_is_the_fraction_in_its_first_bits(text, random_bits):
    d, x = definition(text), samples(text)
    below = d.staircase("floor").lookup(bits(x)).view(np.float32).astype(float)
    above = d.staircase("ceil").lookup(bits(x)).view(np.float32).astype(float)
    if text.startswith("posit"):  # which never round to zero, but here may, to have no bias
        least = d.values[d.values > 0][0]
        below[(x > 0) & (x < least)], above[(x < 0) & (x > -least)] = 0, 0
    # A lattice cuts a magnitude off, so it starts from the neighbour nearer to zero, a table from the lower.
    lattice = text.startswith(("fixed", "ufixed", "float", "bfloat"))
    near = np.where(lattice & (np.abs(above) < np.abs(below)), above, below)
    far = below + above - near
    with np.errstate(invalid="ignore"):
        fraction = np.where(near == far, 0, (x.astype(float) - near) / (far - near))
    key, mode = (5, random_bits), f"stochastic(random_bits={random_bits})"
    y = parse(text).quantize(np.repeat(x, REPEATS), mode, key=key).reshape(SAMPLES, REPEATS)
    assert ((y == near[:, None]) | (y == far[:, None])).all()
    up = np.where(near == far, 0, (y == far[:, None]).sum(axis=1))
    assert surprise(up, np.floor(fraction * 2**random_bits) / 2**random_bits) > 1e-6


@pytest.mark.parametrize("text", ["mxfp8_e4m3", "mxfp4_e2m1", "mxint8", "nvfp4", "bfp(8)", "nf4(block=64)"])
def test_blocks_are_unbiased(text):
    f = parse(text)
    row = np.random.default_rng(3).normal(size=64).astype(np.float32)
    row[::5] *= np.float32(2.0**-8)  # among the subnormals of an element
    below, above = (f.quantize(row[None], mode)[0].astype(float) for mode in ("floor", "ceil"))
    y = f.quantize(np.tile(row, (REPEATS, 1)), "stochastic", key=9)
    assert ((y == below.astype(np.float32)) | (y == above.astype(np.float32))).all()
    inside = (below < above) & (below <= row) & (row <= above)
    assert inside.sum() > 40
    p = (row[inside] - below[inside]) / (above - below)[inside]
    # Of elements under a scale that is no power of two, fractions carry the rounding error of a quotient.
    assert surprise((y[:, inside] == above[inside].astype(np.float32)).sum(axis=0), p) > 1e-6


@pytest.mark.parametrize("rounding", ["stochastic", "stochastic(random_bits=5)"])
@pytest.mark.parametrize("shape", [(70_001,), (3, 40_000), (2, 37, 11)])
@pytest.mark.parametrize("text", ["fixed(8,4)", "float16", "posit(8,2)", "nf4", "mxfp8_e4m3", "nvfp4"])
def test_tensors_draw_the_bits_of_arrays(text, shape, rounding):
    import tensorflow as tf

    f, x = parse(text), np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    array = f.quantize(x, rounding, key=(1, 2))
    np.testing.assert_array_equal(array, f.quantize(x, rounding, key=(1, 2)))
    np.testing.assert_array_equal(f.quantize(tf.constant(x), rounding, key=(1, 2)).numpy(), array)
    for other in ((1, 3), (2, 2), (2, 1)):
        assert (f.quantize(x, rounding, key=other) != array).mean() > 0.001


def test_tiny_numbers_are_not_always_lost():
    # 2^-12 of the smallest subnormal number: kept once in 4096, so that sums of many are right.
    f = parse("float8_e5m2")
    x = np.full(4_000_000, f.min_subnormal * 2.0**-12, np.float32)
    kept = int((f.quantize(x, "stochastic", key=4) == np.float32(f.min_subnormal)).sum())
    assert abs(kept - x.size / 4096) < 5 * np.sqrt(x.size / 4096)


def test_keys_of_another_length_are_other_keys():
    f, x = parse("fixed(8,4)"), np.full(1000, 0.3, np.float32)
    results = [f.quantize(x, "stochastic", key=key) for key in ((1, 2), (1, 2, 0), (1,), 1, (0, 1))]
    assert (results[2] == results[3]).all()
    distinct = {r.tobytes() for r in results}
    assert len(distinct) == 4
