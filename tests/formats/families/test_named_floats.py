"""The named floats against ml_dtypes, to the last bit."""

import ml_dtypes
import numpy as np
import pytest

from precision.formats import parse

NAMED = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float(4,3)": np.dtype(ml_dtypes.float8_e4m3),
    "float(3,4)": np.dtype(ml_dtypes.float8_e3m4),
}


def patterns(dtype: np.dtype) -> np.ndarray:
    """Every value of a format, the midpoints, their float32 neighbours, powers of two, and random bits."""
    codes = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    values = codes.view(dtype).astype(np.float32)
    finite = np.unique(values[np.isfinite(values)])
    with np.errstate(over="ignore"):
        middles = ((finite[:-1].astype(np.float64) + finite[1:]) / 2).astype(np.float32)
        beyond = np.float32(finite[-1]) * np.array([1.01, 1.03, 1.0625, 1.07, 1.5, 2, 4], np.float32)
    powers = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    exact = np.concatenate([finite, middles, powers, -powers, beyond, -beyond])
    random = np.random.default_rng(0).integers(0, 2**32, 1_000_000, dtype=np.uint32).view(np.float32)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    with np.errstate(over="ignore"):
        near = [np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))]
    return np.concatenate([exact, *near, random, special])


def same_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        return x.astype(dtype).astype(np.float32)


@pytest.mark.parametrize("name", NAMED)
def test_arrays_agree_with_ml_dtypes(name):
    x = patterns(NAMED[name])
    wrong = x[~same_bits(parse(name).quantize(x), cast(x, NAMED[name]))]
    assert wrong.size == 0, wrong[:5]


@pytest.mark.parametrize("name", NAMED)
def test_tensors_agree_with_ml_dtypes_outside_the_float32_subnormals(name):
    import tensorflow as tf

    x = patterns(NAMED[name])
    x = x[~(np.abs(x) < 2.0**-126) | (x == 0)]  # TensorFlow's kernels flush these to zero
    expected = cast(x, NAMED[name])
    expected[np.abs(expected) < 2.0**-126] *= 0
    wrong = x[~same_bits(parse(name).quantize(tf.constant(x)).numpy(), expected)]
    assert wrong.size == 0, wrong[:5]


@pytest.mark.parametrize("name", NAMED)
def test_values_are_those_of_ml_dtypes(name):
    dtype = NAMED[name]
    codes = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    values = codes.view(dtype).astype(np.float32)
    np.testing.assert_array_equal(parse(name).values(), np.unique(values[np.isfinite(values)]))


@pytest.mark.parametrize("name", NAMED)
def test_limits_are_those_of_ml_dtypes(name):
    info, f = ml_dtypes.finfo(NAMED[name]), parse(name)
    assert (f.max, f.min_normal, f.min_subnormal, f.eps, f.bits) == (
        float(info.max),
        float(info.smallest_normal),
        float(info.smallest_subnormal),
        float(info.eps),
        info.bits,
    )


def test_float32_changes_nothing():
    x = patterns(np.dtype(np.float16))
    assert same_bits(parse("float32").quantize(x), x).all()


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("float16", 65519.996, 65504.0),
        ("float16", 65520.0, np.inf),
        ("float16(overflow=saturate)", 1e9, 65504.0),
        ("float8_e4m3fn", 464.0, 448.0),
        ("float8_e4m3fn", 464.0001, np.nan),
        ("float8_e4m3fn", np.inf, np.nan),
        ("float8_e4m3fn(overflow=saturate)", 464.0001, 448.0),
        ("float8_e4m3fn(overflow=saturate)", -np.inf, -448.0),
        ("float8_e4m3fn", 2.0**-10, 0.0),
        ("float8_e4m3fn", 2.0**-9, 2.0**-9),
        ("float8_e5m2", 61439.996, 57344.0),
        ("float8_e5m2", 61440.0, np.inf),
        ("float8_e5m2(overflow=saturate)", 61440.0, 57344.0),
        ("float8_e5m2", 2.0**-17, 0.0),
        ("float(5,10)", 65520.0, np.inf),  # pychop: 65536
        ("float(8,23)", 1.0, 1.0),  # qtorch flips the sign
        ("float8_e4m3fn(overflow=saturate)", np.nan, np.nan),
    ],
)
def test_boundaries_of_the_reference(text, x, expected):
    with np.errstate(over="ignore"):
        got = parse(text).quantize(np.float32(x))
    np.testing.assert_array_equal(got, np.float32(expected))


def test_just_below_a_power_of_two_keeps_its_own_exponent():
    # floor(log2(x)) is one too large here, and would space the values twice too far apart.
    x = np.nextafter(np.ldexp(np.float32(1), np.arange(-120, 120)).astype(np.float32), np.float32(0))
    x = x - np.spacing(x)  # odd in the last but one place
    np.testing.assert_array_equal(parse("float(8,22)").quantize(x), cast_22(x))


def cast_22(x: np.ndarray) -> np.ndarray:
    """Round to 22 mantissa bits by hand: the last bit of float32 is dropped, ties to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + ((bits >> 1) & 1)) & ~np.uint64(1)).astype(np.uint32).view(np.float32)


def test_float64_is_rounded_once():
    # 1 + 2^-11 + 2^-40 lies above the middle of 1 and 1 + 2^-10; by way of float32 it would fall on it.
    x = np.array(
        [1 + 2.0**-11 + 2.0**-40, 1 + 3 * 2.0**-11 - 2.0**-40, -1 - 2.0**-11 - 2.0**-40, 1e300, np.nan]
    )
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(parse("float16").quantize(x), expected)
