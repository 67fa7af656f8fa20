"""The range that a scale is for, as the observer of a setting chooses it from what was seen of a tensor."""

from __future__ import annotations

import numpy as np

from precision.formats.engine.program import Axis
from precision.quantization.calibration.observers import Statistics, choose_range, statistics_of
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.kernel import rounded


def chosen_range(setting: Setting, seen: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Return the range (low, high) of each channel, float32 (C,) each, for a scaled setting.

    Raises:
        PrecisionError: as :func:`precision.quantization.calibration.observers.choose_range`.
    """
    scaling = setting.scaling
    return choose_range(
        seen,
        scaling.observer,
        percentile=scaling.percentile,
        symmetric=not scaling.zero_point,
        rounds=lambda points, low, high: rounded(setting, points, low, high),
    )


def weight_range(
    setting: Setting, values: np.ndarray, axis: Axis, location: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the range (low, high), float32 (C,) each, of a variable under a scaled setting.

    Args:
        values: of the variable, of any shape, read as float32.
        axis: of its channels; a setting with one scale per tensor does not ask (C = 1).
        location: what the message of an error begins with.

    Raises:
        PrecisionError: when a value is not finite, or there is none.
    """
    channels = setting.per_channel and len(values.shape) > 0  # a single number is a channel of its own
    return chosen_range(setting, statistics_of(values, axis if channels else None, location=location))
