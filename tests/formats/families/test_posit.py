"""Posits: published values, codes recorded from SoftPosit 0.3.4.4, and what the standard says of the ends."""

import numpy as np
import pytest
from oracles.definition import MODES
from oracles.enumerations import posit_value

from precision.errors import PrecisionError
from precision.formats import parse

# Inputs and the bit strings that SoftPosit gives (convertDoubleToP8, ...P16, ...PX2).
SOFTPOSIT = {
    "posit(8,0)": {
        **{-17.370386123657227: 0x84, -79.15587615966797: 0x81, 3689.010009765625: 0x7F},
        **{0.024721281602978706: 0x2, 8.74711258802563e-05: 0x1, -0.01740112528204918: 0xFF},
        **{0.04739813134074211: 0x3, 1.0: 0x40, -1.0: 0xC0, 0.10000000149011612: 0x6},
        **{3.1415927410125732: 0x69, -12345.677734375: 0x81, 1.0009765625: 0x40},
    },
    "posit(16,1)": {
        **{-0.00011546088353497908: 0xFF47, -50.725215911865234: 0x89A9, -0.005747303366661072: 0xFB0F},
        **{907.9178466796875: 0x7DC6, -4220.29736328125: 0x80FE, 0.42674127221107483: 0x2B50},
        **{11257.8056640625: 0x7F58, -279.25830078125: 0x83E9, -0.051890626549720764: 0xF15C},
        **{0.10000000149011612: 0x14CD, 3.1415927410125732: 0x5922, 1.0000000116860974e-07: 0x5},
        **{-12345.677734375: 0x80A0, 144179.203125: 0x7FD2, 1.0009765625: 0x4004},
    },
    "posit(8,2)": {
        **{0.014451314695179462: 0x17, -1427.381591796875: 0x8B, -11.837471008300781: 0xA4},
        **{0.001119467313401401: 0xC, -3478.377197265625: 0x89, 10583.888671875: 0x79},
        **{-30656.744140625: 0x85, 20.405990600585938: 0x61, 25588.69140625: 0x7B},
        **{0.10000000149011612: 0x25, 3.1415927410125732: 0x4D, 1.0000000116860974e-07: 0x1},
    },
    "posit(16,2)": {
        **{0.027922386303544044: 0x1B26, 57.27735900878906: 0x6729, 16.86549949645996: 0x6037},
        **{0.08558039367198944: 0x22F4, -0.0010594675550237298: 0xF3D5, -9.54822063446045: 0xA674},
        **{0.10000000149011612: 0x24CD, 3.1415927410125732: 0x4C91, 1.0000000116860974e-07: 0x12B},
        **{-12345.677734375: 0x867E, 144179.203125: 0x7C8D, 1.0009765625: 0x4002},
    },
    "posit(6,2)": {
        **{1.5547374486923218: 0x11, -0.5990748405456543: 0x32, 0.0001825179933803156: 0x2},
        **{-0.0002747581747826189: 0x3E, 3.0724897384643555: 0x13, -5708.451171875: 0x22},
        **{-222.88096618652344: 0x24, 1.0: 0x10, -1.0: 0x30, 144179.203125: 0x1F},
    },
}


@pytest.mark.parametrize("text", SOFTPOSIT)
def test_codes_recorded_from_softposit(text):
    x = np.array(list(SOFTPOSIT[text]), np.float32)
    np.testing.assert_array_equal(parse(text).encode(x), list(SOFTPOSIT[text].values()))


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("posit(8,2)", 144179.2, 262144.0),  # nearest in value would be 65536
        ("posit(8,2)", 131072.0, 65536.0),  # a tie of bit strings
        ("posit(8,2)", np.pi, 3.25),
        ("posit(8,2)", 1e30, 2.0**24),
        ("posit(8,2)", -1e30, -(2.0**24)),
        ("posit(8,2)", 1e-45, 2.0**-24),
        ("posit(8,2)", -1e-45, -(2.0**-24)),
    ],
)
def test_rounding_of_the_bit_string(text, x, expected):
    assert parse(text).quantize(np.array([x], np.float32))[0] == np.float32(expected)


def test_the_example_of_the_paper():
    # Gustafson and Yonemoto 2017, figure 2: 0 0001 101 11011101 with es = 3 is 477/134217728.
    assert parse("posit(16,3)").decode(np.array([0b0_0001_101_11011101], np.uint16))[0] == 477 / 134217728


@pytest.mark.parametrize(("n", "es"), [(3, 0), (8, 0), (8, 3), (16, 1)])
def test_ends_and_special_codes(n, es):
    f = parse(f"posit({n},{es})")
    largest = 2.0 ** ((n - 2) * 2**es)
    codes = np.array([0, 1, 2 ** (n - 1) - 1, 2 ** (n - 1), 2 ** (n - 1) + 1, 2**n - 1])
    np.testing.assert_array_equal(f.decode(codes), [0, 1 / largest, largest, np.nan, -largest, -1 / largest])
    np.testing.assert_array_equal(
        f.encode(np.array([0.0, -0.0, np.nan, np.inf, -np.inf])), [0, 0] + 3 * [codes[3]]
    )
    assert (f.max, f.min_subnormal, f.bits) == (largest, 1 / largest, n)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["posit(8,2)", "posit(16,1)", "posit(3,0)"])
def test_nothing_but_zero_becomes_zero_and_nothing_finite_becomes_nar(text, mode):
    f = parse(text)
    tiny = np.array([1e-45, 2.0**-126, 1e-30, f.min_subnormal / 2, f.min_subnormal], np.float32)
    np.testing.assert_array_equal(f.quantize(tiny, mode), np.full(5, f.min_subnormal, np.float32))
    np.testing.assert_array_equal(f.quantize(-tiny, mode), np.full(5, -f.min_subnormal, np.float32))
    huge = np.array([f.max, f.max * 1.01, 3e38], np.float32)
    np.testing.assert_array_equal(f.quantize(huge, mode), np.full(3, f.max, np.float32))
    np.testing.assert_array_equal(f.quantize(-huge, mode), np.full(3, -f.max, np.float32))
    zeros = f.quantize(np.array([0.0, -0.0], np.float32), mode)
    assert (zeros == 0).all() and not np.signbit(zeros).any()


@pytest.mark.parametrize(("n", "es"), [(8, 1), (8, 2), (12, 2)])
def test_a_tie_goes_to_the_even_code(n, es):
    f = parse(f"posit({n},{es})")
    positive = np.arange(1, 2 ** (n - 1) - 1)
    between = np.array([float(posit_value(2 * c + 1, n + 1, es)) for c in positive.tolist()], np.float32)
    np.testing.assert_array_equal(f.encode(between), positive + positive % 2)
    np.testing.assert_array_equal(f.encode(np.nextafter(between, np.float32(0))), positive)
    np.testing.assert_array_equal(f.encode(np.nextafter(between, np.float32(np.inf))), positive + 1)


@pytest.mark.parametrize("text", ["posit(2,0)", "posit(17,1)", "posit(8,-1)", "posit(40,9)", "posit(16,4)"])
def test_out_of_range(text):
    with pytest.raises(PrecisionError, match="posit"):
        parse(text)
