"""Integers of n bits, for tensors that a calibrated scale maps onto them."""

from __future__ import annotations

import re

from precision.arguments import flag, integer, written
from precision.errors import PrecisionError
from precision.formats.base import NumberFormat
from precision.formats.families.fixed import on_grid
from precision.formats.kernels.lattice import Lattice
from precision.registry import FORMATS


@FORMATS.register("int")
def int_(n: int, *, symmetric: bool = False) -> Lattice:
    """Signed integers of n bits, -2^(n-1) to 2^(n-1) - 1; saturate, NaN becomes 0.

    Args:
        symmetric: leave out the least one, as most inference engines do for weights.

    Raises:
        PrecisionError: when n is not in 1..32, or a symmetric one has less than two bits.
    """
    integer("int(n)", "n", n, 1, 32)
    symmetric = flag("int(n)", "symmetric", symmetric)
    if symmetric and n < 2:
        raise PrecisionError(f"int(n): a symmetric range needs n >= 2, but got {n}")
    name = written("int", (n,), {"symmetric": (symmetric, False)})
    return on_grid(name, n, 0, signed=True, symmetric=symmetric, overflow="saturate")


@FORMATS.register("uint")
def uint(n: int) -> Lattice:
    """Unsigned integers of n bits, 0 to 2^n - 1; saturate, NaN becomes 0.

    Raises:
        PrecisionError: when n is not in 1..32.
    """
    integer("uint(n)", "n", n, 1, 32)
    return on_grid(f"uint({n})", n, 0, signed=False, symmetric=False, overflow="saturate")


def needs_scale(number_format: NumberFormat) -> bool:
    """Return whether a format is one of these integers, which are made for a scale.

    Fixed point with the same values, ``fixed(n,0)``, says where its binary point stands.
    """
    return re.match(r"u?int\(", number_format.name) is not None
