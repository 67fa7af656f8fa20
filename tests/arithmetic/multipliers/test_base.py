"""What every multiplier does with operands: order, signs, ranges, tables."""

import pickle

import numpy as np
import pytest

from precision.arithmetic.multipliers import Multiplier, parse_multiplier
from precision.errors import PrecisionError

ORDERED = Multiplier("ordered", (4, 3), False, lambda a, w: 100 * a + w)  # T(0, w) = w
WIDE = parse_multiplier("exact(16)")


def test_rows_are_activations_and_columns_weights():
    products = ORDERED.products(0, 15, 0, 7)
    assert products.table.shape == (16, 8) and products.table.dtype == np.int32
    assert (products.lowest_a, products.highest_a, products.lowest_w, products.highest_w) == (0, 15, 0, 7)
    assert int(products.of(12, 5)) == 1205 == int(ORDERED.multiply(12, 5))
    np.testing.assert_array_equal(ORDERED.table().table, products.table)


def test_an_unsigned_one_serves_signed_operands_by_sign_and_magnitude():
    a, w = np.arange(-15, 16)[:, None], np.arange(-7, 8)[None]
    found = ORDERED.multiply(a, w)
    sign = np.where(a < 0, -1, 1) * np.where(w < 0, -1, 1)
    np.testing.assert_array_equal(found, sign * (100 * abs(a) + abs(w)))
    np.testing.assert_array_equal(ORDERED.products(-15, 15, -7, 7).table, found)


def test_a_product_with_zero_goes_through_the_multiplier():
    """The sign of zero is +1: padding counts where T(0, w) is not zero."""
    assert [int(ORDERED.multiply(0, w)) for w in (-5, 0, 5)] == [-5, 0, 5]
    assert int(ORDERED.multiply(-3, 0)) == -300


def test_a_signed_one_takes_the_codes_of_its_width():
    multiplier = parse_multiplier("exact(4,signed=True)")
    assert multiplier.own == multiplier.served == ((-8, 7), (-8, 7))
    assert int(multiplier.multiply(-8, -8)) == 64
    for a in (-9, 8):
        with pytest.raises(PrecisionError, match=r"activations lie in -8\.\.7 \(4 bits, two's complement\)"):
            multiplier.multiply(a, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ORDERED.multiply(16, 0), "ordered: activations lie in -15..15 (4 bits, sign and magnitude"),
        (lambda: ORDERED.multiply(0, np.array([3, -9])), "ordered: weights lie in -7..7 (3 bits, sign and"),
        (lambda: ORDERED.multiply(1.0, 1), "activations are whole numbers, but got an array of float64"),
        (
            lambda: ORDERED.products(0, 15, 0, 8),
            "weights lie in -7..7 (3 bits, sign and magnitude), but got 8",
        ),
        (lambda: ORDERED.products(3, 2, 0, 7), "a range of activations has its least first, but got 3 to 2"),
        (lambda: WIDE.products(0, 65535, 0, 256), "a table has at most 16777216 entries"),
        (lambda: WIDE.products(65000, 65535, 65000, 65535), "products in a table have 32 bits"),
        (
            lambda: Multiplier("x", (17, 8), False, np.multiply),
            "x: an operand has 2 to 16 bits, but got (17,",
        ),
    ],
)
def test_what_it_does_not_take(call, message):
    with pytest.raises(PrecisionError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a, w: a / 2.0 * w, "but it returned an array of float64; correct it"),
        (lambda a, w: None, "must return whole numbers of the shape (3,), but it returned None; correct it"),
        (lambda a, w: np.zeros(7, int), "but it returned the shape (7,); correct it"),
        (
            lambda a, w: {}[0],
            "arrays of whole numbers that broadcast, but it raised KeyError: 0; correct this",
        ),
    ],
)
def test_a_function_that_is_wrong_is_named_with_its_line(function, message):
    with pytest.raises(PrecisionError) as caught:
        Multiplier("wrong", (4, 4), False, function).multiply(np.array([1, 2, -3]), 2)
    assert message in str(caught.value)
    assert "test_base.py:" in str(caught.value) and "multiplier wrong" in str(caught.value)


def test_a_table_is_made_in_pieces():
    """The rows of a wide table are multiplied some at a time, and none is left out."""
    products = parse_multiplier("exact(12)").table()
    assert products.table.shape == (4096, 4096)
    for a in (0, 63, 64, 65, 4095):
        np.testing.assert_array_equal(products.table[a], a * np.arange(4096))


def test_multipliers_are_values():
    one, other = parse_multiplier("drum(8,3)"), parse_multiplier("drum(8, k=3, signed=false)")
    assert one == other and hash(one) == hash(other) and str(other) == "drum(8,3)"
    assert one != parse_multiplier("drum(8,4)") and one != "drum(8,3)"
    assert parse_multiplier(one) is one
    again = pickle.loads(pickle.dumps(one))
    assert again == one and int(again.multiply(100, 3)) == int(one.multiply(100, 3))
