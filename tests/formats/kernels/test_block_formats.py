"""Formats with shared scales, one block at a time in rational arithmetic: see tests/oracles/blocks.py."""

import functools

import numpy as np
import pytest
from oracles import patterns, ties
from oracles.blocks import BLOCKS, Real, quantize, reference
from oracles.definition import MODES
from oracles.staircase import bits

from precision.errors import PrecisionError
from precision.formats import parse

ROWS = (24, 83)  # the last block of a row is shorter in every format


@functools.cache
def tensors() -> dict[str, np.ndarray]:
    """Return float32 tensors by what they try."""
    rng = np.random.default_rng(7)
    normal = rng.normal(size=ROWS)

    def single(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            return np.clip(x, -3.4028234e38, 3.4028234e38).astype(np.float32)

    powers = np.ldexp(np.float32(1), rng.integers(-20, 20, ROWS)).astype(np.float32)
    broken = single(normal)
    broken[0], broken[1], broken[6, :32], broken[7, ::2] = 0, -0.0, 0, -0.0
    broken[2, 3], broken[3, 40], broken[4, 82], broken[8, 1:3] = np.nan, np.inf, -np.inf, [np.nan, np.inf]
    return {
        "normal": single(normal),
        "rows of many magnitudes": single(np.ldexp(normal, rng.integers(-60, 60, (ROWS[0], 1)))),
        "many magnitudes in a block": single(np.ldexp(normal, rng.integers(-12, 12, ROWS))),
        "near the largest float32": single(np.ldexp(normal, rng.integers(120, 129, (ROWS[0], 1)))),
        "near the least float32": single(np.ldexp(normal, rng.integers(-149, -110, (ROWS[0], 1)))),
        "powers of two": powers,
        "just below powers of two": -np.nextafter(powers, np.float32(0)),
        "just above powers of two": np.nextafter(powers, np.float32(np.inf)),
        "ties": rng.integers(-300, 300, ROWS).astype(np.float32) / np.float32(8),
        "zeros, NaN and infinities": broken,
    }


def check(got: np.ndarray, expected: np.ndarray, x: np.ndarray) -> None:
    assert got.shape == expected.shape and got.dtype == np.float32
    wrong = patterns.differences(bits(got).ravel(), bits(expected).ravel())
    shown = [f"{x.flat[i]!r}: {got.flat[i]!r}, not {expected.flat[i]!r}" for i in wrong[:5]]
    assert not shown, f"{len(wrong)} of {x.size}: " + "; ".join(shown)


@pytest.mark.parametrize("text", BLOCKS)
def test_arrays_are_rounded_to_nearest(text):
    f = parse(text)
    for x in tensors().values():
        check(f.quantize(x), quantize(text, x), x)


@pytest.mark.parametrize("text", BLOCKS)
def test_ties_of_scales_and_elements(text):
    f = parse(text)
    for x in ties.tensors(f):
        check(f.quantize(x), quantize(text, x), x)


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize(
    "text", ["mxfp8_e5m2", "mxfp4_e2m1", "mxint8", "nvfp4", "bfp(8)", "nf4(block=64)", "block(posit(8,0),32)"]
)
def test_arrays_in_every_other_mode(text, mode):
    f = parse(text)
    for name in ("many magnitudes in a block", "ties", "zeros, NaN and infinities"):
        x = tensors()[name][:10]
        check(f.quantize(x, mode), quantize(text, x, mode), x)


@pytest.mark.parametrize("text", ["mxfp8_e4m3", "bfp(4,block=7)", "nvfp4", "nf4(block=64)"])
@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_blocks_run_along_an_axis_and_straddle_no_row(text, axis):
    import tensorflow as tf

    x = tensors()["many magnitudes in a block"].reshape(4, 83, 6)
    f = parse(text)
    expected = quantize(text, x, axis=axis)
    check(f.quantize(x, axis=axis), expected, x)
    check(f.quantize(tf.constant(x), axis=axis).numpy(), expected, x)
    codes = f.encode(x, axis=axis)
    check(f.decode(codes, axis=axis), expected, x)
    check(f.unpack(f.pack(x, axis=axis), x.shape, axis=axis), expected, x)


@pytest.mark.parametrize("text", BLOCKS)
def test_tensors_give_the_same_bits(text):
    import tensorflow as tf

    f = parse(text)
    for name, x in tensors().items():
        if name != "near the least float32":  # TensorFlow's kernels flush what is below 2^-126
            check(f.quantize(tf.constant(x)).numpy(), f.quantize(x), x)


@pytest.mark.parametrize("text", BLOCKS)
def test_tensors_near_the_least_normal_number(text):
    """Down to 2^-126 they give the bits of arrays, but for blocks whose own scale is a smaller number."""
    import tensorflow as tf

    f, rng = parse(text), np.random.default_rng(9)
    exponents = rng.integers(-126, -95, (96, 1)) - rng.integers(0, 4, (96, f.block))
    x = np.ldexp(rng.uniform(1, 2, (96, f.block)), exponents).astype(np.float32)
    x[np.abs(x) < 2.0**-126] = 0
    for part in (
        x,
        x[:, :1],
        *np.split(x[:48], 48),
    ):  # one by one, each with a tensor's scale
        if isinstance(reference(text), Real) and not f.tensor_scale:
            part = part[f.element.max * 2.0**-126 * 1.1 < part.max(axis=1)]
        expected, got = f.quantize(part), f.quantize(tf.constant(part)).numpy()
        for y in (expected, got):
            y[np.abs(y) < 2.0**-126] = 0
        check(np.abs(got), np.abs(expected), part)


def test_what_nvfp4_does_with_scales_that_round_to_zero():
    """The published recipe rounds a block's scale to E4M3, and 2^-10 is a tie that goes to zero."""
    f, x = parse("nvfp4"), np.zeros((3, 16), np.float32)
    x[0, 0] = 6 * 448
    x[1, :2] = 6 * 2.0**-10, 2.0**-10
    x[2, :2] = np.nextafter(np.float32(6 * 2.0**-10), np.float32(1)), 2.0**-10
    y = f.quantize(x)
    assert (y[1] == 0).all() and y[2, 0] == 3 * 2.0**-9 and y[2, 1] == 0.5 * 2.0**-9
    assert f.encode(x).scales[:, 0].tolist() == [0b0_1111_110, 0, 1]


@pytest.mark.parametrize("text", BLOCKS)
def test_codes_and_packed_bytes_give_the_quantised_values_back(text):
    f, r = parse(text), reference(text)
    for x in tensors().values():
        rounded = f.quantize(x)
        codes = f.encode(x)
        count = -(-x.shape[1] // r.size)
        assert codes.elements.shape == x.shape and codes.scales.shape == (x.shape[0], count)
        assert int(codes.elements.max()) < 2**r.element.bits and int(codes.scales.max()) < 2**r.scale_bits
        check(f.decode(codes), rounded, x)
        packed = f.pack(x)
        own = -(-x.size * r.element.bits // 8) + x.shape[0] * count * r.scale_bits // 8
        own += 4 if isinstance(r, Real) and r.tensor_scale else 0
        assert len(packed) == f.packed_bytes(x.shape) == own
        check(f.unpack(packed, x.shape), rounded, x)
    assert f.bits == r.element.bits + r.scale_bits / r.size


def test_mx_scales_are_e8m0():
    f, x = parse("mxfp8_e4m3"), np.full((4, 32), 1.0, np.float32)
    x[1] = 448.0
    x[2] = 0.0
    x[3, 5] = np.nan
    codes = f.encode(x)
    np.testing.assert_array_equal(codes.scales[:, 0], [127 - 8, 127, 0, 255])
    np.testing.assert_array_equal(codes.elements[0], np.full(32, 0b0_1111_000))  # 256


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        # OCP: X = 2^(floor(log2 amax) - emax); 7 / 1 lies between 6 and 8 and saturates.
        ("mxfp4_e2m1", [7.0, 1.0, 0.2], [6.0, 1.0, 0.0]),
        ("mxfp4_e2m1(scale=ceil)", [7.0, 1.0, 0.2], [8.0, 1.0, 0.0]),
        ("mxfp4_e2m1(scale=even)", [7.0, 1.0, 0.2], [8.0, 1.0, 0.0]),
        ("mxfp4_e2m1(scale=even)", [6.5, 1.0, 0.2], [6.0, 1.0, 0.0]),
        ("mxfp4_e2m1(scale=rceil)", [6.0, 1.0, 0.2], [6.0, 1.0, 0.0]),
        ("mxfp4_e2m1(scale=rceil)", [6.1, 1.0, 0.2], [6.0, 1.0, 0.0]),
        # E = 1, step 2^(E+2-4) = 1/2, range +-(4 - 1/2)
        ("bfp(4)", [3.9, -3.2, 0.25, 0.75], [3.5, -3.0, 0.0, 1.0]),
        # amax 1.9999: X = 1, and no element -2
        ("mxint8", [-1.9999, 1.9999, 1 / 128, 3 / 128], [-127 / 64, 127 / 64, 0.0, 2 / 64]),
        ("mxint8(symmetric=False)", [-1.9999, 1.9999], [-2.0, 127 / 64]),
    ],
)
def test_worked_by_hand(text, x, expected):
    np.testing.assert_array_equal(
        parse(text).quantize(np.array(x, np.float32)), np.array(expected, np.float32)
    )


def test_nvfp4_worked_by_hand():
    # The tensor's largest magnitude is 6 * 448, so its scale is 1; blocks have 448 and 1/6 -> 0.171875.
    x = np.zeros((2, 16), np.float32)
    x[0, :2], x[1, :3] = [2688, 1000], [1, 0.5, 0.1]
    y = parse("nvfp4").quantize(x)
    np.testing.assert_array_equal(y[0, :2], [2688, 2 * 448])
    np.testing.assert_array_equal(y[1, :3], np.float32([6, 3, 0.5]) * np.float32(0.171875))
    codes = parse("nvfp4").encode(x)
    assert codes.tensor_scale == 1
    np.testing.assert_array_equal(codes.scales, [[0b0_1111_110], [0b0_0100_011]])


def test_an_axis_that_is_not_there():
    with pytest.raises(PrecisionError, match="axis"):
        parse("mxfp8_e4m3").quantize(np.ones((2, 3), np.float32), axis=2)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (0, 5), (5, 1), (2, 3, 4)])
def test_shapes(shape):
    import tensorflow as tf

    x = np.full(shape, 0.3, np.float32)
    for text in ("mxfp8_e4m3", "nvfp4", "nf4(block=64)"):
        f = parse(text)
        array, tensor = f.quantize(x), f.quantize(tf.constant(x))
        assert array.shape == tuple(tensor.shape) == shape
        np.testing.assert_array_equal(array, tensor.numpy())
        np.testing.assert_array_equal(f.unpack(f.pack(x), shape), array)
