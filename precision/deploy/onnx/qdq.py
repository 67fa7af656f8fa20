"""Rounding as QuantizeLinear and DequantizeLinear, which runtimes fuse with what lies between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.deploy.onnx.elements import CLIPPED, WITHOUT_ZERO
from precision.deploy.onnx.quantizers import Rounding
from precision.deploy.onnx.writer import Tensor, Writer

NAME = "qdq"


def rounded(writer: Writer, x: Tensor, rounding: Rounding, label: str) -> tuple[Tensor, str]:
    """Write the rounding of a tensor.

    Returns:
        the rounded tensor, and the name of its integer codes; empty where it has none.
    """
    element = rounding.element
    if element.kind != "integer":
        return x.named(_cast(writer, x, rounding, label)), ""
    axis = x.axis(-1)
    scale, zero = _parameters(writer, rounding, label)
    name = x.name
    if element.clips and element.type not in CLIPPED:  # there is no Clip of their codes
        for operator, code in (("Max", element.low), ("Min", element.high)):
            end = (code - rounding.zero).astype(np.float32) * rounding.scale
            limit = writer.constant(f"{label}/{operator.lower()}", rounding.along(end, axis, x.rank))
            name = writer.node(operator, [name, limit], f"{label}/clipped")
    attributes: dict[str, Any] = {"axis": axis} if rounding.scale.size > 1 else {}
    codes = writer.node("QuantizeLinear", [name, scale, zero], f"{label}/codes", **attributes)
    if element.clips and element.type in CLIPPED:
        kind = np.dtype(element.type.lower())
        ends = [
            writer.constant(f"{label}/{end}", np.array(code, kind))
            for end, code in (("lowest", element.low), ("highest", element.high))
        ]
        codes = writer.node("Clip", [codes, *ends], f"{label}/clipped")
    name = writer.node("DequantizeLinear", [codes, scale, zero], f"{label}/rounded", **attributes)
    return x.named(name), codes


def _cast(writer: Writer, x: Tensor, rounding: Rounding, label: str) -> str:
    """Write the rounding of activations to a shorter float, times the reciprocal of the scale and back.

    A QuantizeLinear could say it, but ONNX Runtime 1.32 leaves out a Relu before one with floats of 8 bits,
    as if its least code were that of zero, and then computes other numbers.
    """
    element, name = rounding.element, x.name
    scaled = bool((rounding.scale != 1).any())
    scale = rounding.along(rounding.scale, x.axis(-1), x.rank)
    if scaled:
        reciprocal = writer.constant(f"{label}/reciprocal", np.float32(1) / scale)
        name = writer.node("Mul", [name, reciprocal], f"{label}/in steps")
    beyond: dict[str, Any] = {} if element.saturate else {"saturate": 0}
    name = writer.node("Cast", [name], f"{label}/narrow", to=writer.type(element.type), **beyond)
    result = f"{label}/unscaled" if scaled else f"{label}/rounded"
    name = writer.node("Cast", [name], result, to=writer.type("FLOAT"))
    if scaled:
        name = writer.node("Mul", [name, writer.constant(f"{label}/scale", scale)], f"{label}/rounded")
    return name


def constant(writer: Writer, values: np.ndarray, rounding: Rounding, axis: int, label: str) -> str:
    """Write a constant as codes with scales, and return the name of its values.

    Args:
        values: on the codes of the rounding, float32.
        axis: along which channels lie, where each has a scale.
    """
    return stored(writer, rounding.codes(values, axis, f"the values of {label!r}"), rounding, axis, label)


def stored(writer: Writer, codes: np.ndarray, rounding: Rounding, axis: int, label: str) -> str:
    """Write codes as a constant with scales, and return the name of the values that they stand for."""
    kind = rounding.element.type
    if rounding.element.kind == "cast":
        bits = writer.constant(f"{label}/codes", codes.astype(np.uint16), kind)
        return writer.node("Cast", [bits], label, to=writer.type("FLOAT"))
    name = writer.constant(f"{label}/codes", codes.astype(_type(kind)), kind)
    scale, zero = _parameters(writer, rounding, label)
    attributes: dict[str, Any] = {"axis": axis} if rounding.scale.size > 1 else {}
    return writer.node("DequantizeLinear", [name, scale, *([zero] if zero else [])], label, **attributes)


def _parameters(writer: Writer, rounding: Rounding, label: str) -> tuple[str, str]:
    """Write scales and zero points: numbers of one channel, vectors of several."""
    scale, zero = (n.reshape(()) if n.size == 1 else n for n in (rounding.scale, rounding.zero))
    name = writer.constant(f"{label}/scale", scale)
    if rounding.element.type == WITHOUT_ZERO:  # which has none
        return name, ""
    kind = rounding.element.type
    return name, writer.constant(
        f"{label}/zero", np.broadcast_to(zero, scale.shape).astype(_type(kind)), kind
    )


def _type(element: str) -> np.dtype:
    """Return the type of an array with the codes of an element."""
    if element.endswith("INT4"):
        return np.dtype(np.int8)
    return np.dtype(np.uint8 if element.startswith("FLOAT8") else element.lower())
