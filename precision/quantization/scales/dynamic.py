"""A scale that follows from the tensor at hand."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import keras
import numpy as np

from precision.formats.engine.program import Axis
from precision.quantization.layers.channels import others
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import Scale
from precision.quantization.scales.kernel import compiled_range, constants, range_of


class Dynamic(Scale):
    """The range is that of the tensor, so nothing is clipped and every gradient passes.

    The tensor's own largest value may lie a rounding error beyond the range.
    """

    needs_range = False

    @classmethod
    def kind_of(cls, setting: Setting) -> tuple[Hashable, ...]:
        """Return what a traced scale is bound to, the rule from a range to numbers among it."""
        return *super().kind_of(setting), range_of(setting)

    def _stored(self, setting: Setting, low: np.ndarray | None, high: np.ndarray | None) -> np.ndarray:
        return constants(setting)

    def numbers(self, x: Any, parameters: Any, axis: Axis, training: bool | None = None) -> Any:
        """Return the numbers for the range of each channel; see :meth:`Scale.numbers`."""
        return compiled_range(range_of(self.setting))(*self._ends(x, axis, training), parameters)

    def _ends(self, x: Any, axis: Axis, training: bool | None) -> tuple[Any, Any]:
        """Return the least and the largest value of each channel, shape (channels,)."""
        x = keras.ops.stop_gradient(x)
        rank = len(x.shape)
        rest = list(range(rank)) if self.channels == 1 else others(axis, rank)
        low, high = keras.ops.min(x, axis=rest), keras.ops.max(x, axis=rest)
        return keras.ops.reshape(low, (self.channels,)), keras.ops.reshape(high, (self.channels,))

    def gradient(self, x: Any, upstream: Any, numbers: Any, axis: Axis) -> Any:
        """Return the gradient as it came."""
        return upstream
