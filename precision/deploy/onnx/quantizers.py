"""What the quantizers of a model round with, as a file says it: element types, scales, zero points, codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.deploy.integer.codes import of_each_image
from precision.deploy.onnx.elements import SHIFT, Element, check_scale, element_of
from precision.errors import PrecisionError
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.kernel import scale_and_zero


@dataclass(frozen=True)
class Rounding:
    """How a tensor is rounded.

    Attributes:
        element: what it is stored in.
        scale: real value of one code, or of the number 1 of a float, float32 of one or each channel.
        zero: the code of the real zero, int32 likewise.
    """

    element: Element
    scale: np.ndarray
    zero: np.ndarray

    def along(self, numbers: np.ndarray, axis: int, rank: int) -> np.ndarray:
        """Return scales or zero points in a shape that meets a tensor with its channels along ``axis``."""
        if numbers.size == 1:
            return numbers.reshape(())
        return numbers.reshape([-1 if place == axis else 1 for place in range(rank)])

    def codes(self, values: np.ndarray, axis: int, what: str) -> np.ndarray:
        """Return the codes, integers or the bits of floats, of values that were rounded before.

        Raises:
            PrecisionError: where the codes do not stand for exactly these values.
        """
        scale, zero = (self.along(n, axis, values.ndim) for n in (self.scale, self.zero))
        with np.errstate(all="ignore"):
            parts = values / scale
        if self.element.kind == "integer":
            codes = np.rint(parts).astype(np.int64) + zero
            found = (codes - zero).astype(np.float32) * scale
        else:
            f = self.element.number_format
            assert f is not None  # floats are of a format
            codes = f.encode(parts)
            found = f.decode(codes) * scale
        if not np.array_equal(found, values):
            raise PrecisionError(f"{what} are not finite, or not on the codes of {self.element.type}")
        return codes


def of_activations(quantizer: Quantizer, what: str, *, unsigned: bool = False) -> Rounding:
    """Return how activations or images are rounded.

    Args:
        unsigned: whether codes of INT8 are stored in UINT8, with another zero point.

    Raises:
        PrecisionError: as :func:`element_of`, and for a scale that follows from each tensor.
    """
    assert quantizer.scale is not None  # of a slot without a format there is no quantizer
    setting = quantizer.scale.setting
    element = element_of(setting, what, stored=False)
    if of_each_image(quantizer):
        check_scale(setting, what)
    found = _with_scales(element, quantizer.numbers() if setting.scaled else None, quantizer)
    if unsigned and element.type == "INT8":
        return Rounding(element.unsigned(), found.scale, found.zero + SHIFT)
    return found


def of_variable(quantizer: Quantizer, variable: Any, axis: Any, what: str) -> tuple[Rounding, np.ndarray]:
    """Return how a variable is rounded, and its rounded values, float32 of its shape.

    Raises:
        PrecisionError: as :func:`element_of`.
    """
    assert quantizer.scale is not None  # asked before
    setting = quantizer.scale.setting
    element = element_of(setting, what, stored=True)
    values = np.asarray(keras.ops.convert_to_numpy(quantizer(variable, axis, False)), np.float32)
    numbers = quantizer.numbers(variable, axis) if setting.scaled else None
    return _with_scales(element, numbers, quantizer), values


def _with_scales(element: Element, numbers: Any, quantizer: Quantizer) -> Rounding:
    if numbers is None:
        return Rounding(element, np.array([element.step], np.float32), np.zeros(1, np.int32))
    assert quantizer.scale is not None
    scale, zero = scale_and_zero(quantizer.scale.setting, keras.ops.convert_to_numpy(numbers))
    return Rounding(element, (scale * np.float32(element.step)).astype(np.float32), zero.astype(np.int32))
