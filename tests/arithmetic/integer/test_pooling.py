"""The largest number of each window, against its definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.integer.pooling import MaxPool
from precision.arithmetic.integer.values import Codes, Grid, Real
from precision.arithmetic.window import Window


@st.composite
def pools(draw):
    rank = draw(st.integers(1, 3))
    each = lambda *values: tuple(draw(st.sampled_from(values)) for _ in range(rank))  # noqa: E731
    window = Window(each(1, 2, 3, 4), each(1, 1, 2, 3), (1,) * rank, draw(st.sampled_from(["valid", "same"])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return window, rng.integers(-128, 128, (2, *rng.integers(1, 9, rank), draw(st.sampled_from([1, 3, 40]))))


def largest(x, window):
    """Return the largest number that each window has within the image, by one window after the other."""
    starts = [before for before, _ in window.pads(x.shape[1:-1])]
    output = window.output(x.shape[1:-1])
    found = np.empty((len(x), *output, x.shape[-1]), x.dtype)
    for place in np.ndindex(*output):
        seen = []
        for tap in np.ndindex(*window.sizes):
            at = [
                p * stride + t * dilation - start
                for p, t, stride, dilation, start in zip(
                    place, tap, window.strides, window.dilations, starts, strict=True
                )
            ]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:-1], strict=True)):
                seen.append(x[(slice(None), *at)])
        found[(slice(None), *place)] = np.max(seen, axis=0)
    return found


@settings(max_examples=40, deadline=None, derandomize=True)
@given(pools(), st.sampled_from([np.int8, np.int64]))
def test_the_largest_of_each_window(drawn, kind):
    window, x = drawn
    pool, expected = MaxPool(window), largest(x, window)
    codes = pool(Codes(x.astype(kind), Grid(1.0, 0, -128, 127), 1.0), rule="float").codes
    np.testing.assert_array_equal(codes, expected)
    assert codes.dtype == kind
    np.testing.assert_array_equal(pool(Real(x.astype(np.float32)), rule="float").numbers, expected)


def test_what_is_not_a_number_is_the_largest():
    x = np.array([1, np.nan, 3, 0], np.float32).reshape(1, 4, 1)
    pooled = MaxPool(Window((2,), (1,), (1,)))(Real(x), rule="float").numbers
    np.testing.assert_array_equal(pooled.reshape(-1), [np.nan, np.nan, 3])
