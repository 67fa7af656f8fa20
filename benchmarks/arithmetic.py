"""Integer layers through multipliers: the engines against nested loops, gathers and exact arithmetic.

The layers of the reference network are those of pointwise_lenet at 28x28: five convolutions, three dense
layers, 3.31 million multiplications per image. Its inputs are enlarged digits of scikit-learn; it rounds and
pools, the loops multiply and add alone. The ResNet layer is the 3x3 convolution of 64 channels to 64 filters.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numba
import numpy as np
from timing import Row, paired, row

from precision.arithmetic import threads
from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.engines import choice
from precision.arithmetic.engines.layer import Layer
from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Clamp, Move, Operation, Round
from precision.arithmetic.integer.pooling import MaxPool
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Grid, Real, Value
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window

CODES = np.arange(-128, 128)
RNG = np.random.default_rng(0)
RANDOM = Products(RNG.integers(-(2**15), 2**15, (256, 256)).astype(np.int32), -128, -128)
IMAGES, BY_LOOPS = 1500, 6
FASTEST = 15e9  # multiplications a second and core, of any table
POINTWISE, PLAIN = Window((1, 1), (1, 1), (1, 1)), Window((3, 3), (1, 1), (1, 1))
SAME = Window((3, 3), (1, 1), (1, 1), "same")


def rows() -> list[Row]:
    return [*_reference_network(), *_any_table(), *_one_term(), *_factored()]


def _reference_network() -> Iterator[Row]:
    images = _images(IMAGES)
    network, inputs = _network(images)
    for name, loops, limit in [
        ("a scalar", lambda x, w: _scalar_loops(x, w, np.float32(1.0)), 20),
        ("a table", lambda x, w: _table_loops(x, w, RANDOM.table), 40),
    ]:

        def nested(loops: Callable[..., object] = loops) -> None:
            for x, w in inputs:
                loops(x, w)

        times = paired(lambda: network(images), nested, rounds=7)
        each = [t / IMAGES for t in times[0]], [t / BY_LOOPS for t in times[1]]
        yield row(
            f"reference network, nested loops through {name}", "numba loops", *each, limit=limit, rate=True
        )


def _network(images: np.ndarray) -> tuple[IntegerNetwork, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the network of integers with random weights, and what the loops compute of it.

    Returns:
        the network; codes (BY_LOOPS, rows, columns, channels) and weights of each layer.
    """
    products = Products(RANDOM.table // 64, 0, -128)  # so that some sums survive the scaling
    steps, inputs = [Step("image", Round(Grid(1 / 255, 0, 0, 255)), (-1,))], []
    value: Value = steps[0].computes(Real(images[:100]), rule="float")

    def then(computes: Operation) -> Value:
        steps.append(Step(f"layer{len(steps)}", computes, (len(steps) - 1,)))
        return computes(value, rule="float")

    for window, shape, pooled in [
        (POINTWISE, (1, 1, 1, 64), False),
        (POINTWISE, (1, 1, 64, 32), True),
        (POINTWISE, (1, 1, 32, 16), False),
        (PLAIN, (3, 3, 16, 8), True),
        (PLAIN, (3, 3, 8, 4), True),
        (Window(), (2304, 128), False),
        (Window(), (128, 64), False),
        (Window(), (64, 10), False),
    ]:
        if not window.sizes and not isinstance(steps[-1].computes, Round):
            value = then(Move(lambda x, _: x.reshape(len(x), -1)))
        assert isinstance(value, Codes)
        few, w = value.codes[:BY_LOOPS], RNG.integers(-128, 128, shape).astype(np.int32)
        narrow = w.astype(np.int8)
        inputs.append((few, narrow) if window.sizes else (few[:, None, None], narrow[None, None]))
        value = then(Linear("", w, np.ones(shape[-1]), None, products, window))
        if shape != (64, 10):
            value = then(Clamp())
            value = then(Round(Grid(max(1e-9, np.percentile(value.real(), 99) / 255), 0, 0, 255)))
        if pooled:
            value = then(MaxPool(Window((2, 2), (1, 1), (1, 1), "same")))
    return IntegerNetwork(steps), inputs


def _any_table() -> Iterator[Row]:
    x = RNG.integers(-128, 128, (32, 16, 16, 64)).astype(np.int8)
    w = RNG.integers(-128, 128, (3, 3, 64, 64)).astype(np.int8)
    work = x[..., 0].size * w.size
    layer = Layer(w, RANDOM, SAME)
    table, gather = choice.prepare(layer, "table"), choice.prepare(layer, "gather")
    with _one_core():
        times, others = paired(lambda: table.sums(x), lambda: gather.sums(x[:4]), rounds=9)
        rates = sorted(work / t / FASTEST for t in times)
        low, middle, high = statistics.quantiles(rates, n=4)
        name, took = "random table, 3x3 ResNet layer, one core", f"{middle * FASTEST / 1e9:.3g} GMAC/s"
        yield Row(name, f"{FASTEST / 1e9:g} GMAC/s", middle, low, high, 1, True, took)
        yield row(name, "gather loop", times, [8 * t for t in others], limit=8, rate=True)
    dense = RNG.integers(-128, 128, (4000, 1152)).astype(np.int8), RNG.integers(-128, 128, (1152, 128))
    for name, (inputs, weights), window in [
        ("3x3 ResNet layer", (x, w), SAME),
        ("dense layer", dense, Window()),
    ]:
        ordered, wrapping = (
            choice.prepare(Layer(weights, RANDOM, window, register=Register(20, overflow)))
            for overflow in ("saturate", "wrap")
        )
        times = paired(
            lambda x=inputs, e=ordered: e.sums(x), lambda x=inputs, e=wrapping: e.sums(x), rounds=9
        )
        yield row(f"{name}, saturating", "wrapping", *times, limit=0.5, rate=True)


def _one_term() -> Iterator[Row]:
    truncated = Products(np.outer(CODES >> 2 << 2, CODES >> 3 << 3).astype(np.int32), -128, -128)
    for filters in (128, 256):
        x = RNG.integers(-128, 128, (4000, 1152)).astype(np.int8)
        w = RNG.integers(-40, 40, (1152, filters)).astype(np.int8)
        engine = choice.prepare(Layer(w, truncated))
        exact = x.astype(np.float32), w.astype(np.float32)
        with _one_core():
            times = paired(lambda e=engine, x=x: e.sums(x), lambda e=exact: e[0] @ e[1], rounds=9)
        name = f"truncated operands, dense to {filters}, one core"
        yield row(name, "float32 matmul", *times, limit=0.6, rate=True)


def _factored() -> Iterator[Row]:
    import tensorflow as tf

    table = np.outer(CODES, CODES)
    x = RNG.integers(-128, 128, (32, 16, 16, 64)).astype(np.int8)
    w = RNG.integers(-40, 40, (3, 3, 64, 64)).astype(np.int8)
    images, kernel = tf.constant(x, tf.float32), tf.constant(w, tf.float32)
    plain = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
    for rank, (a, b) in enumerate([(3, 7), (1, 12), (8, 1)], 1):
        table = table + np.outer(CODES & a, CODES & b)
        engine = choice.prepare(Layer(w, Products(table.astype(np.int32), -128, -128), SAME), "factored")
        times = paired(lambda e=engine: e.sums(x), lambda: plain(images).numpy(), rounds=9)
        yield row(
            f"3x3 ResNet layer, an error of rank {rank}", "plain convolution", *times, limit=5, rate=False
        )


@contextmanager
def _one_core() -> Iterator[None]:
    """Give the engines, and NumPy's matrix products, one core.

    With more, the threads of a matrix product that is done wait, busily, for another one, and take the time
    of whoever has the next turn.
    """
    threads.limit(1)
    try:
        with threads.one_blas_thread():
            yield
    finally:
        threads.limit(None)


def _images(count: int) -> np.ndarray:
    """Handwritten digits, float32 (count, 28, 28, 1), from 0 to 1."""
    from sklearn.datasets import load_digits

    digits = (load_digits().images[:count] / 16).astype(np.float32)
    return np.pad(digits.repeat(3, 1).repeat(3, 2), [(0, 0), (2, 2), (2, 2)])[..., None]


@numba.njit(cache=True)
def _scalar_loops(x, w, scalar):  # type: ignore[no-untyped-def]
    """A convolution as one writes it down, every product through a multiplier that is a scalar."""
    taps_y, taps_x, channels, filters = w.shape
    out = np.zeros((x.shape[0], x.shape[1] - taps_y + 1, x.shape[2] - taps_x + 1, filters), np.float32)
    for b in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for f in range(filters):
                    total = np.float32(0)
                    for u in range(taps_y):
                        for v in range(taps_x):
                            for c in range(channels):
                                total += (
                                    np.float32(x[b, i + u, j + v, c]) * np.float32(w[u, v, c, f]) * scalar
                                )
                    out[b, i, j, f] = total
    return out


@numba.njit(cache=True)
def _table_loops(x, w, table):  # type: ignore[no-untyped-def]
    """The same, every product looked up."""
    taps_y, taps_x, channels, filters = w.shape
    out = np.zeros((x.shape[0], x.shape[1] - taps_y + 1, x.shape[2] - taps_x + 1, filters), np.int32)
    for b in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for f in range(filters):
                    total = 0
                    for u in range(taps_y):
                        for v in range(taps_x):
                            for c in range(channels):
                                total += table[np.int64(x[b, i + u, j + v, c]), np.int64(w[u, v, c, f]) + 128]
                    out[b, i, j, f] = total
    return out
