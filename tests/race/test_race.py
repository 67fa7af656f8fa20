"""The race of convolutions: what it counts, the errors that it finds, its times, its page and its command."""

import json
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from commands import here
from hypothesis import given, settings
from hypothesis import strategies as st

from precision.arithmetic.convolutions import CONVOLUTIONS, convolution
from precision.arithmetic.convolutions.im2col import BLOCK, _unrolled
from precision.arithmetic.convolutions.rounded import in_order, rounded
from precision.arithmetic.window import Window
from precision.errors import PrecisionError
from precision.race.everything import CASES, WIDE, Found, layers_of
from precision.race.layers import Layer, Rate, rates
from precision.race.limits import Limits
from precision.race.steps import KERAS, Setting, Step, _steps, steps
from precision.race.sums import TYPES, errors
from precision.race.timing import seconds
from precision.report.race.page import write_race

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
PLAIN = Window((3, 3), (1, 1), (1, 1))


def nearest(exact: Fraction, bits: int) -> Fraction:
    """A fraction rounded to so many bits of significand, ties to even; no exponent is too small here."""
    if not exact:
        return exact
    power = 0
    while abs(exact) >= Fraction(2) ** (power + bits):
        power += 1
    while abs(exact) < Fraction(2) ** (power + bits - 1):
        power -= 1
    return round(exact / Fraction(2) ** power) * Fraction(2) ** power


@pytest.mark.parametrize(("dtype", "bits"), [(np.dtype(np.float16), 11), (BFLOAT16, 8)])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), terms=st.integers(1, 9))
def test_a_rounded_product_rounds_every_product_and_every_sum(dtype, bits, seed, terms):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(1, terms)).astype(dtype), rng.normal(size=(terms, 2)).astype(dtype)
    for column in range(2):
        total = None
        for k in range(terms):
            one = nearest(Fraction(float(a[0, k])) * Fraction(float(b[k, column])), bits)
            total = one if total is None else nearest(total + one, bits)
        assert float(in_order(a, b)[0, column]) == float(total)
    out = np.empty((1, 2), dtype)
    assert in_order(a, b, out) is out and np.array_equal(out, in_order(a, b))


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16])
def test_unrolled_sums_are_those_of_the_loops(dtype):
    """Which add in the same order, a scalar at a time."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(1, 6, 6, 3)).astype(dtype), rng.normal(size=(3, 3, 3, 2)).astype(dtype)
    loops, unrolled = (rounded(convolution(name), dtype).forward(x, w, PLAIN) for name in ("naive", "im2col"))
    assert loops.dtype == unrolled.dtype == dtype
    assert np.array_equal(loops, unrolled)
    with pytest.raises(PrecisionError, match="'direct' has its sums in compiled code for float32"):
        rounded(convolution("direct"), dtype)
    with pytest.raises(PrecisionError, match=f"of {dtype}, but got float32 and float32"):
        rounded(convolution("im2col"), dtype).forward(x.astype("f"), w.astype("f"), PLAIN)


def test_errors_are_what_is_known_of_them():
    found = {(e.algorithm, e.sums): e for e in errors(3, 16, tuple(CONVOLUTIONS))}
    assert {kind for _, kind in found} == set(TYPES)
    assert ("direct", "float32") in found and ("direct", "float16") not in found
    assert [found["im2col", kind].unit for kind in TYPES] == [2**-24, 2**-11, 2**-8]
    for kind in ("float16", "bfloat16"):
        # Larger tiles lose more, as Winograd's papers say; both lose more than a plain sum does.
        assert found["naive", kind].relative == found["im2col", kind].relative
        assert found["winograd4", kind].relative > 3 * found["im2col", kind].relative
        assert found["winograd4", kind].relative > 2 * found["winograd2", kind].relative
    for one in found.values():
        assert 0 < one.relative < one.worst and one.terms == 144
        assert one.relative < 100 * one.unit
    assert "winograd4" not in {e.algorithm for e in errors(7, 1, ("winograd4", "im2col"))}


def test_what_is_held_is_what_is_made():
    x, w = np.zeros((40, 12, 12, 3), "f"), np.zeros((3, 3, 3, 5), "f")
    parts = [windows.size for _, windows in _unrolled(x, w, (1, 1), (10, 10))]
    assert max(parts) == convolution("im2col").held(40, (12, 12), w.shape, PLAIN) <= BLOCK
    operands = x.size + w.size + 40 * 10 * 10 * 5
    assert convolution("im2col").moved(40, (12, 12), w.shape, PLAIN) == operands + 2 * sum(parts)
    assert convolution("direct").held(40, (12, 12), w.shape, PLAIN) == 0
    assert convolution("direct").moved(40, (12, 12), w.shape, PLAIN) == operands
    for one in CONVOLUTIONS.values():
        assert one.moved(40, (12, 12), w.shape, PLAIN) >= operands - 40 * 12 * 12 * 3  # windows may see less


def test_each_piece_of_work_has_its_turn():
    calls = []
    found = seconds({name: lambda name=name: calls.append(name) for name in "ab"}, 3)
    assert list(found) == ["a", "b"] and min(found.values()) > 0
    turns = [name for i, name in enumerate(calls) if not i or calls[i - 1] != name]
    assert turns == list("ab" * 4)  # once before, and three rounds


def test_the_roof():
    roof = Limits(1, 40e9, 20e9)
    assert roof.attainable(0.5) == 10e9 and roof.attainable(2) == roof.attainable(9) == 40e9


SMALL = Setting(shape=(28, 28, 1), rounds=1)


def test_steps_and_layers_of_a_network():
    found = _steps(SMALL, (KERAS, "im2col", "naive"), (3, 2), 1)
    assert [(one.algorithm, one.batch, one.images) for one in found] == [
        *((name, 3, images) for name, images in ((KERAS, 3), ("im2col", 3), ("naive", 1))),
        *((name, 2, images) for name, images in ((KERAS, 2), ("im2col", 2), ("naive", 1))),
    ]
    slow = found[2].seconds
    assert all(one.seconds > 0 for one in found) and slow > found[1].seconds
    with pytest.raises(PrecisionError, match="a batch of 1 images cannot be shared among 2 workers"):
        steps(SMALL, ("im2col",), (1,), 2)
    first, second = layers_of(SMALL, 5)
    assert (first.x, first.w) == ((5, 28, 28, 1), (5, 5, 1, 8))
    assert (second.x, second.w, second.macs) == ((5, 24, 24, 8), (5, 5, 8, 8), 5 * 400 * 1600)
    measured = rates(first, ("im2col", "winograd4"), 1)
    assert [one.algorithm for one in measured] == ["im2col", "winograd4"]
    assert measured[0].macs == pytest.approx(first.macs / measured[0].forward)


def test_the_page(tmp_path):
    names = ("naive", "im2col", "winograd4")
    layer = Layer("convolution 1", (64, 14, 14, 1), (5, 5, 1, 8), Window((5, 5), (1, 1), (1, 1)))
    found = Found(
        SMALL,
        [Limits(1, 40e9, 20e9), Limits(2, 80e9, 25e9)],
        [
            Step(name, 64, workers, time / workers, 1 if name == "naive" else 64)
            for name, time in ((KERAS, 0.01), ("naive", 200.0), ("im2col", 0.02))
            for workers in (1, 2)
        ],
        [layer, WIDE],
        [Rate(one.name, name, 1e-3, 2e-3, 4e9, 1.5, 1 << 20) for one in (layer, WIDE) for name in names[1:]],
        [e for kernel, channels in CASES[:1] for e in errors(kernel, channels, names)],
        {"machine": "<a machine>"},
    )
    path = write_race(found, ["precision", "bench", "convolution"], tmp_path)
    text = " ".join(path.read_text().split())
    for words in (
        "| naive: loops over every multiplication | 200000.0 | 100000.0 | 1 | 100.0 % |",
        "naive was timed on one image for each worker",
        "| im2col: windows unrolled, one matrix product | 20.0 | 10.0 | 10000 | 100.0 % |",
        "| Keras | 10.0 | 5.0 | 20000 | 100.0 % |",
        "5x5 kernel, 1 channel, 8 filters",
        "3x3 kernel, 8 channels: sums of 72 products",
        "| CUDA | GPU | 4.06 | 2.83 |",
        "](roofline.png)",
        "](errors.png)",
        "precision bench convolution",
    ):
        assert words in text, words
    kept = json.loads((tmp_path / "race.json").read_text())
    assert kept["limits"][1]["cores"] == 2 and len(kept["errors"]) == len(found.errors)
    assert {one.name for one in tmp_path.iterdir()} == {"race.md", "race.json", "roofline.png", "errors.png"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--algorithm", "im2row"], "unknown convolution 'im2row'"),
        (["--workers", "4096"], "each worker has a core of its own, but got 4096 and this process may use"),
        (["--batch", "1", "--workers", "2"], "a batch of 1 images cannot be shared among 2 workers"),
    ],
)
def test_what_cannot_be_raced_is_refused(words, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr("precision.measure.machine.processor.cores", lambda: (0, 1))
    done = here(tmp_path, "bench", "convolution", "-o", str(tmp_path / "race"), *words)
    assert done.returncode == 2 and sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "race").exists()
