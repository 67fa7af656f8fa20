"""The factors of tables, and the bound within which sums of floating-point numbers are those of integers."""

import numpy as np
import pytest

from precision import PrecisionError, kept
from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines import factored, native
from precision.arithmetic.engines import factors as factoring
from precision.arithmetic.engines.factored import EXACT, Factored, parts, step_bounds
from precision.arithmetic.engines.factors import factors, rank_one
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window

BYTE = np.arange(256)
RNG = np.random.default_rng(5)


def bits(a, w, keep):
    """The sum of some partial products of two bytes."""
    parts = [
        (np.outer(a >> i & 1, w >> j & 1) << i + j) for i in range(8) for j in range(8) if keep(i, j)
    ]  # fmt: skip
    return sum(parts)


TABLES = {
    "exact": (np.outer(BYTE, BYTE), 1),
    "operands truncated": (np.outer(BYTE >> 2, BYTE >> 3) << 5, 1),
    "partial products truncated": (bits(BYTE, BYTE, lambda i, j: i + j > 3), 5),
    "one partial product missing": (bits(BYTE, BYTE, lambda i, j: (i, j) != (3, 4)), 2),
    "a constant": (np.full((256, 256), 7), 1),
    "nothing": (np.zeros((256, 256), int), 1),
    "three random terms": (RNG.integers(-9, 10, (256, 3)) @ RNG.integers(-9, 10, (3, 256)), 3),
    "of few codes": (RNG.integers(-50, 50, (256, 4)), 4),
}


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(factoring, "_known", {})
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path))


@pytest.mark.parametrize("name", TABLES)
def test_factors_are_whole_numbers_that_multiply_out_to_the_table(name):
    table, terms = TABLES[name]
    found = factors(Products(table.astype(np.int32), 0, 0))
    assert found.terms == terms
    np.testing.assert_array_equal(found.activations @ found.weights.T, table)
    assert found.activations.dtype == found.weights.dtype == np.int64
    assert rank_one(Products(table.astype(np.int32), 0, 0)) is (terms < 2)


def test_a_table_of_full_rank_has_no_few_factors():
    assert factors(Products(RNG.integers(0, 2**16, (256, 256)).astype(np.int32), 0, 0)) is None


def test_factors_are_kept_and_what_was_kept_is_checked_again(monkeypatch, tmp_path):
    products = Products(TABLES["three random terms"][0].astype(np.int32), 0, 0)
    first = factors(products)
    monkeypatch.setattr(factoring, "_known", {})
    with monkeypatch.context() as context:
        context.setattr(factoring, "_search", lambda *_: pytest.fail("it was kept"))
        np.testing.assert_array_equal(factors(products).weights, first.weights)
    (file,) = (tmp_path / "machine").iterdir()
    file.write_text(file.read_text().replace("[", "[1,", 1).replace('"terms": 3', '"terms": 2'))
    monkeypatch.setattr(factoring, "_known", {})
    assert factors(products).terms == 3


def test_factors_whose_sums_would_wrap_are_no_certificate():
    """Modulo 2^64 they multiply out to the table."""
    found = factoring.Factors(np.array([[1 << 32, 5]]), np.array([[1 << 32, 1]]), False)
    products = Products(np.array([[5]], np.int32), 0, 0)
    assert np.array_equal(found.activations @ found.weights.T, products.table)
    assert not found.certified(products)


@pytest.mark.parametrize("at_the_bound", [False, True])
def test_float32_is_left_before_a_sum_can_be_inexact(at_the_bound):
    """The largest products, as many as just fit and one more: 255 * 255 * 258 is the last below 2^24."""
    steps = EXACT[np.float32] // 255**2 + at_the_bound
    w = np.full((steps, 1), 255)
    layer = Layer(w, Products(np.outer(BYTE, BYTE).astype(np.int32), 0, 0))
    engine = Factored(layer)
    assert (engine.type, len(engine.parts)) == (np.float32, 1 + at_the_bound)
    x = np.full((1, steps), 255)
    x[0, -1] = 254  # an odd sum: above 2^24 it would have no float32
    assert Naive(layer).sums(x).values == engine.sums(x).values == steps * 255**2 - 255


def test_products_that_float32_does_not_hold_are_summed_in_float64():
    table = np.outer(BYTE << 12, BYTE).astype(np.int32) + 1
    layer = Layer(RNG.integers(0, 256, (9, 3)), Products(table, 0, 0), register=Register(40))
    x = RNG.integers(0, 256, (5, 9))
    engine = Factored(layer)
    assert engine.type is np.float64
    np.testing.assert_array_equal(engine.sums(x).values, Naive(layer).sums(x).values)


def test_the_bound_counts_terms_that_cancel():
    """Small products may be differences of large terms."""
    large = 1 << 13
    table = np.outer(BYTE % 16 * large, BYTE % 16) - np.outer(BYTE % 16 * large, BYTE % 16)
    table += np.outer(BYTE & 1, BYTE & 1)
    found = factoring.Factors(
        np.stack([BYTE % 16 * large, -(BYTE % 16) * large, BYTE & 1], 1),
        np.stack([BYTE % 16, BYTE % 16, BYTE & 1], 1),
        False,
    )
    products = Products(table.astype(np.int32), 0, 0)
    assert found.certified(products)
    bounds = step_bounds(Layer(np.full((100, 1), 15), products), found)
    assert bounds.min() == 2 * 15 * 15 * large + 1
    assert len(parts(bounds, EXACT[np.float32])) > 15


@pytest.fixture
def convolutions(monkeypatch):
    """The shapes of the inputs for which the Keras backend is asked for a convolution."""
    import keras  # noqa: F401  it is only asked where it is there

    asked = []
    original = native.convolve

    def convolve(x, *others):
        asked.append(x.shape)
        return original(x, *others)

    monkeypatch.setattr(native, "convolve", convolve)
    return asked


def same_as_naive(layer, x):
    sums, expected = Factored(layer).sums(x), Naive(layer).sums(x)
    np.testing.assert_array_equal(sums.values, expected.values)
    assert sums.overflowed_sums == expected.overflowed_sums


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), (1, 1), (1, 1), "same"),
        Window((2, 3), (2, 2), (1, 1), "same"),
        Window((3, 3), (1, 1), (2, 2)),
        Window((5,), (1,), (2,), "causal"),
    ],
)
def test_the_convolution_of_the_backend_has_the_bits(convolutions, window):
    products = Products(TABLES["one partial product missing"][0].astype(np.int32) + (BYTE == 0), 0, 0)
    x = RNG.integers(0, 256, (3, *(9, 8)[: len(window.sizes)], 5))
    layer = Layer(
        RNG.integers(0, 256, (*window.sizes, 5, 7)), products, window, np.arange(7), Register(18), 3
    )
    same_as_naive(layer, x)
    assert len(convolutions) == 1


def test_channels_are_divided_where_float32_would_not_hold_their_sum(convolutions):
    products = Products(np.outer(BYTE, BYTE).astype(np.int32), 0, 0)
    layer = Layer(np.full((3, 3, 60, 2), 255), products, Window((3, 3), (1, 1), (1, 1)))
    x = np.full((1, 4, 3, 60), 255)
    x[0, 0, 0, 0] = 254
    same_as_naive(layer, x)
    assert [shape[-1] for shape in convolutions] == [28, 28, 4]


def test_a_convolution_that_is_not_exact_is_found_out_and_not_used_again(convolutions, monkeypatch):
    """As that of a GPU may be, whose library rounds factors or multiplies by Winograd's way."""
    products = Products(np.outer(BYTE, BYTE).astype(np.int32), 0, 0)
    layer = Layer(RNG.integers(0, 256, (3, 3, 2, 4)), products, Window((3, 3), (1, 1), (1, 1)))
    rounded = native.convolve
    monkeypatch.setattr(native, "convolve", lambda *a: np.round(rounded(*a), -2))
    engine, x = Factored(layer), RNG.integers(100, 256, (2, 6, 6, 2))
    for _ in range(2):
        np.testing.assert_array_equal(engine.sums(x).values, Naive(layer).sums(x).values)
    assert len(convolutions) == 1


def test_images_are_convolved_some_at_a_time(convolutions, monkeypatch):
    monkeypatch.setattr(factored, "_IMAGES", 3 * 6 * 6 * 2 * 4)
    products = Products(np.outer(BYTE, BYTE).astype(np.int32), 0, 0)
    layer = Layer(RNG.integers(0, 256, (3, 3, 2, 4)), products, Window((3, 3), (1, 1), (1, 1)))
    same_as_naive(layer, RNG.integers(0, 256, (7, 6, 6, 2)))
    assert [shape[0] for shape in convolutions] == [3, 3, 1]


def test_a_multiplier_that_makes_nothing(convolutions):
    nothing = Products(np.zeros((256, 256), np.int32), 0, 0)
    for window, spatial in [(Window(), ()), (Window((3, 3), (1, 1), (1, 1)), (5, 5))]:
        layer = Layer(np.ones((*window.sizes, 3, 2), int), nothing, window, np.array([4, 5]))
        same_as_naive(layer, np.ones((2, *spatial, 3), int))


def test_what_the_factored_engine_cannot_do_it_says():
    random = Products(RNG.integers(0, 2**16, (256, 256)).astype(np.int32), 0, 0)
    with pytest.raises(PrecisionError, match="no exact factors of at most 16 terms; use the engine 'table'"):
        Factored(Layer(np.ones((2, 2), int), random))
    exact = Products(np.outer(BYTE, BYTE).astype(np.int32), 0, 0)
    with pytest.raises(
        PrecisionError, match=r"sums here may need 18 bits; .* of 16 bits needs the engine 'table'"
    ):
        Factored(Layer(np.full((2, 1), 255), exact, register=Register(16, "saturate")))
