"""Every deterministic rounding mode of every format, against its definition and against gfloat."""

import numpy as np
import pytest
from oracles import patterns
from oracles.catalogue import DEFINITIONS, definition
from oracles.definition import MODES
from oracles.staircase import SIGN, bits

from precision.errors import PrecisionError
from precision.formats import parse

FEW = 20_000
CASES = [
    (text, mode)
    for text in DEFINITIONS
    for mode in MODES
    if (text, mode) != ("binary", "toward_zero")  # no value lies nearer to zero
]
# One format for every compiled program and range rule.
ON_TENSORS = [
    "float16",
    "float8_e4m3fn",
    "float8_e5m2(overflow=saturate)",
    "float8_e4m3fnuz",
    "float4_e2m1fn",
    "float(4,3,subnormals=False)",
    "fixed(8,4)",
    "fixed(8,-95)",
    "fixed(16,10,overflow=wrap)",
    "fixed(4,60,overflow=wrap)",
    "ufixed(8,6,overflow=wrap)",
    "posit(8,2)",
    "nf4",
    "lns(8,3)",
]


def check(got: np.ndarray, expected: np.ndarray, p: np.ndarray) -> None:
    wrong = patterns.differences(got, expected)
    triples = zip(*(v[wrong[:5]].view(np.float32) for v in (p, got, expected)), strict=True)
    shown = "; ".join(f"{x!r}: {a!r}, not {b!r}" for x, a, b in triples)
    assert not shown, f"{len(wrong)} of {len(p)}: {shown}"


@pytest.mark.parametrize(("text", "mode"), CASES)
def test_arrays(text, mode):
    d = definition(text)
    p = patterns.of(d, FEW)
    check(bits(parse(text).quantize(p.view(np.float32), mode)), d.staircase(mode).lookup(p), p)


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("text", ON_TENSORS)
def test_tensors_outside_the_float32_subnormals(text, mode):
    import tensorflow as tf

    d = definition(text)
    p = patterns.of(d, FEW)
    magnitude = p & (SIGN - 1)
    p = p[(magnitude == 0) | (magnitude >= 0x00800000)]
    tensor = parse(text).quantize(tf.constant(patterns.filled(p).view(np.float32)), mode)
    check(bits(tensor.numpy()[: len(p)]), d.staircase(mode).lookup(p), p)


GFLOAT = {
    "float16": (16, 10, True, 2**10 - 1),
    "bfloat16": (16, 7, True, 2**7 - 1),
    "tf32": (19, 10, True, 2**10 - 1),
    "float8_e5m2": (8, 2, True, 3),
    "float8_e4m3": (8, 3, True, 7),
    "float8_e3m4": (8, 4, True, 15),
    "float8_e4m3fn": (8, 3, False, 1),
    "float6_e3m2fn": (6, 2, False, 0),
    "float6_e2m3fn": (6, 3, False, 0),
    "float4_e2m1fn": (4, 1, False, 0),
    "float(3,5)": (9, 5, True, 31),
    "float(7,12)": (20, 12, True, 2**12 - 1),
}


@pytest.mark.parametrize("overflow", ["usual", "saturate"])
@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("nearest", "TiesToEven"),
        ("nearest_away", "TiesToAway"),
        ("toward_zero", "TowardZero"),
        ("floor", "TowardNegative"),
        ("ceil", "TowardPositive"),
    ],
)
@pytest.mark.parametrize("text", GFLOAT)
def test_floats_agree_with_gfloat(text, mode, name, overflow):
    gfloat = pytest.importorskip("gfloat")
    bits_, m, extended, nans = GFLOAT[text]
    info = gfloat.FormatInfo(
        name=text,
        k=bits_,
        precision=m + 1,
        bias=2 ** (bits_ - m - 2) - 1,
        has_nz=True,
        domain=gfloat.Domain.Extended if extended else gfloat.Domain.Finite,
        num_high_nans=nans,
        has_subnormals=True,
        is_signed=True,
        is_twos_complement=False,
    )
    p = np.concatenate([patterns.random(FEW), patterns.common()])
    if text in DEFINITIONS and info.k <= 9:
        p = np.concatenate([p, patterns.edges(definition(text))])
    if nans == 0:
        p = p[~np.isnan(p.view(np.float32))]
    elif overflow == "saturate":
        text = f"{text[:-1]},overflow=saturate)" if text.endswith(")") else f"{text}(overflow=saturate)"
    with np.errstate(all="ignore"):
        x = p.view(np.float32).astype(np.float64)
        expected = gfloat.round_ndarray(
            info, x, gfloat.RoundMode[name], sat=overflow == "saturate" or nans == 0
        ).astype(np.float32)
    check(bits(parse(text).quantize(p.view(np.float32), mode)), bits(expected), p)


@pytest.mark.parametrize(
    ("alias", "mode"),
    [
        ("RND_CONV", "nearest"),
        ("RND_INF", "nearest_away"),
        ("RND", "nearest_up"),
        ("TRN_ZERO", "toward_zero"),
        ("TRN", "floor"),
    ],
)
def test_names_of_hls(alias, mode):
    x = np.arange(-40, 41, dtype=np.float32) / 32
    f = parse("fixed(8,4)")
    np.testing.assert_array_equal(f.quantize(x, alias), f.quantize(x, mode))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("nearest", [-2, -2, -0.0, 0, 2, 2]),
        ("nearest_away", [-3, -2, -1, 1, 2, 3]),
        ("nearest_up", [-2, -1, -0.0, 1, 2, 3]),
        ("toward_zero", [-2, -1, -0.0, 0, 1, 2]),
        ("floor", [-3, -2, -1, 0, 1, 2]),
        ("ceil", [-2, -1, -0.0, 1, 2, 3]),
        ("odd", [-3, -1, -1, 1, 1, 3]),
    ],
)
def test_ties_worked_by_hand(mode, expected):
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    np.testing.assert_array_equal(parse("int(8)").quantize(x, mode), np.array(expected))


@pytest.mark.parametrize(
    ("text", "mode"), [("binary", "toward_zero"), ("fixed(8,4)", "up"), ("posit(8,2)", "trn")]
)
def test_refused(text, mode):
    with pytest.raises(PrecisionError, match="round"):
        parse(text).quantize(np.ones(3, np.float32), mode)
