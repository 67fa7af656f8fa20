"""Two's complement fixed point.

``fixed(wl, fl)``: wl bits in all, fl of them fraction; range [-2^(wl-fl-1), 2^(wl-fl-1) - 2^-fl] in steps of
2^-fl. The same format elsewhere: QPyTorch FixedPoint(wl, fl), QKeras quantized_bits(wl, wl-fl-1), HLS
ap_fixed<wl, wl-fl>, Ristretto (wl, fl), Q(wl-fl-1).(fl). ``ufixed`` has no sign: HLS ap_ufixed<wl, wl-fl>.
"""

from __future__ import annotations

import numpy as np

from precision.arguments import choice, flag, integer, written
from precision.errors import PrecisionError, shown
from precision.formats.kernels.lattice import Lattice
from precision.registry import FORMATS

# The names of HLS; SAT_SYM is a property of the range here.
FIXED_OVERFLOWS = ("saturate", "wrap", "saturate_symmetric")


@FORMATS.register("fixed")
def fixed(wl: int, fl: int, *, symmetric: bool = False, overflow: str = "saturate") -> Lattice:
    """Fixed point: wl bits, fl of them after the binary point; has no NaN (it becomes 0).

    Values are carried as float32. With more than 24 bits the largest value is the largest float32 below
    2^(wl-fl-1); every other result is exact, because a float32 that large lies on the lattice already.

    Args:
        symmetric: leave out the least value, so that the range is that of its negative.
        overflow: ``saturate``, ``wrap`` around as two's complement does (an infinity becomes 0), or
            ``saturate_symmetric``, which is another way to write ``symmetric=True``.

    Raises:
        PrecisionError: when wl is not in 1..32 (1..24 where it wraps), or the range or the step leaves the
            normal float32 numbers.
    """
    symmetric = flag("fixed(wl,fl)", "symmetric", symmetric)
    choice("fixed(wl,fl)", "overflow", overflow, FIXED_OVERFLOWS)
    if overflow == "saturate_symmetric":
        symmetric, overflow = True, "saturate"
    _check("fixed", wl, fl, overflow)
    if symmetric and (wl < 2 or overflow == "wrap"):
        raise PrecisionError(
            f"fixed(wl,fl): a symmetric range needs wl >= 2 and overflow=saturate, but got wl={wl}, "
            f"overflow={overflow}"
        )
    name = written("fixed", (wl, fl), {"symmetric": (symmetric, False), "overflow": (overflow, "saturate")})
    return on_grid(name, wl, fl, signed=True, symmetric=symmetric, overflow=overflow)


@FORMATS.register("ufixed")
def ufixed(wl: int, fl: int, *, overflow: str = "saturate") -> Lattice:
    """Unsigned fixed point: 0 to 2^(wl-fl) - 2^-fl in steps of 2^-fl; what is negative becomes 0.

    Raises:
        PrecisionError: when wl is not in 1..32 (1..24 where it wraps), or the range or the step leaves the
            normal float32 numbers.
    """
    choice("ufixed(wl,fl)", "overflow", overflow, FIXED_OVERFLOWS[:2])
    _check("ufixed", wl, fl, overflow)
    name = written("ufixed", (wl, fl), {"overflow": (overflow, "saturate")})
    return on_grid(name, wl, fl, signed=False, symmetric=False, overflow=overflow)


def on_grid(name: str, wl: int, fl: int, *, signed: bool, symmetric: bool, overflow: str) -> Lattice:
    """Return the fixed-point format of the given name; the arguments have been checked."""
    limit = 2.0 ** (wl - signed - fl)
    high = limit - 2.0**-fl
    carried = np.float32(high)
    if float(carried) > high:
        carried = np.nextafter(carried, np.float32(0))
    low = -float(carried) if symmetric else -limit
    return Lattice(
        name=name,
        bits=wl,
        man=0,
        exponent=-fl,
        low=low if signed else 0.0,
        high=float(carried),
        floating=False,
        overflow=overflow,
        has_nan=False,
        has_zero_sign=False,
    )


def _check(family: str, wl: object, fl: object, overflow: str) -> None:
    form = f"{family}(wl,fl)"
    wl = integer(form, "wl", wl, 1, 32)
    if not isinstance(fl, int) or isinstance(fl, bool):
        raise PrecisionError(f"{form}: fl must be an integer, but got {shown(fl)}")
    if not (-95 <= fl <= 126 and wl - fl <= 126):
        raise PrecisionError(
            f"{form}: the step 2^-fl and the range 2^(wl-fl) must lie within 2^-126 and 2^126, "
            f"but got {family}({wl},{shown(fl)})"
        )
    if overflow == "wrap" and wl > 24:
        raise PrecisionError(
            f"{form}: overflow=wrap needs wl <= 24, the bits that float32 carries exactly, but got wl={wl}"
        )
