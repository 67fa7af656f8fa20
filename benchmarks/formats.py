"""Every family of formats on 10 million float32 against a plain copy and every peer that has the format.

The copy reads and writes every element once. A peer is timed on the same numbers, to and from its format, as
float32 in and float32 out; one that is not installed is left out and named.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from timing import Row, paired, row, seconds

from precision.formats import parse

SHAPE = (9766, 1024)
# What the project promises as a share of the speed of a copy.
LIMITS = {
    "fixed(8,4)": 0.7,
    "fixed(8,4,overflow=wrap)": 0.25,
    "float16": 0.7,
    "float8_e4m3fn": 0.7,
    "float6_e3m2fn": 0.7,
    "float4_e2m1fn": 0.7,
    "mxfp8_e4m3": 0.25,
    "mxfp6_e3m2": 0.25,
    "mxfp4_e2m1": 0.25,
    "mxint8": 0.25,
    "nvfp4": 0.25,
    "bfp(8)": 0.25,
    "posit(8,2)": 0.1,
    "lns(8,3)": 0.1,
    "pow2(4)": 0.1,
    "nf4": 0.1,
    "posit(16,1)": 0.03,
}
Peer = tuple[str, str, Callable[[np.ndarray], Callable[[], object]]]


def rows() -> list[Row]:
    import tensorflow as tf

    x = np.random.default_rng(0).normal(0, 2, SHAPE).astype(np.float32)
    out, tensor = np.empty_like(x), tf.constant(x)
    found = []
    for text, limit in LIMITS.items():
        ours = functools.partial(parse(text).quantize, tensor)
        times = paired(ours, lambda: np.copyto(out, x), rounds=41)
        found.append(row(text, "numpy.copyto", *times, limit=limit, rate=True))
    for name, text, prepare in [*_ml_dtypes(), *_qtorch(), *_gfloat(), *_pychop(), *_torchao()]:
        # A peer that would take seconds is timed on a sixteenth of the numbers, and so are we.
        count = SHAPE[0] // 16 if seconds(prepare(x[: SHAPE[0] // 16])) > 0.1 else SHAPE[0]
        ours = functools.partial(parse(text).quantize, tensor[:count])
        times = paired(ours, prepare(x[:count]), rounds=5)
        found.append(row(text, name, *times, limit=1, rate=True))
    return found


@contextlib.contextmanager
def _optional(name: str) -> Iterator[None]:
    """Go on without a peer that is not installed; its remarks on import are dropped."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except (ImportError, RuntimeError, OSError) as error:
        print(f"{name} is left out: {str(error).splitlines()[0]}")
    finally:
        logging.disable(logging.NOTSET)


def _ml_dtypes() -> Iterator[Peer]:
    with _optional("ml_dtypes"):
        import ml_dtypes

        for text in ("float8_e4m3fn", "float8_e5m2", "bfloat16", "float6_e3m2fn", "float4_e2m1fn"):
            kind = getattr(ml_dtypes, text)
            yield "ml_dtypes", text, lambda x, kind=kind: lambda: x.astype(kind).astype(np.float32)


def _qtorch() -> Iterator[Peer]:
    with _optional("qtorch"):
        import torch
        from qtorch.quant import block_quantize, fixed_point_quantize, float_quantize

        cases = {
            "fixed(8,4)": lambda t: fixed_point_quantize(t, 8, 4, rounding="nearest"),
            "float(4,3)": lambda t: float_quantize(t, 4, 3, rounding="nearest"),
            "bfp(8,block=1024)": lambda t: block_quantize(t, 8, dim=0, rounding="nearest"),
        }
        for text, quantise in cases.items():
            yield "qtorch", text, _on_torch(torch, quantise)


def _gfloat() -> Iterator[Peer]:
    with _optional("gfloat"):
        import gfloat
        from gfloat import formats as known

        infos = {
            "float8_e4m3fn": known.format_info_ocp_e4m3,
            "float8_e5m2": known.format_info_ocp_e5m2,
            "float6_e3m2fn": known.format_info_ocp_e3m2,
            "float4_e2m1fn": known.format_info_ocp_e2m1,
        }
        for text, info in infos.items():
            yield "gfloat", text, lambda x, info=info: lambda: gfloat.round_ndarray(info, x, sat=True)


def _pychop() -> Iterator[Peer]:
    with _optional("pychop"):
        import pychop

        pychop.backend("numpy")
        for text in ("mxfp8_e4m3", "mxfp6_e3m2", "mxfp4_e2m1"):
            yield "pychop", text, lambda x, text=text: lambda: pychop.mx_quantize(x, text)
        half, fixed = pychop.Chop(5, 10), pychop.Chopf(4, 4)
        yield "pychop", "float16", lambda x: lambda: half(x)
        yield "pychop", "fixed(8,4)", lambda x: lambda: fixed(x)


def _torchao() -> Iterator[Peer]:
    with _optional("torchao"):
        import torch
        from torchao.prototype.mx_formats.mx_tensor import MXTensor
        from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

        elements = {
            "mxfp8_e4m3": torch.float8_e4m3fn,
            "mxfp8_e5m2": torch.float8_e5m2,
            "mxfp4_e2m1": torch.float4_e2m1fn_x2,
        }
        for text, element in elements.items():
            yield (
                "torchao",
                text,
                _on_torch(torch, lambda t, e=element: MXTensor.to_mx(t, e, 32).dequantize()),
            )

        def nvfp4(t: object) -> object:
            scale = per_tensor_amax_to_scale(t.abs().max())
            return NVFP4Tensor.to_nvfp4(t, per_tensor_scale=scale).dequantize()

        yield "torchao", "nvfp4", _on_torch(torch, nvfp4)


def _on_torch(torch: object, quantise: Callable[[object], object]) -> Callable[..., Callable[[], object]]:
    return lambda x: functools.partial(quantise, torch.from_numpy(x))
