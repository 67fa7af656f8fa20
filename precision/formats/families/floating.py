"""Floating point: IEEE 754 style formats of any size, and the named ones.

The names and their values are those of ml_dtypes; FP8 after the OCP 8-bit Floating Point Specification 1.0,
FP6 and FP4 after the OCP Microscaling Formats Specification 1.0, the fnuz formats after B. Noune et al. 2022,
"8-bit numerical formats for deep neural networks" (arXiv:2206.02915), P3109 after the interim report of the
IEEE working group P3109, "Standard for arithmetic formats for machine learning" (2025).
"""

from __future__ import annotations

from typing import Any

from precision.arguments import choice, flag, integer, written
from precision.formats.kernels.lattice import OVERFLOWS, Lattice
from precision.registry import FORMATS


def _format(
    family: str,
    e: int,
    m: int,
    overflow: str,
    overflows: tuple[str, ...],
    *,
    arguments: tuple[int, ...] = (),
    top: float | None = None,
    bias: int | None = None,
    subnormals: bool = True,
    **properties: Any,
) -> Lattice:
    """Return a float with ``e`` exponent and ``m`` mantissa bits.

    Args:
        overflows: what the format offers beyond its range; the first is meant when the text does not say.
        arguments: of the text, for the formats that have any.
        top: largest finite value where it is not the IEEE one.
        bias: of the exponent field where it is not 2^(e-1) - 1.
    """
    form = f"{family}(e,m)" if arguments else family
    choice(form, "overflow", overflow, overflows)
    bias = 2 ** (e - 1) - 1 if bias is None else bias
    high = top or (2.0 - 2.0**-m) * 2.0 ** (2 ** (e - 1) - 1)
    options = {"subnormals": (subnormals, True), "overflow": (overflow, overflows[0])}
    return Lattice(
        name=written(family, arguments, options),
        bits=1 + e + m,
        man=m,
        exponent=1 - bias,
        low=-high,
        high=high,
        floating=True,
        overflow=overflow,
        subnormals=subnormals,
        **properties,
    )


_IEEE = ("infinity", "saturate", "nan")
_NO_INFINITY = ("nan", "saturate")


@FORMATS.register("float")
def float_(e: int, m: int, *, subnormals: bool = True, overflow: str = "infinity") -> Lattice:
    """IEEE 754 style float: sign, e exponent bits, m mantissa bits, infinity and NaN.

    Args:
        subnormals: whether there are values between 0 and the smallest normal number; without them,
            numbers there are rounded to one of the two.

    Raises:
        PrecisionError: when e is not in 2..8 or m is not in 1..23, the ranges that float32 can carry.
    """
    integer("float(e,m)", "e", e, 2, 8)
    integer("float(e,m)", "m", m, 1, 23)
    subnormals = flag("float(e,m)", "subnormals", subnormals)
    return _format("float", e, m, overflow, _IEEE, arguments=(e, m), subnormals=subnormals)


@FORMATS.register("float32")
def float32() -> Lattice:
    """IEEE 754 single precision (8,23), the format of the baseline."""
    return _format("float32", 8, 23, "infinity", OVERFLOWS[1:2])


@FORMATS.register("tf32")
def tf32(*, overflow: str = "infinity") -> Lattice:
    """TensorFloat-32 (8,10): what the tensor cores of NVIDIA GPUs read; 19 bits that matter, stored in 32.

    How a float32 becomes one differs between GPUs: choose the rounding.
    """
    return _format("tf32", 8, 10, overflow, _IEEE)


@FORMATS.register("float16")
def float16(*, overflow: str = "infinity") -> Lattice:
    """IEEE 754 half precision (5,10): largest value 65504."""
    return _format("float16", 5, 10, overflow, _IEEE)


@FORMATS.register("bfloat16")
def bfloat16(*, overflow: str = "infinity") -> Lattice:
    """Brain floating point (8,7): the range of float32 with 8 bits of precision."""
    return _format("bfloat16", 8, 7, overflow, _IEEE)


@FORMATS.register("float8_e4m3fn")
def float8_e4m3fn(*, overflow: str = "nan") -> Lattice:
    """OCP FP8 E4M3: no infinity, largest value 448; what rounds beyond it is NaN."""
    return _format("float8_e4m3fn", 4, 3, overflow, _NO_INFINITY, top=448.0, nan_code=0x7F)


@FORMATS.register("float8_e5m2")
def float8_e5m2(*, overflow: str = "infinity") -> Lattice:
    """OCP FP8 E5M2: infinity and NaN as in IEEE 754, largest value 57344."""
    return _format("float8_e5m2", 5, 2, overflow, _IEEE)


@FORMATS.register("float8_e4m3")
def float8_e4m3(*, overflow: str = "infinity") -> Lattice:
    """IEEE 754 style E4M3: infinity and NaN, largest value 240."""
    return _format("float8_e4m3", 4, 3, overflow, _IEEE)


@FORMATS.register("float8_e3m4")
def float8_e3m4(*, overflow: str = "infinity") -> Lattice:
    """IEEE 754 style E3M4: infinity and NaN, largest value 15.5."""
    return _format("float8_e3m4", 3, 4, overflow, _IEEE)


def _fnuz(family: str, e: int, m: int, bias: int, overflow: str) -> Lattice:
    """Return a format whose negative zero is NaN and whose every other code is a finite number."""
    top = (2.0 - 2.0**-m) * 2.0 ** (2**e - 1 - bias)
    return _format(
        family, e, m, overflow, _NO_INFINITY, top=top, bias=bias, has_zero_sign=False, nan_code=0x80
    )


@FORMATS.register("float8_e4m3fnuz")
def float8_e4m3fnuz(*, overflow: str = "nan") -> Lattice:
    """E4M3 with bias 8, one NaN, no infinity, no negative zero: largest value 240 (AMD, Graphcore)."""
    return _fnuz("float8_e4m3fnuz", 4, 3, 8, overflow)


@FORMATS.register("float8_e5m2fnuz")
def float8_e5m2fnuz(*, overflow: str = "nan") -> Lattice:
    """E5M2 with bias 16, one NaN, no infinity, no negative zero: largest value 57344 (AMD, Graphcore)."""
    return _fnuz("float8_e5m2fnuz", 5, 2, 16, overflow)


@FORMATS.register("float8_e4m3b11fnuz")
def float8_e4m3b11fnuz(*, overflow: str = "nan") -> Lattice:
    """E4M3 with bias 11, one NaN, no infinity, no negative zero: largest value 30."""
    return _fnuz("float8_e4m3b11fnuz", 4, 3, 11, overflow)


@FORMATS.register("p3109")
def p3109(k: int, p: int, *, domain: str = "extended", overflow: str | None = None) -> Lattice:
    """IEEE P3109: k bits of which p are precision; one NaN (the code of -0), infinities in the last codes.

    Args:
        domain: extended, with +infinity and -infinity; or finite, where the last codes are numbers.
        overflow: infinity (extended unless said otherwise), saturate (finite unless said otherwise) or nan.

    Raises:
        PrecisionError: when k is not in 3..16, or k - p, the bits of the exponent, not in 1..7, or p below 2.
    """
    integer("p3109(k,p)", "k", k, 3, 16)
    integer("p3109(k,p)", "p", p, max(2, k - 7), k - 1)
    finite = choice("p3109(k,p)", "domain", domain, ("extended", "finite")) == "finite"
    overflows = ("saturate", "nan") if finite else _IEEE
    overflow = overflows[0] if overflow is None else choice("p3109(k,p)", "overflow", overflow, overflows)
    bias, last = 2 ** (k - p - 1), 2 ** (k - 1) - 1
    high = (2.0 - 2.0 ** (1 - p) * (1 if finite else 2)) * 2.0 ** (2 ** (k - p) - 1 - bias)
    options = {"domain": (domain, "extended"), "overflow": (overflow, overflows[0])}
    return Lattice(
        name=written("p3109", (k, p), options),
        bits=k,
        man=p - 1,
        exponent=1 - bias,
        low=-high,
        high=high,
        floating=True,
        overflow=overflow,
        has_zero_sign=False,
        nan_code=last + 1,
        infinity_code=None if finite else last,
    )


def _finite(family: str, e: int, m: int) -> Lattice:
    """Return a format whose every code is a finite number: it saturates, and NaN becomes 0."""
    top = (2.0 - 2.0**-m) * 2.0 ** (2 ** (e - 1))
    return _format(family, e, m, "saturate", ("saturate",), top=top, has_nan=False)


@FORMATS.register("float6_e3m2fn")
def float6_e3m2fn() -> Lattice:
    """OCP FP6 E3M2: no infinity, no NaN, largest value 28; saturates."""
    return _finite("float6_e3m2fn", 3, 2)


@FORMATS.register("float6_e2m3fn")
def float6_e2m3fn() -> Lattice:
    """OCP FP6 E2M3: no infinity, no NaN, largest value 7.5; saturates."""
    return _finite("float6_e2m3fn", 2, 3)


@FORMATS.register("float4_e2m1fn")
def float4_e2m1fn() -> Lattice:
    """OCP FP4 E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; saturates."""
    return _finite("float4_e2m1fn", 2, 1)
