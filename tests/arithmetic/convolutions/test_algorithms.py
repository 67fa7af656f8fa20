"""Every algorithm against the definition in exact arithmetic, its gradients against it and each other."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.convolutions import CONVOLUTIONS, convolution
from precision.arithmetic.convolutions.winograd import exact_transforms
from precision.arithmetic.window import Window
from precision.errors import PrecisionError

FAST = [name for name in CONVOLUTIONS if name != "naive"]


@st.composite
def layers(draw):
    """Images, a kernel and a window, of any stride and padding."""
    sizes = tuple(draw(st.integers(1, 5)) for _ in range(2))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(2))
    window = Window(sizes, strides, (1, 1), draw(st.sampled_from(["valid", "same"])))
    spatial = tuple(draw(st.integers(size, 9)) for size in sizes)
    images, channels, filters = (draw(st.integers(1, most)) for most in (3, 4, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(-8, 9, (images, *spatial, channels)).astype(np.float64)
    w = rng.integers(-8, 9, (*sizes, channels, filters)).astype(np.float64)
    dy = rng.integers(-8, 9, (images, *window.output(spatial), filters)).astype(np.float64)
    return x, w, window, dy


def definition(x, w, window):
    """The sums, tap by tap over padded images; whole numbers of float64 are exact."""
    x = np.pad(x, [(0, 0), *window.pads(x.shape[1:3]), (0, 0)])
    output = (np.array(x.shape[1:3]) - w.shape[:2]) // window.strides + 1
    y = np.zeros((len(x), *output, w.shape[3]))
    for i, j in np.ndindex(*output):
        top, left = i * window.strides[0], j * window.strides[1]
        patch = x[:, top : top + w.shape[0], left : left + w.shape[1]]
        y[:, i, j] = np.tensordot(patch, w, 3)
    return y


@settings(max_examples=60, deadline=None)
@given(layers())
def test_sums_and_gradients_are_those_of_the_definition(layer):
    """The sums are bilinear: <dy, conv(x, w)> has the gradients, whatever these are multiplied with."""
    x, w, window, dy = layer
    expected = definition(x, w, window)
    for name, one in CONVOLUTIONS.items():
        if one.refusal(window):
            continue
        y = one.forward(x, w, window)
        assert np.abs(y - expected).max() <= 1e-9 * (1 + np.abs(expected).max()), name
        dx, dw = one.backward(x, w, window, dy)
        assert dx.shape == x.shape and dw.shape == w.shape
        other_x, other_w = np.roll(x, 1), np.roll(w, 1)
        by_x, by_w = (dy * definition(other_x, w, window)).sum(), (dy * definition(x, other_w, window)).sum()
        assert (dx * other_x).sum() == pytest.approx(by_x, abs=1e-6), name
        assert (dw * other_w).sum() == pytest.approx(by_w, abs=1e-6), name
        nothing, again = one.backward(x, w, window, dy, inputs=False)
        assert nothing is None and np.array_equal(again, dw)


@pytest.mark.parametrize("name", FAST)
def test_in_float32_they_differ_by_rounding_alone(name):
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(4, 12, 12, 3)).astype("f"), rng.normal(size=(3, 3, 3, 8)).astype("f")
    window = Window((3, 3), (1, 1), (1, 1), "same")
    y = convolution(name).forward(x, w, window)
    assert y.dtype == np.float32
    exact = definition(x.astype(float), w.astype(float), window)
    assert 0 < np.abs(y - exact).max() < 2e-4
    dx, dw = convolution(name).backward(x, w, window, y)
    assert dx.dtype == dw.dtype == np.float32


@pytest.mark.parametrize(("outputs", "kernel"), [(2, 3), (4, 3), (2, 5), (4, 5), (2, 7), (3, 2), (1, 1)])
def test_winograd_is_exact_in_fractions(outputs, kernel):
    back, of_kernel, of_images = exact_transforms(outputs, kernel)
    size = outputs + kernel - 1
    d = [Fraction(7 * i % 11 - 5, 3) for i in range(size)]
    g = [Fraction(5 * i % 7 - 3) for i in range(kernel)]

    def dot(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    products = [dot(of_kernel[i], g) * dot(of_images[i], d) for i in range(size)]
    found = [dot(row, products) for row in back]
    assert found == [sum(d[i + k] * g[k] for k in range(kernel)) for i in range(outputs)]


def test_what_cannot_be_computed_is_named():
    x, w = np.zeros((1, 8, 8, 1)), np.zeros((3, 3, 1, 1))
    plain = Window((3, 3), (1, 1), (1, 1))
    for window, kernel, name, words in (
        (
            Window((3, 3), (2, 2), (1, 1)),
            w,
            "winograd2",
            r"strides of 1, .*\(2, 2\); im2col, shifted",
        ),
        (Window((3, 2), (1, 1), (1, 1)), w[:, :2], "winograd4", "square kernels .* 3x2"),
        (
            Window((7, 7), (1, 1), (1, 1)),
            np.zeros((7, 7, 1, 1)),
            "winograd4",
            "at most 5, but got 7",
        ),
        (Window((3, 3), (1, 1), (2, 2)), w, "direct", "without groups and dilations"),
        (plain, w[:2], "im2col", r"takes a kernel \(\*sizes, C, filters\), but got the shapes"),
        (plain, w.astype("f"), "fft", "float32 or both of float64, but got float64 and float32"),
    ):
        with pytest.raises(PrecisionError, match=words):
            convolution(name).forward(x, kernel, window)
    with pytest.raises(PrecisionError, match="convolution"):
        convolution("im2row")
