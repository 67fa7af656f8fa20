"""The compiled roundings give the bits of the formats' own, on whatever numbers a sum may reach."""

import functools

import numba
import numpy as np
import pytest

from precision.arithmetic.accumulators.rounding import by_a_large_number, by_bits, clipped, draw, rounder
from precision.formats import parse
from precision.formats.engine import noise
from precision.formats.engine.program import draws

FORMATS = (
    "float32",
    "float16",
    "float16(overflow=saturate)",
    "bfloat16",
    "bfloat16(overflow=nan)",
    "tf32",
    "float(8,22)",
    "float(8,23,subnormals=False)",
    "float(5,7)",
    "float(5,7,subnormals=False)",
    "float(2,1)",
    "float(7,21)",
    "float(6,23)",
    "float8_e4m3fn",
    "float8_e5m2fnuz",
    "float6_e3m2fn",
    "fixed(16,8)",
    "fixed(4,-3)",
    "fixed(23,10)",
    "fixed(24,10)",
    "fixed(32,16)",
    "fixed(8,4,symmetric=True)",
    "fixed(16,8,overflow=wrap)",
    "fixed(24,0,overflow=wrap)",
    "ufixed(8,4)",
    "ufixed(8,4,overflow=wrap)",
    "int(8)",
    "posit(8,1)",
    "posit(16,1)",
    "lns(8,3)",
    "nf4",
)
FAR = np.float32(np.inf)
CASES = [(text, mode) for text in FORMATS for mode in parse(text).roundings if mode != "stochastic"]


@functools.cache
def numbers(text):
    """Bit patterns of every kind, and what lies on and beside the values and the middles of a format."""
    rng = np.random.default_rng(0)
    f = parse(text)
    patterns = rng.integers(-(2**31), 2**31, 20_000).astype(np.int32).view(np.float32)
    spread = rng.uniform(-1, 1, 5_000).astype(np.float32) * np.float32(f.max)
    ends = [0.0, f.max, f.lowest, f.min_subnormal, f.min_normal, np.inf, np.nan]
    with np.errstate(all="ignore"):
        values = f.quantize(np.concatenate([patterns, spread]))
        middles = values + values * np.float32(2.0 ** -(getattr(f, "man", 3) + 1))
        least = np.float32(f.min_subnormal / 2)
        tiny = np.arange(-300, 300).astype(np.float32) * (least / 2)
        ends = np.outer(ends, [1, -1, 2, 0.5, -1.5]).reshape(-1).astype(np.float32)
        marks = np.concatenate([values, middles, values - least, values + least, tiny, ends])
        return np.concatenate([patterns, spread, marks, np.nextafter(marks, -FAR), np.nextafter(marks, FAR)])


@functools.cache
def mapped(function):
    @numba.njit(error_model="numpy")
    def on_array(x, numbers, uniform, out):
        for i in range(len(x)):
            out[i] = function(x[i], numbers, uniform[i])

    return on_array


def compiled(f, mode, x, uniform):
    function, parameters = rounder(f, mode)
    out = np.empty_like(x)
    mapped(function)(x, parameters, uniform, out)
    return out


def assert_same_bits(got, expected, x):
    same = (got.view(np.int32) == expected.view(np.int32)) | (np.isnan(got) & np.isnan(expected))
    assert same.all(), [(a, b, c) for a, b, c in zip(x[~same], got[~same], expected[~same], strict=True)][:5]


@pytest.mark.parametrize(("text", "mode"), CASES)
def test_deterministic_rounding(text, mode):
    f, x = parse(text), numbers(text)
    got = compiled(f, mode, x, np.ones(1, np.float32).repeat(len(x)))
    assert_same_bits(got, f.quantize(x, mode), x)


@pytest.mark.parametrize("mode", ["stochastic", "stochastic(random_bits=5)"])
@pytest.mark.parametrize("text", ["float16", "fixed(16,8)", "fixed(16,8,overflow=wrap)", "posit(8,1)"])
def test_stochastic_rounding(text, mode):
    f, x = parse(text), numbers(text)
    bits = 5 if "5" in mode else 24
    words = noise.key((7, 3))

    @numba.njit
    def drawn(out):
        for i in range(len(out)):
            out[i] = draw(i, words[0], words[1], bits, np.float32(2.0**-bits))

    uniform = np.empty(len(x), np.float32)
    drawn(uniform)
    assert_same_bits(compiled(f, mode, x, uniform), f.quantize(x, mode, key=(7, 3)), x)


def test_draws_are_those_of_the_formats():
    from precision.formats.engine.backend import ARRAYS

    words = noise.key(11)
    index = np.arange(1000, dtype=np.int32)
    for bits in (1, 8, 24):
        got = [draw(i, words[0], words[1], bits, np.float32(2.0**-bits)) for i in range(1000)]
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(np.array(got, np.float32), draws(ARRAYS, index, words, bits))


def test_the_common_formats_take_the_short_forms():
    assert rounder(parse("float16"), "nearest")[0] is by_a_large_number
    assert rounder(parse("float8_e4m3fn"), "nearest")[0] is by_a_large_number
    assert rounder(parse("bfloat16"), "nearest")[0] is by_bits
    assert rounder(parse("fixed(16,8)"), "nearest")[0] is clipped
