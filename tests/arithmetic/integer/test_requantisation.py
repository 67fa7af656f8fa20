"""Requantisation against its definitions in Python's whole numbers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.integer.values import Grid
from precision.arithmetic.requantisation.finish import Finish
from precision.arithmetic.requantisation.rules import RULES, Factor, scaled
from precision.errors import PrecisionError


def mantissa(real):
    """Return (m, shift) as gemmlowp's QuantizeMultiplier has them, without NumPy."""
    if real == 0:
        return 0, 0
    shift = 0
    while real >= 1:
        real, shift = real / 2, shift + 1
    while real < 0.5:
        real, shift = real * 2, shift - 1
    exact = Fraction(real) * 2**31
    m = int(exact + Fraction(1, 2))  # half up, and real is positive
    if m == 2**31:
        m, shift = m // 2, shift + 1
    return (0, 0) if shift < -31 else (m, shift)


def twice(x, real):
    """The reference kernels, step by step as the C++ says, in whole numbers without a limit."""
    m, shift = mantissa(real)
    x = max(-(2**31), min(2**31 - 1, x << max(shift, 0)))
    product = x * m
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    exponent = max(-shift, 0)
    remainder, threshold = high & (2**exponent - 1), (2**exponent - 1 >> 1) + (1 if high < 0 else 0)
    return (high >> exponent) + (1 if remainder > threshold else 0)


def once(x, real):
    m, shift = mantissa(real)
    return int((Fraction(x * m) * Fraction(2) ** (shift - 31) + Fraction(1, 2)).__floor__())


SUMS = st.integers(-(2**31), 2**31 - 1) | st.integers(-300, 300)
FACTORS = st.floats(2.0**-35, 8.0) | st.sampled_from([0.0, 0.5, 0.25, 1.0, 2.0**-31, 2.0**-32, 1 - 2.0**-40])


@given(SUMS, FACTORS)
def test_the_reference_kernels_round_twice(x, real):
    assert scaled(np.array([x]), real, "litert_reference")[0] == twice(x, real)


@given(SUMS, FACTORS)
def test_single_rounds_once_half_up(x, real):
    assert scaled(np.array([x]), real, "single")[0] == once(x, real)


@given(SUMS, FACTORS)
def test_float_rounds_a_float64_product_to_even(x, real):
    assert scaled(np.array([x]), real, "float")[0] == round(float(x) * real)


@given(SUMS, FACTORS)
def test_float32_rounds_a_float32_product_to_even(x, real):
    product = np.float32(np.float32(x) * np.float32(real))
    assert scaled(np.array([x]), real, "float32")[0] == round(float(product))


def test_the_integer_rules_differ_for_about_one_value_in_two_to_the_shift_plus_one():
    x = np.random.default_rng(0).integers(-(2**20), 2**20, 400_000)
    for shift, published in ((5, 0.0156), (9, 0.0010)):
        real = 0.7 * 2.0**-shift
        differ = np.mean(scaled(x, real, "single") != scaled(x, real, "litert_reference"))
        assert differ == pytest.approx(published, rel=0.25)


def test_each_channel_has_a_factor():
    x, real = np.array([[100, 100], [-7, 7]]), np.array([0.013, 1.5])
    for rule, alone in (("litert_reference", twice), ("single", once)):
        expected = [[alone(v, real[c]) for c, v in enumerate(row)] for row in x.tolist()]
        assert scaled(x, real, rule).tolist() == expected


def test_wrong_factors_and_sums_are_refused():
    for factor in (-1.0, np.nan, 2.0**31):
        with pytest.raises(PrecisionError, match="factor of requantisation"):
            Factor.of(np.array([factor]))
    with pytest.raises(PrecisionError, match=r"32 bits.*rule float"):
        scaled(np.array([2**40]), 0.5, "single")
    assert scaled(np.array([2**40]), 0.5, "float")[0] == 2**39
    with pytest.raises(PrecisionError, match=r"singel.*single"):
        scaled(np.array([1]), 0.5, "singel")
    assert list(RULES) == ["float", "float32", "single", "litert_reference"]


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_compiled_it_is_the_same(rule, seed):
    random = np.random.default_rng(seed)
    grid = Grid(1.0, int(random.integers(-9, 9)), -128, 127)
    kind = random.choice([np.int32, np.int64])
    x = random.integers(-(2**31), 2**31 - 1, (random.integers(1, 40), 3)) >> random.integers(0, 28)
    factors = 2.0 ** random.uniform(-34, 2, 3) if random.random() < 0.8 else np.array(0.37)
    low, high = sorted(random.integers(-128, 128, 2).tolist())
    expected = np.clip(scaled(x, factors, rule) + grid.zero, low, high)
    found = Finish.of(factors, 3, rule, (grid.zero, low, high), np.int8)(x.astype(kind))
    assert found.dtype == np.int8 and (found == expected).all()


def test_the_mean_divides_the_integer_factor():
    """As LiteRT's MEAN: m shifted to the left as far as the number of places, and divided, cut off."""
    for real, places in ((0.7, 49), (1.3, 64), (0.01, 7), (2.0**-30, 1000)):
        whole, found = Factor.of(real), Factor.of(real).over(places)
        left = min(places.bit_length() - 1, 32, 31 + int(whole.shift))
        assert (
            int(found.m) == (int(whole.m) << left) // places and int(found.shift) == int(whole.shift) - left
        )
    x = np.arange(-20_000, 20_000)
    for places in (4, 49, 64):
        exact = x * 0.7 / places
        assert np.abs(scaled(x, 0.7, "litert_reference", places) - exact).max() < 0.7
        assert (scaled(x, 0.7, "float", places) == np.rint(x * 0.7 / places)).all()
    assert (scaled(x, 0.7, "litert_reference", 49) != scaled(x, 0.7 / 49, "litert_reference")).any()


def test_finished_divides_as_scaled_does():
    x = np.arange(-6_000, 6_000).reshape(-1, 2)
    for places in (1, 9, 49):
        found = Finish.of(np.array([0.7]), 2, "litert_reference", (3, -128, 127), np.int8, places)(x)
        expected = np.clip(scaled(x, 0.7, "litert_reference", places) + 3, -128, 127)
        assert np.array_equal(found, expected)
