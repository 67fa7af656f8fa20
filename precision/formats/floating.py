"""Floating point: IEEE 754 style formats of any size, and the named ones.

The names and their values are those of ml_dtypes; FP8 after the OCP 8-bit Floating Point Specification 1.0.
"""

from __future__ import annotations

from precision.errors import PrecisionError, suggest
from precision.formats.lattice import OVERFLOWS, Lattice
from precision.registry import FORMATS


def _format(name: str, e: int, m: int, overflow: str, usual: str, top: float | None = None) -> Lattice:
    """Return a float with ``e`` exponent and ``m`` mantissa bits, bias 2^(e-1) - 1 and subnormals.

    Args:
        usual: the overflow that ``name`` means when it does not say; another one is added to the name.
        top: largest finite value where it is not the IEEE one.
    """
    if overflow not in OVERFLOWS:
        raise PrecisionError(f"{name}: unknown overflow {overflow!r}; {suggest(overflow, OVERFLOWS)}")
    bias = 2 ** (e - 1) - 1
    high = top or (2.0 - 2.0**-m) * 2.0**bias
    if overflow != usual:
        name = f"{name[:-1]},overflow={overflow})" if name.endswith(")") else f"{name}(overflow={overflow})"
    return Lattice(
        name=name,
        bits=1 + e + m,
        man=m,
        exponent=1 - bias,
        low=-high,
        high=high,
        floating=True,
        overflow=overflow,
    )


@FORMATS.register("float")
def float_(e: int, m: int, *, overflow: str = "infinity") -> Lattice:
    """IEEE 754 style float: sign, e exponent bits, m mantissa bits, subnormals, infinity and NaN.

    Raises:
        PrecisionError: when e is not in 2..8 or m is not in 1..23, the ranges that float32 can carry.
    """
    for name, value, least, most in (("e", e, 2, 8), ("m", m, 1, 23)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise PrecisionError(
                f"float(e,m): {name} must be an integer with {least} <= {name} <= {most}, but got {value!r}"
            )
    return _format(f"float({e},{m})", e, m, overflow, "infinity")


@FORMATS.register("float32")
def float32() -> Lattice:
    """IEEE 754 single precision (8,23), the format of the baseline."""
    return _format("float32", 8, 23, "infinity", "infinity")


@FORMATS.register("float16")
def float16(*, overflow: str = "infinity") -> Lattice:
    """IEEE 754 half precision (5,10): largest value 65504."""
    return _format("float16", 5, 10, overflow, "infinity")


@FORMATS.register("bfloat16")
def bfloat16(*, overflow: str = "infinity") -> Lattice:
    """Brain floating point (8,7): the range of float32 with 8 bits of precision."""
    return _format("bfloat16", 8, 7, overflow, "infinity")


@FORMATS.register("float8_e4m3fn")
def float8_e4m3fn(*, overflow: str = "nan") -> Lattice:
    """OCP FP8 E4M3: no infinity, largest value 448; what rounds beyond it is NaN."""
    return _format("float8_e4m3fn", 4, 3, _finite("float8_e4m3fn", overflow), "nan", top=448.0)


@FORMATS.register("float8_e5m2")
def float8_e5m2(*, overflow: str = "infinity") -> Lattice:
    """OCP FP8 E5M2: infinity and NaN as in IEEE 754, largest value 57344."""
    return _format("float8_e5m2", 5, 2, overflow, "infinity")


def _finite(name: str, overflow: str) -> str:
    if overflow == "infinity":
        raise PrecisionError(f"{name} has no infinity; overflow must be nan or saturate")
    return overflow
