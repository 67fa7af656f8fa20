"""What other libraries get wrong, and the published boundaries of the named formats: one test each."""

import numpy as np
import pytest

from precision.formats import parse

POWERS = np.arange(-149, 128)
UNDER_POWERS = np.nextafter(np.ldexp(np.float32(1), POWERS).astype(np.float32), np.float32(0))


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("float16", 65504.0, 65504.0),
        ("float16", np.nextafter(np.float32(65520), np.float32(0)), 65504.0),
        ("float16", 65520.0, np.inf),
        ("float16", 2.0**-24, 2.0**-24),
        ("float16", 2.0**-25, 0.0),
        ("bfloat16", 3.3895314e38, 3.3895314e38),
        ("bfloat16", np.finfo(np.float32).max, np.inf),
        ("bfloat16", 2.0**-133, 2.0**-133),
        ("tf32", np.finfo(np.float32).max, np.inf),
        ("tf32", (2 - 2.0**-10) * 2.0**127, (2 - 2.0**-10) * 2.0**127),
        ("tf32", 1 + 2.0**-10, 1 + 2.0**-10),
        ("tf32", 1 + 2.0**-11, 1.0),
        ("tf32", 2.0**-136, 2.0**-136),
        ("float8_e4m3fn", 448.0, 448.0),
        ("float8_e4m3fn", 464.0, 448.0),
        ("float8_e4m3fn", np.nextafter(np.float32(464), np.float32(np.inf)), np.nan),
        ("float8_e4m3fn", np.inf, np.nan),
        ("float8_e4m3fn", 2.0**-9, 2.0**-9),  # the smallest value; some libraries say 2^-6
        ("float8_e4m3fn", 2.0**-10, 0.0),
        ("float8_e4m3fn", np.nextafter(np.float32(2.0**-10), np.float32(1)), 2.0**-9),
        ("float8_e4m3fn(overflow=saturate)", 1e9, 448.0),
        ("float8_e4m3fn(overflow=saturate)", np.inf, 448.0),
        ("float8_e4m3fn(overflow=saturate)", np.nan, np.nan),
        ("float8_e5m2", 57344.0, 57344.0),
        ("float8_e5m2", np.nextafter(np.float32(61440), np.float32(0)), 57344.0),
        ("float8_e5m2", 61440.0, np.inf),
        ("float8_e5m2(overflow=saturate)", 61440.0, 57344.0),
        ("float8_e5m2", 2.0**-16, 2.0**-16),
        ("float8_e5m2", 2.0**-17, 0.0),
        ("float8_e4m3", 240.0, 240.0),
        ("float8_e4m3", 248.0, np.inf),
        ("float8_e4m3", 2.0**-9, 2.0**-9),
        ("float6_e3m2fn", 1e9, 28.0),
        ("float6_e2m3fn", -np.inf, -7.5),
        ("float4_e2m1fn", 5.0, 4.0),
        ("float4_e2m1fn", 5.0000005, 6.0),
        ("float4_e2m1fn", np.nan, 0.0),
    ],
)
def test_boundaries_of_the_named_formats(text, x, expected):
    np.testing.assert_array_equal(parse(text).quantize(np.array([x], np.float32)), np.float32([expected]))


def test_torch_saturates_where_the_ocp_format_has_nan():
    import torch

    x = np.float32([448, 449, 465, 1000, np.inf, -np.inf, np.nan])
    theirs = torch.tensor(x).to(torch.float8_e4m3fn).float().numpy()
    np.testing.assert_array_equal(parse("float8_e4m3fn(overflow=saturate)").quantize(x), theirs)
    np.testing.assert_array_equal(parse("float8_e4m3fn").quantize(x)[2:], np.full(5, np.nan))


@pytest.mark.parametrize(
    ("text", "last"),
    [("float8_e4m3fn", 448.0), ("float8_e5m2", 57344.0), ("float16", 65504.0), ("p3109(8,3)", 49152.0)],
)
def test_odd_ends_at_the_largest_value_whatever_its_code(text, last):
    f = parse(text)
    x = np.float32([np.nextafter(np.float32(last), np.float32(np.inf)), 2 * last, 1e30, 3e38])
    np.testing.assert_array_equal(f.quantize(x, "odd"), np.full(4, last))
    np.testing.assert_array_equal(f.quantize(-x, "odd"), np.full(4, -last))
    assert {int(c) & 1 for c in parse("float8_e4m3fn").encode(np.float32([448]))} == {0}
    np.testing.assert_array_equal(f.quantize(np.float32([np.inf]), "odd"), np.float32([f.infinity]))


def test_pychop_rounds_past_the_end_of_float16():
    x = np.array([65520, 65536, 100000, 131071, -65536], np.float32)  # pychop: 65536, 0, 0, 0, 0
    for text in ("float16", "float(5,10)"):
        np.testing.assert_array_equal(parse(text).quantize(x), np.float32([1, 1, 1, 1, -1]) * np.inf)


@pytest.mark.parametrize("text", ["fixed(8,4)", "float8_e4m3fn", "posit(8,2)", "mxfp8_e4m3", "bfp(8)"])
def test_ristretto_leaves_what_follows_a_zero_as_it_is(text):
    x = np.array([0.3, 0.0, 0.3, 0.7, 0.0, -0.3, 0.3], np.float32)
    y = parse(text).quantize(x)
    assert y[1] == y[4] == 0
    assert y[0] == y[2] == y[6] == -y[5] != np.float32(0.3)


def test_qkeras_breaks_ties_by_two_rules():
    # Half to even whatever the scaling; half away only when asked for.
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], np.float32)
    for text in ("fixed(8,0)", "int(8)", "fixed(8,0,symmetric=True)"):
        np.testing.assert_array_equal(parse(text).quantize(x), [0, 2, 2, 0, -2, -2])
        np.testing.assert_array_equal(parse(text).quantize(x, "nearest_away"), [1, 2, 3, -1, -2, -3])


def test_qkeras_freezes_its_noise_when_a_graph_is_traced():
    import tensorflow as tf

    from precision.formats.engine import noise
    from precision.formats.engine.program import in_graph

    program, numbers = parse("fixed(8,4)").program("stochastic")
    step = tf.function(lambda x, words: in_graph(program)(x, tf.constant(numbers), words))
    x = tf.fill([1000], 0.03)
    first, second = (step(x, tf.constant(noise.key((0, s)))).numpy() for s in (0, 1))
    assert (first != second).mean() > 0.2


@pytest.mark.parametrize("m", [1, 2, 3, 7, 10, 15, 22])
def test_exponents_by_log2_are_wrong_just_below_powers_of_two(m):
    # Toward zero, the result has the exponent of x itself: the largest value below the power of two.
    x = UNDER_POWERS[POWERS > -126]
    y = parse(f"float(8,{m})").quantize(x, "toward_zero")
    k = POWERS[POWERS > -126]
    np.testing.assert_array_equal(y, np.ldexp(np.float32(2 - 2.0**-m), k - 1).astype(np.float32))
    np.testing.assert_array_equal(parse(f"float(8,{m})").quantize(-x, "ceil"), -y)


@pytest.mark.parametrize(
    ("text", "emax"), [("mxfp8_e4m3", 8), ("mxfp4_e2m1", 2), ("mxint8", 0), ("bfp(8)", 0)]
)
def test_scales_by_log2_are_wrong_just_below_powers_of_two(text, emax):
    k = POWERS[(POWERS > -110) & (POWERS < 127)]
    x = np.zeros((len(k), 32), np.float32)
    x[:, 7] = UNDER_POWERS[(POWERS > -110) & (POWERS < 127)]
    np.testing.assert_array_equal(parse(text).encode(x).scales[:, 0], np.clip(k - 1 - emax + 127, 0, 254))
    x[:, 7] = np.ldexp(np.float32(1), k)
    np.testing.assert_array_equal(parse(text).encode(x).scales[:, 0], np.clip(k - emax + 127, 0, 254))


@pytest.mark.parametrize("text", ["bfloat16", "float(8,3)", "mxfp8_e4m3", "bfp(8)", "nf4(block=64)"])
def test_quantizers_adds_an_epsilon_that_swamps_tiny_values(text):
    x = np.float32(2.0) ** np.arange(-100, -40, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(parse(text).quantize(x), x)


def test_mx_blocks_straddle_no_row():
    x = np.ones((3, 40), np.float32)
    x[1] = 2.0**20  # were blocks to straddle rows, these would wipe out their neighbours
    np.testing.assert_array_equal(parse("mxfp4_e2m1").quantize(x), x)
    assert parse("mxfp4_e2m1").encode(x).scales.shape == (3, 2)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.49999997, 0), (-0.49999997, 0), (8388609.0, 8388609), (-8388611.0, -8388611)]
)
@pytest.mark.parametrize("mode", ["nearest", "nearest_away", "nearest_up"])
def test_half_up_by_adding_a_half_is_wrong(x, expected, mode):
    assert parse("fixed(32,0)").quantize(np.array([x], np.float32), mode)[0] == expected


def test_qtorch_loses_a_bit_above_a_half():
    assert parse("fixed(8,0)").quantize(np.array([0.5 + 2.0**-24], np.float32))[0] == 1  # qtorch: 0
    assert parse("float(8,23)").quantize(np.array([1.0, -0.0], np.float32))[0] == 1  # qtorch: -1
    assert np.signbit(parse("float8_e4m3").quantize(np.array([-0.0], np.float32)))[0]  # qtorch: +0
    assert np.isnan(parse("float8_e4m3").quantize(np.array([np.nan], np.float32)))[0]  # qtorch: 480
