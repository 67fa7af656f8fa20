"""Rounding as Quant nodes of QONNX, which have any number of bits.

A. Pappalardo et al. 2022, "QONNX: Representing Arbitrary-Precision Quantized Neural Networks"
(arXiv:2206.07527). Quant(x, scale, zeropt, bitwidth) is (clip(rint(x / scale + zeropt)) - zeropt) * scale,
with constants in float32 beside their Quant node.
"""

from __future__ import annotations

import numpy as np

from precision.deploy.onnx.quantizers import Rounding
from precision.deploy.onnx.writer import Tensor, Writer
from precision.errors import PrecisionError

NAME = "qonnx"
DOMAIN = "qonnx.custom_op.general"


def rounded(writer: Writer, x: Tensor, rounding: Rounding, label: str) -> tuple[Tensor, str]:
    """Write the rounding of a tensor; there is no tensor of codes, so the second is empty."""
    return x.named(_quant(writer, x.name, rounding, x.axis(-1), x.rank, label, f"{label}/rounded")), ""


def constant(writer: Writer, values: np.ndarray, rounding: Rounding, axis: int, label: str) -> str:
    """Write a constant in float32 and its rounding, and return the name of the rounded values."""
    rounding.codes(values, axis, f"the values of {label!r}")  # refuses what its codes do not say
    name = writer.constant(f"{label}/values", values)
    return _quant(writer, name, rounding, axis, values.ndim, label, label)


def _quant(
    writer: Writer, name: str, rounding: Rounding, axis: int, rank: int, label: str, result: str
) -> str:
    element = rounding.element
    if element.kind != "integer":
        raise PrecisionError(
            f"the values of {label!r} are in {element.number_format}, and Quant of QONNX has integers; "
            "export it without --dialect qonnx"
        )
    bits, signed, narrow = width(element.low, element.high, label)
    writer.domains[DOMAIN] = 1
    parameters = [
        writer.constant(f"{label}/{part}", np.asarray(numbers, np.float32))
        for part, numbers in (
            ("scale", rounding.along(rounding.scale, axis, rank)),
            ("zero", rounding.along(rounding.zero, axis, rank)),
            ("bits", bits),
        )
    ]
    return writer.node(
        "Quant",
        [name, *parameters],
        result,
        domain=DOMAIN,
        signed=int(signed),
        narrow=int(narrow),
        rounding_mode="ROUND",
    )


def width(low: int, high: int, label: str) -> tuple[int, bool, bool]:
    """Return the bits of codes between two, whether they have a sign, and whether the outermost is left out.

    Raises:
        PrecisionError: for a range that no such three have.

    >>> width(-7, 7, "w"), width(0, 255, "w")
    ((4, True, True), (8, False, False))
    """
    bits = int(high).bit_length() + (low < 0)
    for narrow in (False, True):
        if low < 0 and (low, high) == (narrow - 2 ** (bits - 1), 2 ** (bits - 1) - 1):
            return bits, True, narrow
    if low == 0 and high == 2**bits - 1:
        return bits, False, False
    raise PrecisionError(
        f"the codes of {label!r} run from {low} to {high}, which Quant of QONNX has no number of bits for"
    )
