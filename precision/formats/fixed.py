"""Two's complement fixed point.

``fixed(wl, fl)``: wl bits in all, fl of them fraction; range [-2^(wl-fl-1), 2^(wl-fl-1) - 2^-fl] in steps of
2^-fl. The same format elsewhere: QPyTorch FixedPoint(wl, fl), QKeras quantized_bits(wl, wl-fl-1), HLS
ap_fixed<wl, wl-fl>, Ristretto (wl, fl), Q(wl-fl-1).(fl).
"""

from __future__ import annotations

import numpy as np

from precision.errors import PrecisionError
from precision.formats.lattice import Lattice
from precision.registry import FORMATS


@FORMATS.register("fixed")
def fixed(wl: int, fl: int) -> Lattice:
    """Fixed point: wl bits, fl of them after the binary point; saturates, has no NaN (it becomes 0).

    Values are carried as float32. With more than 24 bits the largest value is the largest float32 below
    2^(wl-fl-1); every other result is exact, because a float32 that large lies on the lattice already.

    Raises:
        PrecisionError: when wl is not in 1..32, or the range or the step leaves the normal float32 numbers.
    """
    for name, value in (("wl", wl), ("fl", fl)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise PrecisionError(f"fixed(wl,fl): {name} must be an integer, but got {value!r}")
    if not 1 <= wl <= 32:
        raise PrecisionError(f"fixed(wl,fl): 1 <= wl <= 32 must hold, but got wl={wl}")
    if fl > 126 or wl - 1 - fl > 126:
        raise PrecisionError(
            f"fixed(wl,fl): the step 2^-fl and the range 2^(wl-fl-1) must lie within 2^-126 and 2^126, "
            f"but got fixed({wl},{fl})"
        )
    limit = 2.0 ** (wl - 1 - fl)
    high = limit - 2.0**-fl
    carried = np.float32(high)
    if float(carried) > high:
        carried = np.nextafter(carried, np.float32(0))
    return Lattice(
        name=f"fixed({wl},{fl})",
        bits=wl,
        man=0,
        exponent=-fl,
        low=-limit,
        high=float(carried),
        floating=False,
        special=False,
    )
