"""The sentences in which an export is refused."""

from __future__ import annotations

from typing import Any

from precision.errors import PrecisionError
from precision.quantization.layers.flat import address
from precision.quantization.layers.operation import kind


def unknown(layer: Any, why: str) -> PrecisionError:
    """Return the error of a layer that is not written as nodes of ONNX."""
    return PrecisionError(f"layer {address(layer)!r} ({kind(layer)}) cannot be written to ONNX: {why}")


def check_installed() -> None:
    """Refuse to read or write a file where the package that knows the format is missing.

    Raises:
        PrecisionError: saying how to install it.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise PrecisionError(
            "ONNX files are read and written by the package onnx, which is not installed; "
            "pip install 'precision[onnx]'"
        ) from None


def check_layer(layer: Any) -> None:
    """Refuse a layer that computes in another type or in another order of axes than is written.

    Raises:
        PrecisionError: naming it.
    """
    if getattr(layer, "data_format", "channels_last") not in (None, "channels_last"):
        raise unknown(layer, "it has its channels first")
    if layer.compute_dtype != "float32" and layer.weights:
        raise unknown(layer, f"it computes in {layer.compute_dtype}; ptq emulates that type")
    if getattr(layer, "quantization_mode", None) is not None:
        raise unknown(layer, f"it was quantised by Keras ({layer.quantization_mode})")
