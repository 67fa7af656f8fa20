"""A quantizer: the rounding of one tensor of a layer, with its run-time numbers as variables of the layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats.engine import backend, noise
from precision.formats.engine.program import Axis
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.base import PLAIN, Backward, Onward, Scale, variable
from precision.quantization.scales.choice import kind, scale_class


class Quantizer:
    """Rounds one tensor of a layer, and its gradient on the way back.

    The numbers of the format are non-trainable variables of the layer: to change the format to another one of
    its kind is to assign them, without a new trace. Backward the gradient passes straight through inside the
    range of the format, and stops where the value was clipped (see :class:`Backward`); then it is rounded
    itself if the policy rounds gradients.

    Args:
        site: name of the tensor within the layer, which names the variables.
        setting: None to leave the tensor as it is, for a gradient that is rounded.
        channels: entries along the axis of channels.
        weight: whether it is a variable of the layer.
        gradient: how the gradient is rounded.
        gradient_axis: along which its blocks run; None for the axis that a call names.
        switchable: whether there is a switch, on at first, that leaves the tensor as it is when it is off.
    """

    def __init__(
        self,
        layer: Any,
        site: str,
        setting: Setting | None,
        *,
        channels: int = 1,
        weight: bool = False,
        backward: Backward = PLAIN,
        gradient: Setting | None = None,
        gradient_axis: int | None = None,
        switchable: bool = False,
    ) -> None:
        self._gradient_axis = gradient_axis
        self.enabled: Any = None
        self.scale: Scale | None = None
        self.gradient_scale: Scale | None = None
        if switchable:
            self.enabled = variable(layer, f"{site}_enabled", (), "bool", initializer="ones")
        if setting is not None:
            chosen = scale_class(setting, backward, weight=weight)
            self.scale = chosen(layer, site, setting, channels=channels, backward=backward, weight=weight)
        if gradient is not None:
            self.gradient_scale = scale_class(gradient)(layer, f"{site}_gradient", gradient)
        scales = (self.scale, self.gradient_scale)
        self.stochastic = any(scale is not None and scale.stochastic for scale in scales)
        if self.stochastic:
            self.key = variable(layer, f"{site}_key", (2,), "int32")
            self.step = variable(layer, f"{site}_step", (), "int32")
        self.assign(setting, gradient)

    def assign(
        self,
        setting: Setting | None,
        gradient: Setting | None = None,
        low: np.ndarray | None = None,
        high: np.ndarray | None = None,
    ) -> None:
        """Change the setting to another one of the same kind.

        Args:
            low, high: the range of each channel, shape (channels,), for a scale that takes one.

        Raises:
            PrecisionError: when the setting is of another kind.
        """
        pairs = ((self.scale, setting), (self.gradient_scale, gradient))
        if any((scale is None) != (new is None) for scale, new in pairs):
            raise PrecisionError("what was not rounded stays so in a traced model; apply the policy anew")
        for scale, new in pairs:
            if scale and new and kind(new, scale.backward, weight=scale.weight) != scale.kind:
                raise PrecisionError(
                    f"format {new} is computed in another way than {scale.setting}; "
                    "apply the policy to the model anew"
                )
        if self.scale and setting:
            self.scale.assign(setting, low, high)
        if self.gradient_scale and gradient:
            self.gradient_scale.assign(gradient)

    def seed(self, *parts: int) -> None:
        """Start the noise of stochastic rounding from a key and forget the steps taken."""
        if self.stochastic:
            self.key.assign(noise.key(parts))
            self.step.assign(np.int32(0))

    def numbers(self, x: Any = 0.0, axis: Axis = -1) -> Any:
        """Return the run-time numbers with which a tensor is rounded now, outside of any training.

        Args:
            x: the tensor, from which those of a dynamic scale follow.
            axis: of channels.

        Raises:
            PrecisionError: when nothing is rounded.
        """
        if self.scale is None:
            raise PrecisionError("a quantizer that rounds nothing has no numbers")
        return self.scale.numbers(keras.ops.convert_to_tensor(x), self.scale.read(), axis, False)

    def __call__(self, x: Any, axis: Axis = -1, training: bool | None = None) -> Any:
        """Return ``x`` rounded: float32, same shape.

        Args:
            axis: along which blocks with a shared scale run, or the axis of channels.
            training: whether a moving range follows this tensor.
        """
        x = keras.ops.cast(x, "float32")
        if self.enabled is None:
            return self._rounded(x, axis, training)
        on = keras.ops.logical_and(self.enabled, True)  # a tensor: outside a graph, cond takes no variable
        return keras.ops.cond(on, lambda: self._rounded(x, axis, training), lambda: x)

    def _rounded(self, x: Any, axis: Axis, training: bool | None) -> Any:
        words = gradient_words = None
        if self.stochastic:
            self.step.assign_add(1)
            words = _folded()(*(keras.ops.convert_to_tensor(v) for v in (self.key, self.step)))
            if self.gradient_scale is not None:
                gradient_words = _folded()(words, keras.ops.convert_to_tensor(-1))
        onward = self._onward(axis, gradient_words)
        if self.scale is None:
            return backend.straight_through(lambda t: t + 0, x, backward=lambda _, upstream: onward(upstream))
        return self.scale.round(x, words, axis, training, onward)

    def _onward(self, axis: Axis, words: Any) -> Onward:
        """Return what rounds a gradient before it is handed on."""
        if self.gradient_scale is None:
            return lambda upstream: upstream
        along = axis if self._gradient_axis is None else self._gradient_axis
        return self.gradient_scale.rounder(words, along)


@functools.cache
def _folded() -> Callable[..., Any]:
    """Return what makes the words of a step: compiled, as its many small operations are slow to trace."""

    def kernel(words: Any, counter: Any) -> Any:
        return noise.fold_in(backend.tensors(), words, counter)

    return backend.compiled(kernel, same_shape=False)
