"""Every engine has the bits of the naive one, whatever the layer, the multiplier and the register."""

import concurrent.futures

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precision import PrecisionError
from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines import choice, tiles
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.engines.table import Table
from precision.arithmetic.products import Products
from precision.arithmetic.requantisation.finish import Finish
from precision.arithmetic.requantisation.rules import RULES, scaled
from precision.arithmetic.window import Window

SIGNED, UNSIGNED, NARROW = np.arange(-128, 128), np.arange(256), np.arange(-4, 4)
RNG = np.random.default_rng(8)


def outer(a, w):
    return np.outer(a, w).astype(np.int32)


MULTIPLIERS = {
    "exact": Products(outer(SIGNED, SIGNED), -128, -128),
    "exact, unsigned": Products(outer(UNSIGNED, UNSIGNED), 0, 0),
    "of mixed signs": Products(outer(UNSIGNED, SIGNED), 0, -128),
    "truncated": Products(outer(SIGNED >> 2 << 2, SIGNED >> 3 << 3), -128, -128),
    "an error of rank 2": Products(
        outer(SIGNED, SIGNED) + outer(SIGNED & 3, SIGNED & 12) + outer(SIGNED & 1, SIGNED & 1), -128, -128
    ),
    "something of zero": Products(outer(UNSIGNED, SIGNED) + outer(UNSIGNED == 0, SIGNED), 0, -128),
    "random": Products(RNG.integers(-(2**15), 2**15, (256, 256)).astype(np.int32), -128, -128),
    "random, narrow": Products(RNG.integers(-30, 30, (8, 8)).astype(np.int32), -4, -4),
    "random, wide": Products(RNG.integers(-(2**28), 2**28, (20, 12)).astype(np.int32), 5, -6),
    "exact, wide": Products(outer(SIGNED << 14, SIGNED), -128, -128),
}
WINDOWS = [
    ((), ()),
    ((3,), (9,)),
    ((1, 1), (4, 5)),
    ((3, 3), (6, 7)),
    ((2, 1, 2), (3, 4, 3)),
]  # sizes of the window, of the input


@st.composite
def layers(draw):
    """A layer, and an input for it."""
    products = MULTIPLIERS[draw(st.sampled_from(sorted(MULTIPLIERS)))]
    sizes, spatial = draw(st.sampled_from(WINDOWS))
    rank = len(sizes)
    dilated = rank and draw(st.booleans())
    strides = (1,) * rank if dilated else tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in sizes)
    window = Window(
        sizes,
        strides,
        (2,) * rank if dilated else (1,) * rank,
        draw(st.sampled_from(["valid", "same", *(["causal"] if rank == 1 else [])])),
        draw(st.sampled_from([1, 1, 2, 3])) if rank else 1,
    )
    depth = draw(st.sampled_from([1, 2, 7])) if rank else draw(st.sampled_from([1, 40, 300]))
    filters = window.groups * draw(st.sampled_from([1, 3, 20]))
    register = Register(draw(st.integers(8, 64)), draw(st.sampled_from(["wrap", "saturate"])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    edge = max(register.lowest, -1000), min(register.highest, 1000)
    bias = rng.integers(*edge, filters) if draw(st.booleans()) else None
    w = rng.integers(products.lowest_w, products.highest_w + 1, (*sizes, depth, filters))
    x = rng.integers(
        products.lowest_a, products.highest_a + 1, (draw(st.integers(1, 3)), *spatial, depth * window.groups)
    )
    if draw(st.booleans()):  # a background, of which the table engine computes one position
        x[:, : 1 + len(spatial)] = x.reshape(-1)[0]
    pad = int(rng.integers(products.lowest_a, products.highest_a + 1))
    return Layer(w, products, window, bias, register, pad), x


def same(sums, expected):
    np.testing.assert_array_equal(sums.values, expected.values)
    assert sums.values.dtype == expected.values.dtype
    assert (sums.overflowed, sums.overflowed_sums) == (expected.overflowed, expected.overflowed_sums)
    assert sums.peak == expected.peak


@pytest.mark.parametrize("engine", ["auto", "factored", "gather", "table"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(layers(), st.booleans())
def test_every_engine_has_the_bits_of_the_naive_one(engine, drawn, observe):
    layer, x = drawn
    try:
        prepared = choice.prepare(layer, engine)
    except PrecisionError:
        assert engine == "factored"  # it says what it cannot do, see test_factored.py
        return
    same(prepared.sums(x, observe), Naive(layer).sums(x, observe))


ROUNDED = {  # windows, inputs, filters
    "dense": (Window(), (40,), 20),
    "of one place": (Window((1, 1), (1, 1), (1, 1)), (9, 8, 7), 20),
    "strided": (Window((3, 3), (2, 1), (1, 1), "same"), (9, 8, 7), 20),
    "of groups": (Window((3,), (2,), (1,), "causal", 2), (30, 6), 40),
    "spread": (Window((3, 3), (1, 1), (1, 1)), (9, 8, 7), 3),
    "spread at the edge": (Window((2, 4), (1, 1), (1, 1), "same"), (9, 8, 7), 3),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ROUNDED)
def test_sums_that_are_rounded_at_once_have_the_bits_of_the_rule(name, rule):
    window, shape, filters = ROUNDED[name]
    w = RNG.integers(-128, 128, (*window.sizes, shape[-1] // window.groups, filters))
    layer = Layer(w, MULTIPLIERS["random"], window, RNG.integers(-999, 999, filters), pad=-5)
    x = RNG.integers(-128, 128, (5, *shape))
    x[:, 1:6] = x[:, :1]  # a background
    factors, limits = 2.0 ** RNG.uniform(-15, -9, filters), (-7, -100, 90)
    found = Table(layer).rounded(x, Finish.of(factors, filters, rule, limits, np.int8))
    expected = np.clip(scaled(Naive(layer).sums(x).values, factors, rule) - 7, -100, 90)
    np.testing.assert_array_equal(found.values, expected)
    assert found.values.dtype == np.int8 and len(np.unique(expected)) > 30


def test_sums_that_a_register_or_a_rule_changes_are_made_first():
    x = RNG.integers(-128, 128, (50, 40))
    finish = [Finish.of(0.1, 20, rule, (0, 0, 9), np.uint8) for rule in ("float", "single")]
    w = RNG.integers(-128, 128, (40, 20))
    narrow = Layer(w, MULTIPLIERS["exact"], register=Register(16))
    assert Table(narrow).rounded(x, finish[0]) is None
    wide = Layer(w, MULTIPLIERS["exact, wide"], register=Register(64))
    assert Table(wide).rounded(x, finish[1]) is None  # sums of more than 32 bits
    large = Layer(RNG.integers(-128, 128, (400, 20)), MULTIPLIERS["exact"])
    assert Table(large).rounded(RNG.integers(-128, 128, (50, 400)), finish[0]) is None  # several blocks


@pytest.mark.parametrize("spatial", [(), (5, 5)])
def test_what_is_passed_over_adds_nothing(spatial):
    """Lines of many filters, and inputs that are zero for the most part; also where zero is no zero."""
    window = Window((3, 3), (1, 1), (1, 1), "same") if spatial else Window()
    for name in ("of mixed signs", "something of zero"):
        w = RNG.integers(-128, 128, (*window.sizes, 9, 70))
        layer = Layer(w, MULTIPLIERS[name], window, np.arange(70))
        x = RNG.integers(0, 256, (9, *spatial, 9)) * (RNG.random((9, *spatial, 9)) < 0.3)
        same(Table(layer).sums(x), Naive(layer).sums(x))


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_steps_in_several_blocks_and_filters_in_several_tiles(monkeypatch, overflow):
    """As large layers have them, here by small blocks; and sums of blocks go on where the last one ended."""
    monkeypatch.setattr(tiles, "_BLOCK", 1 << 15)
    monkeypatch.setattr(tiles, "_VECTORS", 1)
    for window, spatial in [(Window(), ()), (Window((3, 3), (1, 1), (1, 1), "same"), (5, 5))]:
        w = RNG.integers(-128, 128, (*window.sizes, 11, 20))
        layer = Layer(w, MULTIPLIERS["random"], window, np.arange(20), Register(18, overflow))
        for kind in (np.int8, np.int64):
            x = RNG.integers(-128, 128, (70, *spatial, 11)).astype(kind)
            same(Table(layer).sums(x, True), Naive(layer).sums(x, True))
            same(Table(layer).sums(x), Naive(layer).sums(x))


@pytest.mark.parametrize("rows", [300, 70_000])
def test_tables_of_more_than_a_byte_of_activations(rows):
    layer = Layer(
        RNG.integers(0, 3, (5, 17)), Products(RNG.integers(-9, 9, (rows, 3)).astype(np.int32), -7, 0)
    )
    x = RNG.integers(-7, rows - 7, (60, 5))
    for engine in ("table", "gather"):
        same(choice.prepare(layer, engine).sums(x), Naive(layer).sums(x))


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    layer = Layer(
        RNG.integers(-128, 128, (3, 3, 8, 4)), MULTIPLIERS["random"], Window((3, 3), (1, 1), (1, 1))
    )
    x = RNG.integers(-128, 128, (40, 12, 12, 8))
    expected = Naive(layer).sums(x, True)
    for threads in (1, 3, 7):
        monkeypatch.setattr("precision.arithmetic.engines.table.processors", lambda n=threads: n)
        same(Table(layer).sums(x, True), expected)


def test_one_engine_serves_several_threads_of_a_program():
    """Numba's own threads would end the process; and no two calls may write their lines to one place."""
    layers = [Layer(RNG.integers(-128, 128, (300, 40)), MULTIPLIERS["random"]) for _ in range(2)]
    engines = [Table(layer) for layer in layers]
    x = RNG.integers(-128, 128, (200, 300))
    expected = [Naive(layer).sums(x) for layer in layers]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: engines[i % 2].sums(x), range(16)))
    for i, sums in enumerate(found):
        same(sums, expected[i % 2])


@pytest.mark.parametrize("engine", choice.ENGINES)
def test_another_multiplier_gives_other_sums_and_the_order_of_operands_counts(engine):
    """In two published tools the table had no effect."""
    x, w = RNG.integers(-128, 128, (60, 9)), RNG.integers(-128, 128, (9, 70))
    names = ["exact", "truncated", "an error of rank 2"] + ([] if engine == "factored" else ["random"])
    tables = [MULTIPLIERS[name].table for name in names]
    tables += [t.T for t in tables[1:]]
    found = {choice.sums(x, w, Products(t, -128, -128), engine=engine).values.tobytes() for t in tables}
    assert len(found) == len(tables)


@pytest.mark.parametrize("engine", ["auto", *choice.ENGINES])
def test_nothing_comes_of_an_empty_batch_or_a_window_that_does_not_fit(engine):
    layer = Layer(np.ones((3, 1, 2), int), MULTIPLIERS["exact"], Window((3,), (2,), (1,)))
    prepared = choice.prepare(layer, engine)
    for x, shape in [(np.ones((0, 5, 1), int), (0, 2, 2)), (np.ones((4, 2, 1), int), (4, 0, 2))]:
        sums = prepared.sums(x)
        assert sums.values.shape == shape and sums.overflowed == 0


@pytest.mark.parametrize("engine", ["auto", *choice.ENGINES])
def test_an_engine_refuses_what_the_table_does_not_have(engine):
    prepared = choice.prepare(Layer(np.ones((2, 2), int), MULTIPLIERS["exact"]), engine)
    with pytest.raises(PrecisionError, match="products of activations from -128 to 127, not of 128"):
        prepared.sums(np.array([[0, 128]]))
    with pytest.raises(PrecisionError, match="does not fit weights"):
        prepared.sums(np.zeros((1, 2, 2), int))


def test_an_engine_is_chosen_for_its_time_and_says_why():
    dense = np.ones((30, 80), int)
    assert choice.Auto(Layer(dense, MULTIPLIERS["truncated"])).chosen(1000)[0] == "factored"
    assert choice.Auto(Layer(dense, MULTIPLIERS["random"])).chosen(1000)[0] == "table"
    assert choice.Auto(Layer(dense, MULTIPLIERS["random"])).chosen(3)[0] == "gather"
    tight = Layer(dense * 127, MULTIPLIERS["exact"], register=Register(16, "saturate"))
    assert choice.Auto(tight).chosen(3) == (
        "table",
        f"a sum may need {tight.bound.bits} bits, and saturation depends on the order of the steps",
    )


def test_an_unknown_engine_is_an_error():
    with pytest.raises(PrecisionError, match="did you mean 'table'"):
        choice.prepare(Layer(np.ones((1, 1), int), MULTIPLIERS["exact"]), "tabel")
