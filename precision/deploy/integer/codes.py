"""The codes and scales of a quantised model, read from its quantizers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from precision.arithmetic.integer.operations import Round, RoundEach
from precision.arithmetic.integer.values import Grid
from precision.errors import PrecisionError
from precision.quantization.layers.channels import shape_along
from precision.quantization.policy.integers import check_activations, check_weights, codes_of
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.dynamic import Dynamic
from precision.quantization.scales.kernel import numbers_for, scale_and_zero
from precision.quantization.scales.moving import Moving


def rounding(quantizer: Quantizer, what: str) -> Round | RoundEach:
    """Return the rounding of activations that a quantizer stands for.

    Raises:
        PrecisionError: when it does not round to integers of at most 8 bits with one scale.
    """
    scale = quantizer.scale
    if scale is None:
        raise PrecisionError(f"{what} are not rounded")
    setting = scale.setting
    check_activations(setting, what)
    lowest, highest, step = codes_of(setting, what)
    if of_each_image(quantizer):
        each = replace(setting, scaling=replace(setting.scaling, per="channel"))

        def scales(low: np.ndarray, high: np.ndarray) -> np.ndarray:
            return scale_and_zero(each, numbers_for(each, low, high))[0] * np.float32(step)

        return RoundEach(scales, lowest, highest)
    if not setting.scaled:
        return Round(Grid(step, 0, lowest, highest))
    found, zero = scale_and_zero(setting, keras.ops.convert_to_numpy(quantizer.numbers()))
    return Round(Grid(float(found[0]) * step, int(zero[0]), lowest, highest))


def of_each_image(quantizer: Quantizer) -> bool:
    """Return whether the scale of a quantizer follows from what it rounds."""
    return isinstance(quantizer.scale, Dynamic) and not isinstance(quantizer.scale, Moving)


def weight_codes(quantizer: Quantizer, variable: Any, axis: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of a variable, int32 of its shape, and their scales, float64 of one or each channel.

    Raises:
        PrecisionError: when it is not rounded to integers of at most 8 bits, or has a zero point.
    """
    assert quantizer.scale is not None  # asked before
    setting = quantizer.scale.setting
    check_weights(setting, what)
    _, _, step = codes_of(setting, what)
    rounded = np.asarray(keras.ops.convert_to_numpy(quantizer(variable, axis, False)), np.float64)
    if not setting.scaled:
        return np.rint(rounded / step).astype(np.int32), np.array([step])
    numbers = keras.ops.convert_to_numpy(quantizer.numbers(variable, axis))
    scale = scale_and_zero(setting, numbers)[0].astype(np.float64) * step
    along = scale.reshape(shape_along(axis, rounded.shape)) if scale.size > 1 else scale
    return np.rint(rounded / along).astype(np.int32), scale


def same_codes(one: Quantizer | None, other: Quantizer | None) -> bool:
    """Return whether two quantizers are one, or have the same fixed codes."""
    if one is other:
        return True
    settings = [q.scale.setting for q in (one, other) if q is not None and q.scale is not None]
    return len(settings) == 2 and settings[0] == settings[1] and not settings[0].scaled
