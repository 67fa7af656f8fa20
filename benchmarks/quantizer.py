"""The lattice quantizer on 10 million float32 against a plain copy and against qtorch.

The copy reads and writes every element once: no rounding can be faster by more than what several cores gain.
"""

from __future__ import annotations

import numpy as np
from timing import Row, paired, row

from precision.formats import parse

SIZE = 10_000_000
FORMATS = ("fixed(8,4)", "float8_e4m3fn", "float16")


def rows() -> list[Row]:
    import tensorflow as tf

    x = np.random.default_rng(0).normal(0, 2, SIZE).astype(np.float32)
    out, tensor = np.empty_like(x), tf.constant(x)
    found = []
    for text in FORMATS:
        number_format = parse(text)
        for rounding, limit in (("nearest", 0.7), ("stochastic", 0.35)):
            times = paired(
                lambda f=number_format, r=rounding: f.quantize(tensor, r, key=1),
                lambda: np.copyto(out, x),
                rounds=41,
            )
            found.append(row(f"{text}, {rounding}", "numpy.copyto", *times, limit=limit, rate=True))
    return found + _qtorch_rows(x, tensor)


def _qtorch_rows(x: np.ndarray, tensor: object) -> list[Row]:
    try:
        import torch
        from qtorch.quant import fixed_point_quantize, float_quantize
    except (ImportError, RuntimeError, OSError) as error:
        print(f"qtorch is left out ({error}); pip install 'precision[qtorch]' and a C++ compiler bring it")
        return []
    peer = torch.from_numpy(x)
    cases = [
        (
            "fixed(8,4), nearest",
            "fixed(8,4)",
            "nearest",
            lambda: fixed_point_quantize(peer, 8, 4, rounding="nearest"),
        ),
        ("fixed(8,4), stochastic", "fixed(8,4)", "stochastic", lambda: fixed_point_quantize(peer, 8, 4)),
        (
            "float(4,3), nearest",
            "float(4,3)",
            "nearest",
            lambda: float_quantize(peer, 4, 3, rounding="nearest"),
        ),
        ("float(4,3), stochastic", "float(4,3)", "stochastic", lambda: float_quantize(peer, 4, 3)),
    ]
    found = []
    for name, text, rounding, theirs in cases:
        number_format = parse(text)
        times = paired(lambda f=number_format, r=rounding: f.quantize(tensor, r, key=1), theirs, rounds=7)
        found.append(row(name, "qtorch (CPU)", *times, limit=20, rate=True))
    return found
