"""Learned step sizes: S. Esser et al. 2020, "Learned Step Size Quantization" (arXiv:1902.08153).

With v = x / s, the derivative of y = s * Q(v) by the step s is Q(v) - v inside the range of Q and Q(v) where
x was clipped (equations 2 and 3 there, for any format Q); it is multiplied by g = 1 / sqrt(N * Qmax) for N
values that share the step (section 2.2).

The variable that is trained is s relative to its calibrated value. Under SGD it moves as the paper's step
does; under Adam, which takes no notice of a gradient's size, a step of 0.01 and one of 10 move by the same
share.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np

from precision.formats.engine import backend
from precision.formats.engine.program import Axis
from precision.quantization.layers.channels import others
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import Onward, variable
from precision.quantization.scales.fixed import Fixed
from precision.quantization.scales.kernel import HEAD, ScaledProgram, inside, joined

_LEAST = np.float32(2.0**-10)  # relative step: it stays positive


class Learned(Fixed):
    """The calibrated scales in ``parameters`` times a trained ratio.

    Attributes:
        ratio: the trainable variable, one for each channel, shape (channels,).
    """

    program: ScaledProgram

    def __init__(self, layer: Any, site: str, setting: Setting, **options: Any) -> None:
        super().__init__(layer, site, setting, **options)
        self.ratio = variable(layer, f"{site}_scale", (self.channels,), initializer="ones", trainable=True)

    @classmethod
    def kind_of(cls, setting: Setting) -> tuple[Hashable, ...]:
        """Return what a traced scale is bound to, Qmax among it."""
        return *super().kind_of(setting), setting.number_format.max

    def assign(self, setting: Setting, low: np.ndarray | None = None, high: np.ndarray | None = None) -> None:
        """Change to another setting and calibrated range, from which the training begins anew."""
        super().assign(setting, low, high)
        self.ratio.assign(np.ones(self.channels, np.float32))

    def numbers(self, x: Any, parameters: Any, axis: Axis, training: bool | None = None) -> Any:
        """Return the parameters with the scales as they were learned; see :meth:`Scale.numbers`."""
        return _moved(self.program.size)(parameters, keras.ops.copy(self.ratio))

    def round(self, x: Any, words: Any, axis: Axis, training: bool | None, onward: Onward) -> Any:
        """Return ``x`` rounded, with a gradient by the ratio too; see :meth:`Scale.round`."""
        base, words = self.read(), words if self.stochastic else None

        @keras.ops.custom_gradient
        def rounded(x: Any, ratio: Any) -> Any:
            numbers = _moved(self.program.size)(base, ratio)
            y = self.program.tensor(x, numbers, words, axis)

            def gradient(*received: Any, upstream: Any = None) -> Any:
                upstream = received[0] if upstream is None else upstream
                onto_x = self.gradient(x, upstream, numbers, axis)
                slope = self._slope(x, y, upstream, numbers, axis)
                scale = keras.ops.reshape(base[HEAD + self.program.size :], (3, -1))[1]
                sharing = math.prod(x.shape if self.weight else x.shape[1:]) / self.channels
                damping = 1 / math.sqrt(sharing * max(float(self.setting.number_format.max), 1.0))
                return onward(onto_x), slope * np.float32(damping) / scale

            return y, gradient

        # As a tensor: TensorFlow asks of a function that reads a variable for the gradient by that variable.
        return rounded(x, keras.ops.copy(self.ratio))

    def _slope(self, x: Any, y: Any, upstream: Any, numbers: Any, axis: Axis) -> Any:
        """Return the derivative of a loss by the step of each channel, shape (channels,).

        Args:
            y: ``x`` rounded under ``numbers``.
            upstream: derivative of the loss by ``y``.
        """
        free = inside(self.program, x, keras.ops.ones_like(x), numbers, axis)
        reciprocal = self.program.placed(x, axis).factors(backend.tensors(), numbers)[0]
        slope = upstream * (y - free * x) * reciprocal
        rank = len(x.shape)
        rest = others(axis, rank) if self.program.channels else list(range(rank))
        return keras.ops.reshape(keras.ops.sum(slope, axis=rest), (-1,))


@functools.cache
def _moved(size: int) -> Callable[..., Any]:
    """Return the kernel that multiplies the scales among the numbers of a scaled program.

    Args:
        size: how many numbers the element of the program has.
    """

    def kernel(parameters: Any, ratio: Any) -> Any:
        xp = backend.tensors()
        element = parameters[HEAD : HEAD + size]
        table = xp.reshape(parameters[HEAD + size :], (3, -1))
        scale = table[1] * xp.maximum(ratio, _LEAST)
        return joined(xp, element, np.float32(1) / scale, scale, table[2], element[0], element[1])

    return backend.compiled(kernel, same_shape=False)
