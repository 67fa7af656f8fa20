"""Format texts and what they stand for: every named format, and a spread of those with parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from oracles.definition import Definition
from oracles.enumerations import fixed, floating, lns, posit, pow2, table
from oracles.wrapping import WrappingDefinition

# Those of a name, of at most 16 bits, that ml_dtypes (or NumPy) has too.
ML_DTYPES: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3": ml_dtypes.float8_e4m3,
    "float8_e3m4": ml_dtypes.float8_e3m4,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "float6_e3m2fn": ml_dtypes.float6_e3m2fn,
    "float6_e2m3fn": ml_dtypes.float6_e2m3fn,
    "float4_e2m1fn": ml_dtypes.float4_e2m1fn,
}


def wrapping(wl: int, fl: int, *, signed: bool = True) -> Definition:
    """Return fixed point that wraps around; the infinities and NaN become 0."""
    usual = fixed(wl, fl, signed=signed)
    return WrappingDefinition(usual.values, usual.codes, wl, nan=0.0, plus=0.0, minus=0.0, zero_sign=False)


FLOATS: dict[str, Callable[[], Definition]] = {
    "float16": lambda: floating(5, 10),
    "bfloat16": lambda: floating(8, 7),
    "float8_e4m3fn": lambda: floating(4, 3, "fn"),
    "float8_e5m2": lambda: floating(5, 2),
    "float8_e4m3": lambda: floating(4, 3),
    "float8_e3m4": lambda: floating(3, 4),
    "float8_e4m3fnuz": lambda: floating(4, 3, "fnuz"),
    "float8_e5m2fnuz": lambda: floating(5, 2, "fnuz"),
    "float8_e4m3b11fnuz": lambda: floating(4, 3, "fnuz", bias=11),
    "float6_e3m2fn": lambda: floating(3, 2, "finite"),
    "float6_e2m3fn": lambda: floating(2, 3, "finite"),
    "float4_e2m1fn": lambda: floating(2, 1, "finite"),
    "float16(overflow=saturate)": lambda: floating(5, 10, overflow="saturate"),
    "bfloat16(overflow=nan)": lambda: floating(8, 7, overflow="nan"),
    "float8_e4m3fn(overflow=saturate)": lambda: floating(4, 3, "fn", "saturate"),
    "float8_e5m2(overflow=saturate)": lambda: floating(5, 2, overflow="saturate"),
    "float8_e5m2(overflow=nan)": lambda: floating(5, 2, overflow="nan"),
    "float8_e4m3fnuz(overflow=saturate)": lambda: floating(4, 3, "fnuz", "saturate"),
    "float8_e5m2fnuz(overflow=saturate)": lambda: floating(5, 2, "fnuz", "saturate"),
    "p3109(8,4)": lambda: floating(4, 3, "extended"),
    "p3109(8,3,overflow=saturate)": lambda: floating(5, 2, "extended", "saturate"),
    "p3109(8,5,domain=finite)": lambda: floating(3, 4, "bounded"),
    "p3109(3,2)": lambda: floating(1, 1, "extended"),
    "p3109(6,5,domain=finite,overflow=nan)": lambda: floating(1, 4, "bounded", "nan"),
    "p3109(12,5)": lambda: floating(7, 4, "extended"),
    "float(2,1)": lambda: floating(2, 1),
    "float(3,2)": lambda: floating(3, 2),
    "float(2,13)": lambda: floating(2, 13),
    "float(6,9)": lambda: floating(6, 9),
    "float(8,3)": lambda: floating(8, 3),
    "float(8,1,overflow=saturate)": lambda: floating(8, 1, overflow="saturate"),
    "float(4,3,subnormals=False)": lambda: floating(4, 3, subnormals=False),
    "float(8,7,subnormals=False)": lambda: floating(8, 7, subnormals=False),
    "float(5,2,subnormals=False,overflow=saturate)": lambda: floating(
        5, 2, overflow="saturate", subnormals=False
    ),
}
FIXED: dict[str, Callable[[], Definition]] = {
    "fixed(1,0)": lambda: fixed(1, 0),
    "fixed(2,1)": lambda: fixed(2, 1),
    "fixed(4,2)": lambda: fixed(4, 2),
    "fixed(8,4)": lambda: fixed(8, 4),
    "fixed(8,-3)": lambda: fixed(8, -3),
    "fixed(8,12)": lambda: fixed(8, 12),
    "fixed(8,126)": lambda: fixed(8, 126),
    "fixed(8,-95)": lambda: fixed(8, -95),
    "fixed(16,8)": lambda: fixed(16, 8),
    "fixed(8,4,symmetric=True)": lambda: fixed(8, 4, symmetric=True),
    "fixed(8,4,overflow=wrap)": lambda: wrapping(8, 4),
    "fixed(16,10,overflow=wrap)": lambda: wrapping(16, 10),
    "fixed(4,-20,overflow=wrap)": lambda: wrapping(4, -20),
    "fixed(4,60,overflow=wrap)": lambda: wrapping(4, 60),
    "ufixed(8,4)": lambda: fixed(8, 4, signed=False),
    "ufixed(1,0)": lambda: fixed(1, 0, signed=False),
    "ufixed(8,6,overflow=wrap)": lambda: wrapping(8, 6, signed=False),
    "int(8)": lambda: fixed(8, 0),
    "int(4,symmetric=True)": lambda: fixed(4, 0, symmetric=True),
    "int(16)": lambda: fixed(16, 0),
    "uint(8)": lambda: fixed(8, 0, signed=False),
}
POSITS: dict[str, Callable[[], Definition]] = {
    f"posit({n},{es})": functools.partial(posit, n, es)
    for n, es in [(3, 0), (3, 2), (4, 1), (6, 2), (8, 0), (8, 1), (8, 2), (8, 3), (12, 2), (16, 1), (16, 2)]
}
# T. Dettmers et al. 2023, "QLoRA" (arXiv:2305.14314), appendix E.
NF4 = [
    *[-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635],
    *[-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725],
    *[0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941],
    *[0.7229568362236023, 1.0],
]
TABLES: dict[str, Callable[[], Definition]] = {
    "lns(4,0)": lambda: lns(4, 0),
    "lns(8,3)": lambda: lns(8, 3),
    "lns(8,4)": lambda: lns(8, 4),
    "lns(8,3,domain=log)": lambda: lns(8, 3, "log"),
    "lns(16,8)": lambda: lns(16, 8),
    "pow2(2)": lambda: pow2(2),
    "pow2(4)": lambda: pow2(4),
    "pow2(4,emax=3)": lambda: pow2(4, 3),
    "pow2(4,domain=log)": lambda: pow2(4, 0, "log"),
    "pow2(8,emax=1)": lambda: pow2(8, 1),
    "binary": lambda: table(1, [-1.0, 1.0], [1, 0], nan=1.0),
    "ternary": lambda: table(2, [-1.0, 0.0, 1.0], [3, 0, 1]),
    "ternary(threshold=0.05)": lambda: table(2, [-1.0, 0.0, 1.0], [3, 0, 1], [-0.05, 0.05]),
    "nf4": lambda: table(4, NF4, list(range(16))),
}
DEFINITIONS = {**FLOATS, **FIXED, **POSITS, **TABLES}
WIDE: dict[str, Callable[[], Definition]] = {"tf32": lambda: floating(8, 10)}  # of more than 16 bits


@functools.cache
def definition(text: str) -> Definition:
    """Return what a format text stands for."""
    return (DEFINITIONS | WIDE)[text]()
