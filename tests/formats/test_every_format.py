"""Every format whose values stand alone, against what its definition gives: see tests/oracles."""

import numpy as np
import pytest
from oracles import patterns
from oracles.catalogue import DEFINITIONS, ML_DTYPES, definition
from oracles.staircase import SIGN, bits

from precision.formats import parse
from precision.registry import FORMATS

LEAST_NORMAL = 0x00800000  # 2^-126: TensorFlow's kernels flush what is smaller to zero


def check(got: np.ndarray, expected: np.ndarray, x: np.ndarray) -> None:
    """Compare bit patterns; all NaN are one."""
    wrong = patterns.differences(got, expected)
    shown = [
        f"{v!r}: {a!r}, not {b!r}"
        for v, a, b in zip(*(as_floats(p[wrong[:5]]) for p in (x, got, expected)), strict=True)
    ]
    assert not shown, f"{len(wrong)} of {len(x)}: " + "; ".join(shown)


def as_floats(p: np.ndarray) -> np.ndarray:
    return p.view(np.float32)


@pytest.mark.parametrize("text", DEFINITIONS)
def test_values(text):
    d = definition(text)
    np.testing.assert_array_equal(bits(parse(text).values()), bits(d.values + 0.0))


@pytest.mark.parametrize("text", DEFINITIONS)
def test_arrays_are_rounded_to_nearest(text):
    d = definition(text)
    x = patterns.of(d)
    check(bits(parse(text).quantize(as_floats(x))), d.staircase().lookup(x), x)


@pytest.mark.parametrize("text", DEFINITIONS)
def test_tensors_give_the_same_bits_outside_the_float32_subnormals(text):
    import tensorflow as tf

    f, x = parse(text), patterns.of(definition(text))
    magnitude = x & (SIGN - 1)
    x = x[(magnitude == 0) | (magnitude >= LEAST_NORMAL)]
    tensor = f.quantize(tf.constant(as_floats(patterns.filled(x))))
    check(bits(tensor.numpy()[: len(x)]), bits(f.quantize(as_floats(x))), x)


@pytest.mark.parametrize("text", ML_DTYPES)
def test_arrays_agree_with_ml_dtypes(text):
    x = patterns.of(definition(text))
    if text in ("float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn"):  # no NaN: ours becomes 0, theirs -0
        x = x[~np.isnan(as_floats(x))]
    with np.errstate(all="ignore"):
        expected = as_floats(x).astype(ML_DTYPES[text]).astype(np.float32)
    check(bits(parse(text).quantize(as_floats(x))), bits(expected), x)


@pytest.mark.parametrize("text", ML_DTYPES)
def test_codes_are_those_of_ml_dtypes(text):
    f, x = parse(text), as_floats(patterns.of(definition(text), 10_000))
    x = x[~np.isnan(x)]  # which of its NaN codes a library stores is its own choice
    x = x[~np.isnan(f.quantize(x))]
    with np.errstate(all="ignore"):
        theirs = x.astype(ML_DTYPES[text])
    theirs = theirs.view(f"u{theirs.itemsize}")
    np.testing.assert_array_equal(f.encode(x), theirs & (2**f.bits - 1))
    every = np.arange(2**f.bits, dtype=theirs.dtype)
    decoded = f.decode(every)
    with np.errstate(all="ignore"):
        expected = every.view(ML_DTYPES[text]).astype(np.float32)
    check(bits(decoded), bits(expected), every.astype(np.uint32))


@pytest.mark.parametrize("text", DEFINITIONS)
def test_codes_are_those_of_the_definition(text):
    f, d = parse(text), definition(text)
    assert f.bits == d.bits
    codes = f.encode(d.values.astype(np.float32))
    np.testing.assert_array_equal(codes, d.codes)
    if d.zero_sign:
        assert int(f.encode(np.array([-0.0], np.float32))[0]) == 2 ** (d.bits - 1)


@pytest.mark.parametrize("text", DEFINITIONS)
def test_codes_and_packed_bytes_give_the_quantised_values_back(text):
    f, x = parse(text), as_floats(patterns.of(definition(text), 10_001))
    rounded = bits(f.quantize(x))
    codes = f.encode(x)
    assert codes.dtype.kind == "u" and codes.shape == x.shape and int(codes.max()) < 2**f.bits
    check(bits(f.decode(codes)), rounded, bits(x))
    packed = f.pack(x)
    assert len(packed) == f.packed_bytes(x.shape) == -(-x.size * int(f.bits) // 8)
    check(bits(f.unpack(packed, x.shape)), rounded, bits(x))


@pytest.mark.parametrize("text", DEFINITIONS)
def test_limits(text):
    f, d = parse(text), definition(text)
    v = d.values
    assert (f.max, f.lowest) == (v[-1], v[0])
    if v[-1] > 0:
        assert f.min_subnormal == v[v > 0][0]
    above = v[v > 1]
    if above.size and 1.0 in v:
        assert f.eps == above[0] - 1
    x = np.array([np.nan, np.inf, -np.inf], np.float32)
    check(bits(f.quantize(x)), bits(np.array([d.nan, d.plus, d.minus], np.float32)), bits(x))
    declared = np.array([f.nan, f.infinity], np.float32)
    check(bits(declared), bits(np.array([d.nan, d.plus], np.float32)), bits(x))


def test_no_format_goes_untested():
    from oracles.blocks import BLOCKS

    covered = {text.split("(")[0] for text in [*DEFINITIONS, *BLOCKS]}
    elsewhere = {"float32", "tf32", "codebook"}  # test_named_floats, test_wide_formats, test_codebook
    built_in = {n for n in FORMATS if FORMATS[n].__module__.startswith("precision.formats.")}
    adapters = {n for n in built_in if n.startswith("qtorch")}
    assert built_in - adapters - elsewhere <= covered
