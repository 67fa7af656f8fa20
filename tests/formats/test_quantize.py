"""What quantize takes, what it gives back, and what it refuses."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.errors import PrecisionError
from precision.formats import parse

SMALL = [
    "fixed(4,2)",
    "fixed(8,4)",
    "float(2,1)",
    "float(4,3)",
    "float8_e4m3fn(overflow=saturate)",
    "float(5,2)",
]


@given(st.sampled_from(SMALL), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_nothing_is_nearer(text, x):
    """A search over all values finds none that is nearer than the result."""
    f = parse(text)
    values = f.values().astype(np.float64)
    x32 = np.float32(x)
    got = float(f.quantize(x32))
    if np.isinf(got):
        assert abs(float(x32)) > f.max
    else:
        assert got in values
        assert abs(got - float(x32)) == np.abs(values - float(x32)).min()


@pytest.mark.parametrize("text", [*SMALL, "float16", "bfloat16"])
def test_idempotent_monotone_and_symmetric(text):
    f = parse(text)
    x = np.sort(np.random.default_rng(0).normal(0, 10, 20_000).astype(np.float32))
    y = f.quantize(x)
    np.testing.assert_array_equal(f.quantize(y), y)
    assert (y[1:] >= y[:-1]).all()
    if not text.startswith("fixed"):
        np.testing.assert_array_equal(f.quantize(-x), -y)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4), (2, 0, 3)])
def test_shapes_and_kinds(shape):
    import tensorflow as tf

    f, x = parse("fixed(8,4)"), np.full(shape, 0.1, np.float32)
    array, tensor = f.quantize(x), f.quantize(tf.constant(x))
    assert isinstance(array, np.ndarray) and isinstance(tensor, tf.Tensor)
    assert array.shape == tuple(tensor.shape) == shape
    assert array.dtype == tensor.numpy().dtype == np.float32
    np.testing.assert_array_equal(array, np.full(shape, 0.125))


def test_strided_and_short_arrays():
    f, x = parse("fixed(8,4)"), np.linspace(-9, 9, 24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(f.quantize(x[:, ::2].T), f.quantize(np.ascontiguousarray(x[:, ::2].T)))
    half = np.array([0.1, 3.3], np.float16)
    np.testing.assert_array_equal(f.quantize(half), f.quantize(half.astype(np.float32)))
    brain = np.array([0.1, 3.3], ml_dtypes.bfloat16)
    np.testing.assert_array_equal(f.quantize(brain), f.quantize(brain.astype(np.float32)))
    np.testing.assert_array_equal(f.quantize(np.array([3, 100, -100])), [3, 7.9375, -8])


def test_gradient_passes_straight_through():
    import tensorflow as tf

    x = tf.Variable([0.1, 3.3, 100.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(parse("fixed(8,4)").quantize(x) * tf.constant([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(tape.gradient(y, x), [1, 2, 3])


def test_a_change_of_format_is_no_new_trace():
    import tensorflow as tf

    from precision.formats.engine.program import in_graph

    x = tf.constant([0.1, 0.2])
    parse("fixed(8,4)").quantize(x)
    traces = in_graph(parse("fixed(8,4)").program()[0]).traces
    before = traces()
    for text in ["float16", "fixed(4,3)", "float8_e4m3fn", "float(3,2)"]:
        parse(text).quantize(x)
        parse(text).quantize(tf.ones((3, 5)))
    assert traces() == before == 1


@pytest.mark.parametrize("bad", [[0.1, 0.2], "abc", None, np.array(["a"]), np.array([1j]), np.array([True])])
def test_refuses_what_is_no_tensor_of_real_numbers(bad):
    with pytest.raises(PrecisionError, match="quantize takes"):
        parse("fixed(8,4)").quantize(bad)


def test_refuses_wide_tensors_and_unknown_roundings():
    import tensorflow as tf

    with pytest.raises(PrecisionError, match="float64"):
        parse("fixed(8,4)").quantize(tf.constant([0.1], tf.float64))
    with pytest.raises(PrecisionError, match="unknown rounding 'up'"):
        parse("fixed(8,4)").quantize(np.ones(2), "up")


def test_values_of_a_wide_format_are_refused():
    with pytest.raises(PrecisionError, match="at most 16 bits"):
        parse("float32").values()
