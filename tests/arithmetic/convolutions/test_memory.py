"""Memory that steps share: nothing of one step is in the next, nor in another thread."""

import threading

import numpy as np
import pytest

from precision.arithmetic.convolutions import CONVOLUTIONS, convolution, memory
from precision.arithmetic.convolutions.step import Convolve, Dense, Flatten, Network, Pool, Rectify
from precision.arithmetic.window import Window


@pytest.fixture(autouse=True)
def released():
    memory.release()
    yield
    memory.release()


def fill():
    with memory.kept():
        arrays = [memory.empty((3, 5), np.float32), memory.zeros((7,), np.uint8), memory.empty((2,), bool)]
        for number, array in enumerate(arrays):
            array.fill(number % 2)
        return arrays


def test_arrays_of_a_step_do_not_overlap_and_the_next_step_takes_them_again():
    first = fill()
    assert all(array.base is None for array in first)  # nobody knew how much would be asked for
    second, third = fill(), fill()
    for arrays in (first, second, third):
        assert [set(array.ravel().tolist()) for array in arrays] == [{0}, {1}, {False}]
        assert [array.dtype for array in arrays] == [np.float32, np.uint8, bool]
    assert all(np.shares_memory(a, b) for a, b in zip(second, third, strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(first, third, strict=True))
    with memory.kept(), memory.kept():  # the inner one belongs to the outer one
        one = memory.empty((3, 5), np.float32)
    with memory.kept():
        outer = memory.empty((3, 5), np.float32)
        with memory.kept():
            assert not np.shares_memory(outer, memory.empty((7,), np.uint8))
        more = memory.empty((1000,), np.float64)  # more than there was before
    assert np.shares_memory(one, outer) and more.base is None


def test_outside_of_a_step_and_in_another_thread_memory_is_new():
    mine = [fill(), fill()][1]
    assert memory.empty((3, 5), np.float32).base is None
    theirs = []
    thread = threading.Thread(target=lambda: theirs.extend([fill(), fill()][1]))
    thread.start()
    thread.join()
    assert not any(np.shares_memory(a, b) for a, b in zip(mine, theirs, strict=True))
    memory.release()
    assert not np.shares_memory(mine[0], fill()[0])


@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if name != "naive"])
def test_a_step_leaves_its_images_alone_and_gives_what_it_gave_before(name):
    """After another batch, with arrays of the first one still in the hands of the caller."""
    rng = np.random.default_rng(5)
    values = [rng.normal(size=shape).astype("f") for shape in ((3, 3, 2, 4), (4,), (64, 3), (3,))]
    same = Window((3, 3), (1, 1), (1, 1), "same")
    network = Network(
        [Convolve(values[:2], same), Rectify(in_place=True), Pool(2), Flatten(), Dense(values[2:])]
    )
    batches = [(rng.normal(size=(6, 8, 8, 2)).astype("f"), rng.integers(0, 3, 6)) for _ in range(2)]
    before = [x.copy() for x, _ in batches]
    memory.release()
    first = network.step(*batches[0], convolution(name))
    kept = [first[0].copy(), *(gradient.copy() for gradient in first[2])]
    network.step(*batches[1], convolution(name))
    again = network.step(*batches[0], convolution(name))
    for x, other in zip(batches, before, strict=True):
        assert np.array_equal(x[0], other)
    for now, held, then in zip([again[0], *again[2]], [first[0], *first[2]], kept, strict=True):
        assert np.array_equal(now, then) and np.array_equal(held, then)
    assert first[1] == again[1]


def test_in_place_or_not_a_rectifier_gives_the_same():
    x, dy = np.array([[-1.0, 2.0]]), np.array([[3.0, 4.0]])
    for layer in (Rectify(), Rectify(in_place=True)):
        y, known = layer.forward(x.copy(), convolution("direct"))
        dx, _ = layer.backward(known, dy.copy(), convolution("direct"), inputs=True)
        assert y.tolist() == [[0, 2]] and dx.tolist() == [[0, 4]]
    given = x.copy()
    Rectify().forward(given, convolution("direct"))
    assert np.array_equal(given, x)
