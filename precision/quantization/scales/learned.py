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
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.formats.engine import backend
from precision.quantization.scales.kernel import HEAD, Range, ScaledProgram, inside, range_of

_LEAST = np.float32(2.0**-10)  # relative step: it stays positive


def quantize(
    quantizer: Any, x: Any, base: Any, words: Any, axis: int, onward: Callable[[Any, Any], Any]
) -> Any:
    """Return ``x`` rounded under the calibrated scales times the trained ratio of a quantizer.

    Args:
        base: numbers of the scaled program with the calibrated scales.
        onward: what is done with the gradient of ``x`` before it is handed on.
    """
    program: ScaledProgram = quantizer.kind[0]
    rule = range_of(quantizer.setting)
    weight = quantizer._weight

    @keras.ops.custom_gradient
    def rounded(x: Any, ratio: Any) -> Any:
        numbers = _moved(rule)(base, ratio)
        y = program.tensor(x, numbers, words, axis)

        def gradient(*received: Any, upstream: Any = None) -> Any:
            upstream = received[0] if upstream is None else upstream
            onto_x = inside(program, x, upstream, numbers, axis) if quantizer.backward.clip else upstream
            slope = step_gradient(program, x, y, upstream, numbers, axis)
            scale = _scales(program, base)
            sharing = math.prod(x.shape if weight else x.shape[1:]) / quantizer.channels
            damping = 1 / math.sqrt(sharing * max(float(quantizer.setting.number_format.max), 1.0))
            return onward(x, onto_x), slope * np.float32(damping) / scale

        return y, gradient

    # As a tensor: TensorFlow asks of a function that reads a variable for the gradient by that variable.
    return rounded(x, keras.ops.copy(quantizer.ratio))


def step_gradient(program: ScaledProgram, x: Any, y: Any, upstream: Any, numbers: Any, axis: int) -> Any:
    """Return the derivative of a loss by the step of each channel, shape (channels,).

    Args:
        y: ``x`` rounded under ``numbers``.
        upstream: derivative of the loss by ``y``.
    """
    ones = keras.ops.ones_like(x)
    free = inside(program, x, ones, numbers, axis)
    reciprocal = program._placed(x, axis).factors(backend.tensors(), numbers)[0]
    slope = upstream * (y - free * x) * reciprocal
    others = [i for i in range(len(x.shape)) if not program.channels or i != axis % len(x.shape)]
    return keras.ops.reshape(keras.ops.sum(slope, axis=others), (-1,))


def _scales(program: ScaledProgram, numbers: Any) -> Any:
    return keras.ops.reshape(numbers[HEAD + program.size :], (3, -1))[1]


@functools.cache
def _moved(rule: Range) -> Callable[..., Any]:
    """Return the kernel that multiplies the scales among the numbers of a scaled program."""

    def kernel(parameters: Any, ratio: Any) -> Any:
        xp = backend.tensors()
        element = parameters[HEAD : HEAD + rule.size]
        table = xp.reshape(parameters[HEAD + rule.size :], (3, -1))
        scale = table[1] * xp.maximum(ratio, _LEAST)
        return rule.numbers(xp, element, np.float32(1) / scale, scale, table[2], element[0], element[1])

    return backend.compiled(kernel, same_shape=False)
