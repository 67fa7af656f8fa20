"""A scale for the moving average of the ranges of a training's batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from precision.formats.engine.program import Axis
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import Scale, variable
from precision.quantization.scales.dynamic import Dynamic

MOMENTUM = np.float32(0.99)


class Moving(Dynamic):
    """The range goes on from a calibrated one, or else begins with the first batch of a training.

    Attributes:
        low, high: variables with the ends of the range of each channel, shape (channels,).
    """

    def __init__(self, layer: Any, site: str, setting: Setting, **options: Any) -> None:
        super().__init__(layer, site, setting, **options)
        self.low, self.high = (variable(layer, f"{site}_{end}", (self.channels,)) for end in ("low", "high"))

    def assign(self, setting: Setting, low: np.ndarray | None = None, high: np.ndarray | None = None) -> None:
        """Change to another setting and range; without one the next batch of a training sets it."""
        super().assign(setting)
        for end, value in ((self.low, low), (self.high, high)):
            end.assign(np.zeros(self.channels, np.float32) if value is None else value)

    def _ends(self, x: Any, axis: Axis, training: bool | None) -> tuple[Any, Any]:
        if training:
            started = keras.ops.any(keras.ops.not_equal(self.low, self.high))
            momentum = MOMENTUM * keras.ops.cast(started, "float32")  # the first batch is taken as it is
            for end, now in zip((self.low, self.high), super()._ends(x, axis, training), strict=True):
                end.assign(now + (end - now) * momentum)
        return keras.ops.convert_to_tensor(self.low), keras.ops.convert_to_tensor(self.high)

    gradient = Scale.gradient  # a batch may well lie beyond the average
