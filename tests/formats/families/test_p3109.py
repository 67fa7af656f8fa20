"""The formats of IEEE P3109, code by code and tie by tie, against gfloat."""

import numpy as np
import pytest
from gfloat import RoundMode, decode_float, round_float
from gfloat.formats import format_info_p3109
from gfloat.types import Domain
from oracles.patterns import neighbours

from precision.errors import PrecisionError
from precision.formats import parse

FORMATS = [
    (k, p, domain) for k in range(3, 9) for p in range(max(2, k - 7), k) for domain in ("extended", "finite")
]
SOME = [
    *((*one, True) for one in FORMATS[::3]),
    *((*one, False) for one in FORMATS[::4]),  # these have infinities
]
MODES = {
    "nearest": RoundMode.TiesToEven,
    "nearest_away": RoundMode.TiesToAway,
    "toward_zero": RoundMode.TowardZero,
    "floor": RoundMode.TowardNegative,
    "ceil": RoundMode.TowardPositive,
}


def both(k, p, domain, overflow=""):
    theirs = format_info_p3109(k, p, domain=Domain.Extended if domain == "extended" else Domain.Finite)
    return parse(f"p3109({k},{p},domain={domain}{overflow})"), theirs


@pytest.mark.parametrize(("k", "p", "domain"), [*FORMATS, (12, 5, "extended"), (15, 9, "finite")])
def test_every_code(k, p, domain):
    ours, theirs = both(k, p, domain)
    codes = np.arange(2**k)
    expected = np.array([decode_float(theirs, int(code)).fval for code in codes], np.float32)
    np.testing.assert_array_equal(ours.decode(codes), expected)
    values = expected[~np.isnan(expected)]
    np.testing.assert_array_equal(ours.encode(values), codes[~np.isnan(expected)])
    assert ours.encode(np.float32([np.nan, -0.0])).tolist() == [2 ** (k - 1), 0]
    assert (ours.max, ours.bits) == (theirs.max, k)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("k", "p", "domain", "saturates"), SOME)
def test_every_tie(k, p, domain, saturates, mode):
    ours, theirs = both(k, p, domain, ",overflow=saturate" if saturates else "")
    v = ours.values().astype(float)
    beyond = v[-1] * 2 - v[-2]  # where the next value would lie
    points = np.concatenate([v, (v[1:] + v[:-1]) / 2, [beyond, (v[-1] + beyond) / 2, 1e6 * v[-1]]])
    x = neighbours(np.concatenate([points, -points]).astype(np.float32))
    if saturates:
        x = np.append(x, np.float32([np.inf, -np.inf])) if domain == "finite" else x
    expected = [round_float(theirs, float(value), MODES[mode], saturates) for value in x]
    np.testing.assert_array_equal(ours.quantize(x, mode), np.float32(expected))


def test_worked_by_hand():
    """Binary8p3 ends at 49152, and P3109 gives +infinity the code 0x7f and NaN that of -0."""
    f = parse("p3109(8,3)")
    assert (f.max, f.min_normal, f.min_subnormal) == (49152.0, 2.0**-15, 2.0**-17)
    x = np.float32([49152, 53248, 53249, np.inf, -np.inf, np.nan])
    assert f.encode(x).tolist() == [0x7E, 0x7E, 0x7F, 0x7F, 0xFF, 0x80]
    assert f.encode(np.float32([1])).tolist() == [0x40]


@pytest.mark.parametrize(
    "text", ["p3109(8,1)", "p3109(8,8)", "p3109(2,1)", "p3109(16,8)", "p3109(8,3,domain=x)"]
)
def test_refused(text):
    with pytest.raises(PrecisionError, match="p3109"):
        parse(text)
