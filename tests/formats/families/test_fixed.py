"""Fixed point against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.errors import PrecisionError
from precision.formats import parse

FORMATS = [
    (1, 0),
    (2, 1),
    (4, 3),
    (4, 1),
    (6, 5),
    (8, 0),
    (8, 4),
    (8, 7),
    (8, -3),
    (8, 12),
    (10, 3),
]


def exact(x: float, wl: int, fl: int) -> float:
    """Round to nearest, ties to even, and saturate, in rational arithmetic."""
    if np.isnan(x):
        return 0.0
    low, high = -(2 ** (wl - 1)), 2 ** (wl - 1) - 1
    if np.isinf(x):
        code = high if x > 0 else low
    else:
        code = min(max(round(Fraction(float(x)) * Fraction(2) ** fl), low), high)
    return float(Fraction(code) / Fraction(2) ** fl)


@pytest.mark.parametrize(("wl", "fl"), FORMATS)
def test_every_value_every_middle_and_its_neighbours(wl, fl):
    step = 2.0**-fl
    half_steps = np.arange(-(2**wl) - 4, 2**wl + 5, dtype=np.float64) * step / 2
    x = half_steps.astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))])
    x = np.concatenate(
        [x, np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38], np.float32)]
    )
    got = parse(f"fixed({wl},{fl})").quantize(x)
    expected = np.array([exact(v, wl, fl) for v in x], np.float32)
    np.testing.assert_array_equal(got, expected)
    assert not np.signbit(got[got == 0]).any(), "fixed point has no negative zero"


@given(
    st.integers(1, 24),
    st.integers(-20, 40),
    st.lists(st.floats(width=32), min_size=1, max_size=20),
)
def test_any_format_and_any_float32(wl, fl, values):
    x = np.array(values, np.float32)
    expected = np.array([exact(v, wl, fl) for v in x], np.float32)
    np.testing.assert_array_equal(parse(f"fixed({wl},{fl})").quantize(x), expected)


@pytest.mark.parametrize(("wl", "fl"), FORMATS)
def test_tensors_give_the_same_bits_as_arrays(wl, fl):
    import tensorflow as tf

    f = parse(f"fixed({wl},{fl})")
    x = np.random.default_rng(1).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    np.testing.assert_array_equal(
        f.quantize(tf.constant(x)).numpy().view(np.uint32), f.quantize(x).view(np.uint32)
    )


@pytest.mark.parametrize(("wl", "fl"), FORMATS)
def test_values_are_every_code(wl, fl):
    expected = [float(Fraction(code) / Fraction(2) ** fl) for code in range(-(2 ** (wl - 1)), 2 ** (wl - 1))]
    np.testing.assert_array_equal(parse(f"fixed({wl},{fl})").values(), np.array(expected, np.float32))


def test_wide_formats_are_carried_by_float32():
    f = parse("fixed(32,16)")
    x = np.array([1 + 2.0**-16, 1 + 2.0**-17, 1e9, -1e9, 32767.998], np.float32)
    below = np.nextafter(np.float32(2**15), np.float32(0))
    expected = np.array([1 + 2.0**-16, 1, below, -(2.0**15), np.float32(32767.998)], np.float32)
    np.testing.assert_array_equal(f.quantize(x), expected)


@pytest.mark.parametrize(("wl", "fl"), [(22, 0), (23, 4), (24, 0), (25, 8), (32, 16)])
def test_float64_is_rounded_once_to_wide_formats(wl, fl):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.2, 1.2, 5000) * 2.0 ** (wl - fl - 1)
    x[:1000] = np.round(x[:1000] * 2.0**fl) / 2.0**fl + 2.0 ** (-fl - 1)  # ties
    codes = [min(max(round(Fraction(v) * 2**fl), -(2 ** (wl - 1))), 2 ** (wl - 1) - 1) for v in x]
    expected = np.array([c / 2**fl for c in codes]).astype(np.float32)
    limit = np.nextafter(np.float32(2.0 ** (wl - fl - 1)), np.float32(0)) if wl > 24 else np.float32(np.inf)
    np.testing.assert_array_equal(parse(f"fixed({wl},{fl})").quantize(x), np.minimum(expected, limit))


@pytest.mark.parametrize(
    "text", ["fixed(0,0)", "fixed(33,4)", "fixed(8,200)", "fixed(8,-200)", "fixed(8.5,4)", "fixed(True,4)"]
)
def test_out_of_range(text):
    with pytest.raises(PrecisionError, match="fixed"):
        parse(text)
