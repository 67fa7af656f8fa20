"""A scale that is set once: for a range that was chosen beforehand, or none beside an unscaled format."""

from __future__ import annotations

from typing import Any

import numpy as np

from precision.formats.engine.program import Axis
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import Scale
from precision.quantization.scales.kernel import numbers_for, program_of


class Fixed(Scale):
    """The numbers of the program lie in ``parameters``, for the range -1 to 1 where none is given."""

    def _stored(self, setting: Setting, low: np.ndarray | None, high: np.ndarray | None) -> np.ndarray:
        if not setting.scaled:
            return program_of(setting)[1]
        low = np.full(self.channels, -1, np.float32) if low is None else low
        high = np.full(self.channels, 1, np.float32) if high is None else high
        return numbers_for(setting, low, high)

    def numbers(self, x: Any, parameters: Any, axis: Axis, training: bool | None = None) -> Any:
        """Return the parameters themselves; see :meth:`Scale.numbers`."""
        return parameters
