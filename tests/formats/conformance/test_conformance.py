"""The conformance kit: it passes every format there is, and names exactly what is broken in a broken one."""

import math

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.formats import conformance
from precision.formats.conformance import assert_conforms
from precision.formats.engine import backend
from precision.registry import FORMATS

from .broken import STEP, TOP, Quarters, Shared, Wide

# One for each kernel, on tensors too; then the rest, on arrays.
KERNELS = [
    "fixed(8,4)",
    "fixed(6,3,overflow=wrap)",
    "float8_e4m3fn",
    "float16",
    "float(4,3,subnormals=False)",
    "posit(8,2)",
    "nf4(block=64)",
    "mxfp4_e2m1",
    "nvfp4",
]
ON_ARRAYS = [
    "fixed(8,8)",
    "fixed(1,0)",
    "fixed(8,4,symmetric=True)",
    "fixed(32,16)",
    "fixed(32,30)",
    "ufixed(8,4)",
    "int(8)",
    "uint(4)",
    "float32",
    "bfloat16",
    "tf32",
    "float8_e4m3fn(overflow=saturate)",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float6_e3m2fn",
    "float4_e2m1fn",
    "float(3,2,overflow=nan)",
    "posit(6,0)",
    "posit(16,1)",
    "lns(8,3)",
    "pow2(4)",
    "binary",
    "ternary",
    "ternary(0.3)",
    "nf4",
    "mxfp8_e4m3",
    "mxfp4_e2m1(block=7,scale=ceil)",
    "mxint8",
    "mxint8(symmetric=False)",
    "bfp(8)",
    "bfp(24)",
    "block(posit(8,0),16)",
]


@pytest.mark.parametrize("text", KERNELS)
def test_built_in_formats_conform(text):
    assert_conforms(text)


@pytest.mark.parametrize("text", ON_ARRAYS)
def test_built_in_formats_conform_on_arrays(text):
    assert_conforms(text, tensors=False)


@pytest.mark.parametrize("number_format", [Quarters(), Wide(), Shared()], ids=str)
def test_the_honest_formats_of_this_test_conform(number_format):
    assert_conforms(number_format, tensors=False)


# Each of the following breaks one promise of one of them.


class Overstated(Quarters):
    roundings = ("nearest", "upwards")


class NoNaN(Quarters):
    def quantize(self, x, *arguments, **options):
        if np.isnan(x).any():
            raise ValueError("cannot convert float NaN to integer\nin line 3")
        return super().quantize(x, *arguments, **options)


class Small(Quarters):
    def quantize(self, x, *arguments, **options):
        if (np.abs(x) > 5).any():
            raise OverflowError("too large")
        return super().quantize(np.nan_to_num(x), *arguments, **options)


class Double(Quarters):
    def done(self, y):
        return y.astype(np.float64)


class Flat(Quarters):
    def done(self, y):
        return y.reshape(-1)


class Nothing(Quarters):
    def done(self, y):
        return y.tolist()


class InMemoryOrder(Quarters):
    """Works on the memory of an array, whatever its strides."""

    def quantize(self, x, *arguments, **options):
        y = super().quantize(x, *arguments, **options)
        return np.asarray(y).ravel("K").reshape(y.shape)


class Overwriting(Quarters):
    def quantize(self, x, *arguments, **options):
        y = super().quantize(x, *arguments, **options)
        if isinstance(x, np.ndarray):
            x[...] = y
        return y


class Forgetful(Quarters):
    """Its name leaves out how large its values are."""

    name = "forgetful"

    def __init__(self, top=TOP):
        self.top = top

        self.infinity = STEP * top

    def quantize(self, x, *arguments, **options):
        return np.clip(super().quantize(x, *arguments, **options), -self.infinity, self.infinity)

    def values(self):
        return super().values()[TOP - self.top : TOP + self.top + 1]


class Obliging(Quarters):
    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        return super().quantize(x, rounding if rounding in self.roundings else "nearest", key)


class Descending(Quarters):
    def values(self):
        return super().values()[::-1]


class Unlimited(Quarters):
    eps = 0.5


class Unlisted(Quarters):
    def values(self):
        return np.delete(super().values(), TOP + 1)  # 0.25


class Inexact(Quarters):
    roundings = ("nearest",)

    def integer(self, xp, n, mode):
        return xp.where((xp.abs(n) >= 2) & (xp.abs(n) <= 2.5), 3 * xp.sign(n), super().integer(xp, n, mode))


class Drifting(Wide):
    """0.7 becomes 0.75, and that becomes 1."""

    def quantize(self, x, *arguments, **options):
        y = super().quantize(x, *arguments, **options)
        return np.where((np.abs(x) >= 0.75) & (np.abs(x) < 0.875), np.copysign(1, x), y).astype(np.float32)


class Jumping(Quarters):
    nearest = False

    def integer(self, xp, n, mode):
        y = super().integer(xp, n, mode)
        return xp.where((xp.abs(n) > 2.6) & (xp.abs(n) < 3), xp.sign(n), y) if mode == "nearest" else y


class Late(Quarters):
    """Draws the line at 0.6 of the way."""

    def integer(self, xp, n, mode):
        late = xp.sign(n) * xp.floor(xp.abs(n) + 0.4)
        return late if mode == "nearest" else super().integer(xp, n, mode)


class Away(Quarters):
    def integer(self, xp, n, mode):
        below = xp.floor(xp.abs(n))
        away = xp.sign(n) * (below + (xp.abs(n) - below >= 0.5))
        return away if mode == "nearest" else super().integer(xp, n, mode)


class Truncating(Quarters):
    symmetric = False

    def integer(self, xp, n, mode):
        return super().integer(xp, n, "ceil" if mode == "floor" else mode)


class Lost(Quarters):
    nan = math.nan

    def quantize(self, x, *arguments, **options):
        y = super().quantize(x, *arguments, **options)
        finite = np.isfinite(x) & (np.abs(x) > 100)
        return np.where(np.isnan(x) | finite, np.float32(np.nan), y)

    def table(self):
        table = super().table()
        table[8] = np.nan
        return table


class Lopsided(Quarters):
    """Two's complement to the last code, of which it says nothing."""

    roundings = ("nearest",)

    def quantize(self, x, *arguments, **options):
        return np.where(
            np.asarray(x) <= -7.5 * STEP, np.float32(-2), super().quantize(x, *arguments, **options)
        )

    def values(self):
        return np.arange(-8, 8, dtype=np.float32) * np.float32(STEP)

    def table(self):
        table = super().table()
        table[8] = -2
        return table


class Undeclared(Quarters):
    nan = math.nan


class Unsigned(Quarters):
    def decode(self, encoded, *, axis=-1):
        return np.abs(super().decode(encoded))


class Wasteful(Quarters):
    bits = 5


class Padded(Quarters):
    def pack(self, x, *, axis=-1):
        return super().pack(x, axis=axis) + b"\0"


class Credulous(Quarters):
    def unpack(self, data, shape, *, axis=-1):
        return super().unpack(data[: self.packed_bytes(shape)], shape)


class Far(Quarters):
    """Sometimes goes two steps up."""

    def draw(self, n, words):
        below = np.floor(n)
        u = self.uniform(n.shape, words)
        return np.where(n == below, below, np.where(u < 0.01, below + 2, below + (u < n - below)))


class Keyless(Quarters):
    def uniform(self, shape, words):
        return np.random.default_rng(1).random(shape)


class Restless(Quarters):
    draws = 0

    def uniform(self, shape, words):
        self.draws += 1
        return np.random.default_rng(self.draws).random(shape)


class Biased(Quarters):
    def draw(self, n, words):
        below = np.floor(n)
        return below + ((n != below) & (self.uniform(n.shape, words) < 0.5))


class OtherProgram(Quarters):
    def program(self, rounding="nearest"):
        return Late().program(rounding)


FINDINGS = [
    (Overstated, "declares what it is", "'upwards'"),
    (NoNaN, "takes every float32", "raised ValueError: cannot convert float NaN to integer, on NaN"),
    (Small, "takes every float32", "raised OverflowError: too large, on "),
    (Double, "keeps shape and type", "returns float64 for 0.3"),
    (Flat, "keeps shape and type", "returns shape (1,) for an array of shape ()"),
    (Nothing, "keeps shape and type", "turns a NumPy array into float"),
    (InMemoryOrder, "keeps shape and type", "a transposed array rounds otherwise"),
    (Overwriting, "leaves its input alone", "has become -1.75"),
    (lambda: Forgetful(5), "parses back", "rounds to -1.75 and not to -1.25"),
    (Obliging, "refuses other roundings", "rounding='nearest_away'"),
    (Descending, "lists its values", "lists 1.5 after 1.75"),
    (Unlimited, "limits agree with its values", "eps is 0.5, but by values() it is 0.25"),
    (Unlisted, "gives only its own values", "to 0.25, which is none of its values"),
    (Inexact, "exact on its own values", "its own value -0.5 rounds (nearest) to -0.75"),
    (Drifting, "idempotent", "rounds to -0.75, and -0.75 rounds to -1"),
    (Jumping, "monotone", "(rounding nearest): -0.6511074 rounds to -0.25, but the larger -0.6"),
    (Late, "nearest", "nearest) to -1.5, but -1.75 is nearer"),
    (Away, "ties as the rounding says", "-1.625 lies halfway between -1.75 and -1.5"),
    (Truncating, "directed roundings", "rounds (floor) to -1.5, not to the one below, -1.75"),
    (Lost, "beyond its range", "lies beyond the range and rounds (nearest) to NaN"),
    (Lopsided, "symmetric", "rounds to -2, but"),
    (Undeclared, "NaN and infinity as declared", "NaN becomes 0 (rounding nearest)"),
    (Unsigned, "encode and decode", "rounds to -1.75, but decode(encode(x)) gives 1.75"),
    (Wasteful, "codes fit the declared bits", "only 15 codes are used: 4 bits would do"),
    (Padded, "pack and unpack", "gives 2 bytes for shape (), but packed_bytes says 1"),
    (Credulous, "pack and unpack", "takes 2 bytes for shape () without an error"),
    (Far, "stochastic stays between neighbours", "is drawn to"),
    (Keyless, "stochastic repeats by its key", "another key"),
    (Restless, "stochastic repeats by its key", "the same key gives another draw"),
    (Biased, "stochastic is unbiased", "draws"),
    (OtherProgram, "its program rounds alike", "by program(), but"),
]


@pytest.fixture
def forgetful():
    FORMATS.register("forgetful")(Forgetful)
    yield
    FORMATS.remove("forgetful")


def found(number_format, **options):
    return {r.check: r.text for r in conformance.check(number_format, **options) if r.broken}


@pytest.mark.parametrize(("make", "check", "text"), FINDINGS, ids=lambda v: getattr(v, "__name__", None))
def test_a_broken_format_is_found_out(make, check, text, forgetful):
    findings = found(make(), tensors=False)
    assert list(findings) == [check], findings
    assert text in findings[check] and "\n" not in findings[check]


# Tensors: the honest one rounds deterministically, by the operations of Keras.


class OnTensors(Quarters):
    roundings = ("nearest", "floor")


class Blocked(OnTensors):
    """Cuts the way of the gradient."""

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        if isinstance(x, np.ndarray | np.generic):
            return super().quantize(x, rounding)
        return self.tensor(x, rounding)


class Doubled(OnTensors):
    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        if isinstance(x, np.ndarray | np.generic):
            return super().quantize(x, rounding)
        return backend.straight_through(lambda t: self.tensor(t, rounding), x, backward=lambda _, up: up + up)


class OtherTensors(OnTensors):
    def tensor(self, x, mode):
        return super().tensor(x, "floor")


class ToArray(OnTensors):
    def quantize(self, x, *arguments, **options):
        return super().quantize(np.asarray(x), *arguments, **options)


class EagerOnly(OnTensors):
    def tensor(self, x, mode):
        import tensorflow as tf

        return tf.constant(super().quantize(x.numpy(), mode))


class Uncompiled(OnTensors):
    def tensor(self, x, mode):
        import tensorflow as tf

        def on_array(v):
            with np.errstate(all="ignore"):  # this is another thread than that of the test
                return super(OnTensors, self).quantize(v, mode)

        y = tf.numpy_function(on_array, [x], tf.float32)
        y.set_shape(x.shape)
        return y


ON_TENSORS = [
    (Blocked, ["gradient passes straight through"], "there is no gradient"),
    (
        Doubled,
        ["gradient passes straight through"],
        "the gradient at -1e+30 is 2, but straight through it is 1",
    ),
    (
        OtherTensors,
        ["tensors run eagerly as arrays"],
        "rounds (nearest) to -0.25 on a tensor, run eagerly, but to 0",
    ),
    (ToArray, ["tensors keep their shape"], "turns a tensor into numpy"),
    (
        EagerOnly,
        ["tensors run in a graph as arrays", "tensors run compiled as arrays"],
        "raised AttributeError",
    ),
    (Uncompiled, ["tensors run compiled as arrays"], "raised InvalidArgumentError"),
]


def test_the_honest_format_conforms_on_tensors():
    assert_conforms(OnTensors())


@pytest.mark.parametrize(("make", "checks", "text"), ON_TENSORS, ids=lambda v: getattr(v, "__name__", None))
def test_what_breaks_on_tensors_alone(make, checks, text):
    findings = found(make())
    assert list(findings) == checks, findings
    assert text in findings[checks[0]]
    assert all("\n" not in finding for finding in findings.values())


# Blocks.


class WholeTensor(Shared):
    def scales(self, blocks):
        return np.broadcast_to(super().scales(blocks.reshape(1, -1)), (*blocks.shape[:-1], 1))


class LastAxis(Shared):
    def axis(self, axis):
        return -1


class Straddling(Shared):
    def rows(self, x):
        return super().rows(x.reshape(1, -1)).reshape(x.shape)


class FilledUp(Shared):
    """Fills a short last block up with halves, which then have a say in its scale."""

    def rows(self, x):
        missing = -x.shape[-1] % 4
        full = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)], constant_values=0.5)
        return super().rows(full)[..., : x.shape[-1]]


class ZeroOverZero(Shared):
    def scales(self, blocks):
        amax = np.abs(blocks).max(axis=-1, keepdims=True)
        return np.where(amax == 0, 0, super().scales(blocks))


class Tolerant(Shared):
    """Declares that a NaN in a block becomes NaN, and makes it 0."""

    def scales(self, blocks):
        return super().scales(np.nan_to_num(blocks, posinf=1, neginf=-1))

    def rounded(self, blocks, scale):
        return super().rounded(np.nan_to_num(blocks), scale)


class Clipped(Shared):
    def scales(self, blocks):
        return super().scales(blocks) / 4

    idempotent = False


class Miscounted(Shared):
    bits = 6.25


APART, AXIS, SHORT = "blocks do not depend on each other", "blocks run along the axis", "a short last block"
SPOILT, BOUND = "NaN or infinity in a block", "error of a block is bounded"
ON_BLOCKS = [
    (
        WholeTensor,
        [SPOILT, BOUND],
        "NaN in the block at row 3 changes the element at (0, 0) of another block",
    ),
    (LastAxis, [AXIS], "with axis=0, a column rounds otherwise"),
    (Straddling, [APART, AXIS, SHORT, SPOILT, BOUND], "changes the element at"),
    (FilledUp, [SHORT], "in a row that ends with a block of 1"),
    (ZeroOverZero, ["a block of zeros"], "0 becomes NaN"),
    (Tolerant, [SPOILT], "NaN in a block becomes 0, but the format declares nan = NaN"),
    (Clipped, [BOUND], "256 rounds to 112: off by more than 0.143 of the largest"),
    (Miscounted, ["blocks take the declared bits"], "declares 6.25 bits per value, but whole blocks take 32"),
]


@pytest.mark.parametrize(("make", "checks", "text"), ON_BLOCKS, ids=lambda v: getattr(v, "__name__", None))
def test_what_breaks_in_blocks(make, checks, text):
    findings = found(make(), tensors=False)
    assert list(findings) == checks, findings
    assert text in findings[checks[0]]


def test_the_kit_in_words():
    with pytest.raises(AssertionError) as caught:
        assert_conforms(Unlimited(), tensors=False)
    assert str(caught.value) == (
        "quarters does not keep 1 of its promises:\n"
        "- limits agree with its values: eps is 0.5, but by values() it is 0.25"
    )
    with pytest.raises(PrecisionError, match="unknown format"):
        conformance.check("quarters")


def test_every_check_can_fail():
    """Each check of the kit is one that a format above breaks."""
    broken = {check for _, check, _ in FINDINGS}
    broken |= {check for _, checks, _ in [*ON_TENSORS, *ON_BLOCKS] for check in checks}
    missing = {check.name for check in conformance.CHECKS} - broken
    assert not missing


def test_the_kit_finds_the_same_twice():
    assert conformance.check(Biased(), tensors=False) == conformance.check(Biased(), tensors=False)
