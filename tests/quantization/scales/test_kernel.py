"""The scaled kernel against a loop in NumPy, on every path to the last bit, and its scales."""

import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from kernels import AFFINE, POW2, REAL, assert_same_bits, dynamic, extremes, on_tensors, setting

from precision.formats import NumberFormat, parse
from precision.formats.engine import noise
from precision.quantization import Setting
from precision.quantization.policy.settings import Scaling
from precision.quantization.scales.kernel import (
    compiled_range,
    constants,
    numbers_for,
    program_of,
    range_of,
    scale_and_zero,
)


def values(shape, seed=0, spread=1.0):
    """Normal numbers, in channels of very different ranges along every axis."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * spread
    for axis, size in enumerate(shape):
        x *= np.exp2(rng.integers(-4, 5, size)).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return x.astype(np.float32)


def by_hand(s, x, low, high):
    """One channel, as the definition says it."""
    f, one = s.number_format, np.float32(1)
    low, high = min(low, np.float32(0)), max(high, np.float32(0))
    if s.scaling.kind == "pow2":
        fixed = not getattr(f, "floating", True)
        target = Fraction(f.max) + (Fraction(f.min_subnormal) if fixed else 0)
        k = -300
        while Fraction(2) ** k * target < max(-Fraction(float(low)), Fraction(float(high))):
            k += 1
        scale = np.float32(2.0**k) if max(-low, high) > 0 else one
    else:
        width, target = (high - low, f.max - f.lowest) if s.scaling.zero_point else (max(-low, high), f.max)
        scale = width * np.float32(1 / target) if width > 0 else one
    v = x * (one / scale)
    if not s.scaling.zero_point:
        return f.quantize(v) * scale
    zero = min(max(f.lowest - np.rint(low * (one / scale)), f.lowest), f.max)
    return (np.clip(np.rint(v) + np.float32(zero), f.lowest, f.max) - np.float32(zero)) * scale


def expected(s, x, axis=-1, factor=1):
    """``x`` times a factor, rounded under the range of ``x``."""
    parts = np.moveaxis(x, axis, 0) if s.per_channel else x[None]
    y = [by_hand(s, part * np.float32(factor), part.min(), part.max()) for part in parts]
    return np.moveaxis(np.stack(y), 0, axis) if s.per_channel else y[0]


# Every kind of setting and every path


class Sevenths(NumberFormat):
    """A format as a plugin may write it: its own rounding and nothing else, to -1, -6/7 ... 1."""

    name, bits = "sevenths", 4
    roundings = ("nearest",)
    nan, infinity = 0.0, 1.0

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        xp = np if isinstance(x, np.ndarray) else keras.ops
        steps = xp.clip(xp.round(x * np.float32(7)), -7, 7)
        return xp.where(x == x, steps / np.float32(7), np.float32(0))

    def values(self):
        return (np.arange(-7, 8) / np.float32(7)).astype(np.float32)


CASES = [
    *((setting("int(8)", **kind), axis) for kind in (REAL, POW2, AFFINE) for axis in (None, -1)),
    *((setting("int(4,symmetric=True)", **REAL), axis) for axis in (0, 1, 2, 3)),
    *((setting("fixed(6,auto)"), axis) for axis in (None, 0)),
    *((setting(f, **kind), 3) for f in ("fixed(8,3)", "float16", "uint(8)") for kind in (REAL, POW2)),
    *((setting("float8_e4m3fn", **kind), None) for kind in (REAL, POW2)),
    (setting("float6_e3m2fn", **REAL), 1),
    (setting("float(4,3,subnormals=False)", **REAL), None),
    (setting("uint(8)", **AFFINE), 1),
    (setting("uint(3)", **AFFINE), -1),
    *((setting(f, **kind), axis) for f in ("posit(8,1)", "nf4") for kind, axis in ((REAL, None), (POW2, 1))),
    *((setting(f, **REAL), -1) for f in ("lns(8,3)", "ternary")),
    *((Setting(Sevenths(), scaling=Scaling(kind)), axis) for kind, axis in (("real", None), ("pow2", 1))),
]


def per(s, axis):
    options = {**vars(s.scaling), "per": "tensor" if axis is None else "channel"}
    return Setting(s.number_format, s.rounding, Scaling(**options))


@pytest.mark.parametrize(("s", "axis"), CASES, ids=[f"{s} axis {axis}" for s, axis in CASES])
def test_every_path_computes_the_definition(s, axis):
    s, axis = per(s, axis), -1 if axis is None else axis
    x = values((3, 4, 5, 6))
    x[0, 1], x[2, :, 3], x[:, :, :, 5] = 0, 2.5, -np.abs(x[:, :, :, 5])  # zeros, a constant, none above 0
    low, high = extremes(s, x, axis)
    numbers = numbers_for(s, low, high)
    y = expected(s, x, axis)
    assert_same_bits(program_of(s)[0].array(x, numbers, axis=axis), y)
    assert_same_bits(on_tensors(s, x, numbers, axis), y)
    assert_same_bits(dynamic(s, x, axis), y)
    if s.number_format.quantize(np.float32([0]))[0] == 0:
        np.testing.assert_array_equal(y[x == 0], 0)
    # Beyond the calibrated range it is clipped as the format does.
    wide, y = x * np.float32(3), expected(s, x, axis, 3)
    assert_same_bits(program_of(s)[0].array(wide, numbers, axis=axis), y)
    assert_same_bits(on_tensors(s, wide, numbers, axis), y)


@pytest.mark.parametrize("shape", [(7,), (3, 7), (1,), (2, 1, 7), (0, 7)])
def test_shapes(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    s = setting("int(8)", **REAL, per="channel")
    numbers = numbers_for(s, np.full(shape[-1], -1.0), np.full(shape[-1], 2.0))
    y = np.clip(np.rint(x * (np.float32(1) / np.float32(2 / 127))), -128, 127) * np.float32(2 / 127)
    assert_same_bits(program_of(s)[0].array(x, numbers), y)
    assert_same_bits(on_tensors(s, x, numbers), y)


@pytest.mark.parametrize("kind", [REAL, POW2, AFFINE], ids=str)
def test_the_range_is_computed_alike_on_arrays_and_tensors(kind):
    s = setting("int(8)", **kind, per="channel")
    rng = np.random.default_rng(3)
    ends = np.sort(rng.normal(size=(2, 400)) * np.exp2(rng.integers(-90, 100, (2, 400))), 0).astype(
        np.float32
    )
    tensors = keras.ops.convert_to_tensor
    found = compiled_range(range_of(s))(tensors(ends[0]), tensors(ends[1]), tensors(constants(s)))
    assert_same_bits(found, numbers_for(s, *ends))


# Scales


REAL_FORMATS = ["int(8)", "int(4,symmetric=True)", "fixed(8,4)", "float8_e4m3fn", "nf4", "posit(8,1)"]


@pytest.mark.parametrize("text", REAL_FORMATS)
def test_the_largest_magnitude_meets_the_largest_value(text):
    s, f = setting(text, **REAL), parse(text)
    for low, high in ((-3.7, 1.2), (-1.2, 3.7), (0.5, 3.7), (-3.7, -0.5)):
        scale, zero = scale_and_zero(s, numbers_for(s, np.float32([low]), np.float32([high])))
        assert scale[0] == pytest.approx(3.7 / f.max, rel=1e-6)
        assert zero[0] == 0


@pytest.mark.parametrize(
    ("text", "low", "high", "scale", "zero"),
    [
        ("int(8)", -1.0, 3.0, 4 / 255, -64),  # -128 + 1 / (4 / 255) = -64.25
        ("uint(8)", -1.0, 3.0, 4 / 255, 64),
        ("uint(8)", 1.0, 3.0, 3 / 255, 0),  # the range is widened to 0
        ("uint(8)", -3.0, -1.0, 3 / 255, 255),
        ("uint(4)", -15.0, 0.0, 1.0, 15),
        ("int(8,symmetric=True)", -2.0, 2.0, 4 / 254, 0),
    ],
)
def test_an_affine_scale_maps_the_range_onto_all_codes(text, low, high, scale, zero):
    s = setting(text, **AFFINE)
    found = scale_and_zero(s, numbers_for(s, np.float32([low]), np.float32([high])))
    assert found[0][0] == pytest.approx(scale, rel=1e-6)
    assert found[1][0] == zero


POW2_FORMATS = ["int(8)", "uint(5)", "fixed(8,3)", "ufixed(6,9)", "float8_e4m3fn", "float16", "float4_e2m1fn",
                "float8_e5m2", "posit(8,1)", "lns(8,3)", "nf4", "ternary"]  # fmt: skip


@pytest.mark.parametrize("text", POW2_FORMATS)
def test_the_power_of_two_is_the_least_that_holds_the_range(text):
    s, f = setting(text, **POW2), parse(text)
    target = f.max + (f.min_subnormal if text.split("(")[0] in ("int", "uint", "fixed", "ufixed") else 0)
    for k in (-60, -1, 0, 1, 17, 60):
        exact = np.float32(target * 2.0**k)
        for high in (exact, exact * np.float32(0.51), exact * np.float32(0.99), exact * np.float32(1.01)):
            [scale], _ = scale_and_zero(s, numbers_for(s, np.zeros(1), np.float32([high])))
            assert math.frexp(scale)[0] == 0.5, "no power of two"
            assert Fraction(target) * Fraction(float(scale)) >= Fraction(float(high))
            assert Fraction(target) * Fraction(float(scale)) / 2 < Fraction(float(high))


@pytest.mark.parametrize("kind", [REAL, POW2, AFFINE], ids=str)
def test_a_zero_range_is_a_scale_of_one(kind):
    s = setting("int(8)", **kind, per="channel")
    x = np.float32([[0, 1, -0.0], [0, 3, 0]])
    numbers = numbers_for(s, x.min(0), x.max(0))
    scale, _ = scale_and_zero(s, numbers)
    np.testing.assert_array_equal(scale[[0, 2]], 1)
    for y in (program_of(s)[0].array(x, numbers), on_tensors(s, x, numbers), dynamic(s, x)):
        np.testing.assert_array_equal(y[:, [0, 2]], 0)
        np.testing.assert_allclose(y[:, 1], [1, 3], atol=0.04)


@pytest.mark.parametrize("value", [3.0, -3.0, 1e-20, -1e30])
@pytest.mark.parametrize("kind", [REAL, AFFINE], ids=str)
def test_a_constant_channel_keeps_its_value(kind, value):
    s = setting("int(8)", **kind, per="channel")
    x = np.full((4, 2), value, np.float32)
    np.testing.assert_allclose(dynamic(s, x), x, rtol=1e-6)


FORMATS_OF_RANGES = ["int(8)", "uint(8)", "fixed(8,7)", "float8_e4m3fn", "posit(8,1)", "nf4"]


@pytest.mark.parametrize("text", FORMATS_OF_RANGES)
@pytest.mark.parametrize("spread", [2e-38, 1e-37, 1e-28, 1e30, 1e37, 1e38])
def test_tiny_and_huge_ranges(text, spread):
    """Products below the normal numbers are zero on a compiler, and reciprocals too."""
    x = (np.random.default_rng(0).uniform(-1, 1, (4, 33)) * spread).astype(np.float32)
    x[np.abs(x) < 2.0**-126] = 0  # TensorFlow takes subnormal numbers for zero
    for kind in (REAL, POW2, AFFINE) if "int" in text else (REAL, POW2):
        s = setting(text, **kind)
        numbers = numbers_for(s, *extremes(s, x))
        y = program_of(s)[0].array(x, numbers)
        assert np.isfinite(y).all()
        assert_same_bits(on_tensors(s, x, numbers), y)
        assert_same_bits(dynamic(s, x), y)
        if 1e-28 <= spread <= 1e37 and text in ("int(8)", "float8_e4m3fn"):
            assert np.abs(y - x).max() <= spread / 14


@pytest.mark.parametrize("kind", [REAL, POW2, AFFINE], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows_under_a_dynamic_scale(kind, value):
    """A format without NaN would hide that a training diverged."""
    x = np.linspace(-1, 1, 8, dtype=np.float32)
    x[3] = value
    assert np.isnan(dynamic(setting("int(8)", **kind), x)).all()


def test_what_is_not_finite_under_a_calibrated_scale_is_what_the_format_makes_of_it():
    x = np.float32([np.nan, np.inf, -np.inf, 0.9])
    for text, kind, codes in (
        ("int(8)", REAL, [0, 127, -128, 57]),
        ("uint(8)", AFFINE, [0, 127, -128, 57]),  # less the zero point
        ("float8_e5m2", REAL, [np.nan, 57344, -57344, 24576]),  # what is scaled saturates
        ("posit(8,0)", REAL, [np.nan, np.nan, np.nan, 32]),
    ):
        s = setting(text, **kind)
        [low, high] = np.float32([[-256 / 127], [254 / 127]]) if kind is AFFINE else np.float32([[-2], [2]])
        numbers = numbers_for(s, low, high)
        scale, _ = scale_and_zero(s, numbers)
        y = program_of(s)[0].array(x, numbers)
        np.testing.assert_allclose(y, np.float32(codes) * scale, rtol=1e-6)
        assert_same_bits(on_tensors(s, x, numbers), y)


# Stochastic rounding

NOISY = [
    setting("int(8)", **REAL, rounding="stochastic"),
    setting("int(8)", **AFFINE, rounding="stochastic(8)"),
    setting("float8_e5m2", **POW2, rounding="stochastic", per="channel"),
    setting("posit(8,1)", **REAL, rounding="stochastic"),
]


@pytest.mark.parametrize("s", NOISY, ids=str)
def test_stochastic_rounding_draws_the_same_on_both_paths_and_is_unbiased(s):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(-1, 1, (1, 8)).astype(np.float32), 20_000, 0)
    low, high = np.full((2, s.per_channel * 7 + 1), [[-1], [1]], np.float32)
    numbers = numbers_for(s, low, high)
    words = noise.key((3, 1))
    program = program_of(s)[0]
    y = program.array(x, numbers, words, -1)
    assert_same_bits(on_tensors(s, x, numbers, -1, words), y)
    assert (program.array(x, numbers, noise.key((3, 2)), -1) != y).any()
    down, up = (getattr(y, end)(0).astype(np.float64) for end in ("min", "max"))
    assert (down <= x[0]).all() and (x[0] <= up).all()
    spread = np.maximum(up - down, 1e-9)
    assert (np.abs(y.astype(np.float64).mean(0) - x[0]) <= spread * (4.5 * 0.5 / 20_000**0.5 + 2.0**-9)).all()
    assert (up > down).sum() >= 7, "nothing was drawn"
