"""The naive engine against pure integers of Python and the layers of Keras, and what a layer refuses."""

import itertools

import numpy as np
import pytest

from precision import PrecisionError
from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window

RNG = np.random.default_rng(16)
RANDOM = Products(RNG.integers(-90, 90, (8, 8)).astype(np.int32), -4, -3)  # not symmetric; T(0, w) is not 0
PLANES = {
    "plain": Window((2, 2), (1, 1), (1, 1)),
    "strided": Window((2, 3), (2, 1), (1, 1), "same"),
    "dilated": Window((2, 2), (1, 1), (2, 1), "same", groups=2),
}


def by_hand(x, layer):
    """The sums of one plane, each a list of what the register held and one of the exact running sums."""
    window, table, register = layer.window, layer.products, layer.register
    (height, width), (top, _), (left, _) = x.shape[1:3], *window.pads(x.shape[1:3])
    *_, depth, filters = layer.w.shape
    found = {}
    rows, columns = window.output((height, width))
    for b, i, j, f in itertools.product(range(len(x)), range(rows), range(columns), range(filters)):
        held = [0 if layer.bias is None else int(layer.bias[f])]
        exact = list(held)
        group = f // (filters // window.groups)
        for u, v, c in itertools.product(range(window.sizes[0]), range(window.sizes[1]), range(depth)):
            y = i * window.strides[0] + u * window.dilations[0] - top
            z = j * window.strides[1] + v * window.dilations[1] - left
            inside = 0 <= y < height and 0 <= z < width
            a = int(x[b, y, z, group * depth + c]) if inside else layer.pad
            product = int(table.table[a - table.lowest_a, int(layer.w[u, v, c, f]) - table.lowest_w])
            exact.append(exact[-1] + product)
            low, span = register.lowest, 1 << register.bits
            total = held[-1] + product
            held.append(
                (total - low) % span + low
                if register.overflow == "wrap"
                else min(max(total, low), register.highest)
            )
        found[b, i, j, f] = held, exact
    return found


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize("plane", PLANES)
def test_every_sum_is_the_one_formed_by_hand(plane, overflow):
    window = PLANES[plane]
    x = RNG.integers(-4, 4, (2, 4, 5, 2)).astype(np.int8)
    w = RNG.integers(-3, 5, (*window.sizes, 2 // window.groups, 4)).astype(np.int16)
    layer = Layer(w, RANDOM, window, RNG.integers(-100, 100, 4), Register(8, overflow), pad=2)
    expected = by_hand(x, layer)
    sums = Naive(layer).sums(x, observe=True)
    assert {at: int(v) for at, v in np.ndenumerate(sums.values)} == {k: v[0][-1] for k, v in expected.items()}
    assert sums.peak == max(abs(s) for _, exact in expected.values() for s in exact)
    wrong = [at for at, (held, exact) in expected.items() if held[-1] != exact[-1]]
    assert wrong  # or the width is no test
    assert (sums.overflowed, sums.overflowed_sums) == (len({b for b, *_ in wrong}), len(wrong))


@pytest.mark.parametrize(
    ("window", "spatial"),
    [
        (Window((3, 2), (2, 1), (1, 1), "same"), (7, 6)),
        (Window((3, 3), (1, 1), (2, 2), "same"), (6, 5)),
        (Window((3,), (1,), (2,), "causal"), (8,)),
        (Window((2, 2), (2, 2), (1, 1), "valid", 3), (5, 6)),
    ],
)
def test_with_the_exact_multiplier_a_layer_is_that_of_keras(window, spatial):
    from keras import layers

    signed = np.arange(-128, 128)
    products = Products(np.outer(signed, signed).astype(np.int32), -128, -128)
    w = RNG.integers(-128, 128, (*window.sizes, 6 // window.groups, 9))
    x, bias = RNG.integers(-128, 128, (2, *spatial, 6)), RNG.integers(-999, 999, 9)
    kind = layers.Conv1D if len(spatial) == 1 else layers.Conv2D
    layer = kind(
        9, window.sizes, window.strides, window.padding, dilation_rate=window.dilations, groups=window.groups
    )
    layer.build((None, *spatial, 6))
    layer.set_weights([w, bias])
    expected = np.asarray(layer(x.astype(np.float32)))
    np.testing.assert_array_equal(Naive(Layer(w, products, window, bias)).sums(x).values, expected)


def test_the_padding_is_a_code_that_is_multiplied():
    """Some multipliers make something of zero."""
    table = np.zeros((2, 2), np.int32)
    table[0, 1] = 7  # 0 * 1
    layer = Layer(np.ones((3, 1, 1), int), Products(table, 0, 0), Window((3,), (1,), (1,), "same"))
    assert Naive(layer).sums(np.ones((1, 3, 1), int)).values.reshape(-1).tolist() == [7, 0, 7]


def test_rows_are_activations_and_columns_are_weights():
    table = Products(np.arange(6, dtype=np.int32).reshape(2, 3), 0, 0)
    assert Naive(Layer(np.array([[2]]), table)).sums(np.array([[1]])).values.item() == 5


def test_a_register_that_saturates_depends_on_the_order_and_starts_at_the_bias():
    table = Products(np.array([[-100, 0, 100]], np.int32), 0, -1)
    x, saturate = np.zeros((1, 2), int), Register(8, "saturate")
    for weights, bias, expected in [((1, -1), 100, 27), ((-1, 1), 100, 100), ((1, -1), -100, -100)]:
        layer = Layer(np.array(weights).reshape(2, 1), table, bias=np.array([bias]), register=saturate)
        assert Naive(layer).sums(x).values.item() == expected


def test_a_register_that_wraps_and_comes_back_has_not_overflowed():
    table = Products(np.array([[-100, 100]], np.int32), 0, 0)
    layer = Layer(np.array([[1], [1], [0]]), table, register=Register(8))
    sums = Naive(layer).sums(np.zeros((1, 3), int), observe=True)
    assert (sums.values.item(), sums.overflowed, sums.peak) == (100, 0, 200)
    assert layer.exact and layer.bound.final_bits == 8 and layer.bound.bits == 9


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_codes_of_every_type_mean_their_values(kind):
    table = Products(np.outer(np.arange(-100, 156), np.arange(3)).astype(np.int32), -100, 0)
    x = np.array([[0, 1, 99, 127 if kind is np.int8 else 155]], kind)
    sums = Naive(Layer(np.full((4, 1), 2, np.uint8), table)).sums(x)
    assert sums.values.item() == 2 * int(x.astype(int).sum())


EXACT = Products(np.outer(np.arange(4), np.arange(4)).astype(np.int32), 0, 0)
SQUARE = np.ones((2, 2), int)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"w": np.ones((2, 2))}, "weights are integer codes, not float64"),
        ({"w": np.ones((3, 2, 2), int)}, r"shape \(3, 2, 2\) do not fit a window of \(\)"),
        ({"w": SQUARE * 4}, "products of weights from 0 to 3, not of 4"),
        ({"w": SQUARE, "pad": -1}, "products of padding from 0 to 3, not of -1"),
        ({"w": SQUARE, "bias": np.ones(3, int)}, "the bias is 2 integers"),
        ({"w": SQUARE, "bias": np.array([0, 300]), "register": Register(9)}, "does not hold the bias 300"),
        ({"w": SQUARE, "window": Window(groups=3)}, "2 filters cannot be divided into 3 groups"),
    ],
)  # fmt: skip
def test_a_layer_refuses(settings, message):
    with pytest.raises(PrecisionError, match=message):
        Layer(products=EXACT, **settings)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((1, 2)), "activations are integer codes, not float64"),
        (np.ones((1, 3), int), r"shape \(1, 3\) does not fit weights of shape \(2, 2\)"),
        (np.array([[0, -1]]), "products of activations from 0 to 3, not of -1"),
        (np.array([[0, 4]], np.uint8), "products of activations from 0 to 3, not of 4"),
    ],
)
def test_an_engine_refuses(x, message):
    with pytest.raises(PrecisionError, match=message):
        Naive(Layer(SQUARE, EXACT)).sums(x)
