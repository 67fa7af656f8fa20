"""What is proven of sums against what they reach: no input is beyond it, and the worst one is at it."""

import numpy as np
import pytest

from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.engines.naive import Naive
from precision.arithmetic.products import Products

RNG = np.random.default_rng(3)


def layer(**settings):
    table = Products(RNG.integers(-50, 60, (16, 16)).astype(np.int32), -8, -8)
    return Layer(RNG.integers(-8, 8, (9, 3)), table, bias=RNG.integers(-99, 99, 3), **settings)


def worst(of, pick):
    """One input for each filter whose every product is the least or the largest."""
    return pick(of.products.table[:, of.matrix], axis=0).T + of.products.lowest_a


@pytest.mark.parametrize(("pick", "end"), [(np.argmin, "lowest"), (np.argmax, "highest")])
def test_the_bound_is_reached_by_the_worst_input(pick, end):
    tried = layer()
    values = Naive(tried).sums(worst(tried, pick)).values
    assert np.diagonal(values).tolist() == getattr(tried.bound, f"final_{end}").tolist()


def test_no_input_is_beyond_the_bound_and_the_magnitude_is_the_widest():
    tried = layer()
    x = np.concatenate([RNG.integers(-8, 8, (200, 9)), worst(tried, np.argmin), worst(tried, np.argmax)])
    sums = Naive(tried).sums(x, observe=True)
    bound = tried.bound
    assert (bound.final_lowest <= sums.values.min(axis=0)).all()
    assert (sums.values.max(axis=0) <= bound.final_highest).all()
    assert sums.peak == max(-bound.lowest.min(), bound.highest.max())
    assert (bound.magnitude >= np.maximum(-bound.lowest, bound.highest)).all()


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_no_overflow_at_the_proven_width_and_one_below_it(overflow):
    tried = layer()
    x = np.concatenate([worst(tried, np.argmin), worst(tried, np.argmax)])
    bits = tried.bound.bits if overflow == "saturate" else tried.bound.final_bits
    for width, happens in [(bits, False), (bits - 1, True)]:
        same = Layer(tried.w, tried.products, bias=tried.bias, register=Register(width, overflow))
        assert same.exact is not happens
        assert bool(Naive(same).sums(x).overflowed) is happens


@pytest.mark.parametrize("sign", [1, -1])
def test_a_running_sum_may_need_more_than_the_final_one(sign):
    table = Products(np.array([[-100, 100]], np.int32) * sign, 0, 0)
    found = Layer(np.array([[1], [1], [0], [0]]), table).bound
    assert (found.bits, found.final_bits, found.magnitude.item()) == (9, 1, 400)
    assert (found.lowest.item(), found.highest.item()) == ((0, 200) if sign > 0 else (-200, 0))


@pytest.mark.parametrize("bias", [300, -300])
def test_the_bias_is_the_first_running_sum(bias):
    table = Products(np.array([[-100, 100]], np.int32), 0, 0)
    found = Layer(np.array([[bias < 0] * 3], int).T, table, bias=np.array([bias])).bound
    assert (found.bits, found.final_bits) == (10, 1)
