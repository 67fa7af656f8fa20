"""A quantizer: the rounding of one tensor of a layer, with its run-time numbers as variables of the layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats import parse_rounding
from precision.formats.engine import backend, noise
from precision.formats.engine.program import Program
from precision.quantization.policy.settings import Setting
from precision.quantization.scales import learned
from precision.quantization.scales.kernel import (
    ScaledProgram,
    constants,
    inside,
    numbers_for,
    program_of,
    range_of,
)

MOMENTUM = np.float32(0.99)  # of a range that follows the batches while a network is trained


@dataclass(frozen=True)
class Backward:
    """What training adds to a quantizer.

    Attributes:
        clip: whether a gradient stops where its value was clipped, instead of passing straight through.
        learn: whether calibrated real scales are trained (LSQ).
        follow: whether ranges move with what they are the ranges of: those of weights under ``minmax``, and
            under ``moving_average`` those of activations.
    """

    clip: bool = True
    learn: bool = False
    follow: bool = False


PLAIN = Backward()


def source(setting: Setting, backward: Backward, *, weight: bool) -> str:
    """Return where the numbers of a setting come from while the network runs.

    ``fixed``: set once. ``dynamic``: from the tensor at hand. ``average``: from a moving average of the
    batches' ranges. ``learned``: trained.
    """
    scaling = setting.scaling
    if not setting.scaled:
        return "fixed"
    if scaling.dynamic:
        return "dynamic"
    if backward.learn and scaling.kind == "real" and not scaling.zero_point:
        return "learned"
    if backward.follow and scaling.dynamic is None and weight and scaling.observer == "minmax":
        return "dynamic"
    if backward.follow and not weight and scaling.observer == "moving_average":
        return "average"
    return "fixed"


def kind(setting: Setting, backward: Backward = PLAIN, *, weight: bool = False) -> tuple[Program, int, str]:
    """Return what two settings must share so that a quantizer can change from one to the other."""
    program, numbers = program_of(setting)
    return program, len(numbers), source(setting, backward, weight=weight)


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
        self.setting, self.gradient, self.backward, self._weight = setting, gradient, backward, weight
        self._gradient_axis = gradient_axis
        self.channels = channels if setting is not None and setting.per_channel else 1
        self.stochastic = any(
            s is not None and parse_rounding(s.rounding).stochastic for s in (setting, gradient)
        )

        # float32 by name, whatever dtype policy the layer has: the numbers are exact.
        def variable(name: str, shape: tuple[int, ...], dtype: str = "float32", **options: Any) -> Any:
            options = {"trainable": False, "initializer": "zeros", "autocast": False, **options}
            return layer.add_weight(shape=shape, dtype=dtype, name=f"{site}_{name}", **options)

        self.enabled = variable("enabled", (), "bool", initializer="ones") if switchable else None
        if setting is not None:
            self.kind = kind(setting, backward, weight=weight)
            self._program, size, self.source = self.kind
            if self.source in ("fixed", "learned"):
                wide = isinstance(self._program, ScaledProgram)
                self.parameters = variable("format", (2 + size + 3 * self.channels if wide else size,))
            else:
                self.parameters = variable("format", (3 + size,))
            if self.source == "average":
                self.low, self.high = (variable(end, (self.channels,)) for end in ("low", "high"))
            if self.source == "learned":
                self.ratio = variable("scale", (self.channels,), initializer="ones", trainable=True)
        if gradient is not None:
            self._gradient_kind = kind(gradient)
            self.gradient_parameters = variable("gradient_format", (len(_constants(gradient)),))
        if self.stochastic:
            self.key = variable("key", (2,), "int32")
            self.step = variable("step", (), "int32")
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
            low, high: the range of each channel, shape (channels,), for a scale that is not dynamic; -1 to 1
                without.

        Raises:
            PrecisionError: when the setting is of another kind.
        """
        if (setting is None) != (self.setting is None) or (gradient is None) != (self.gradient is None):
            raise PrecisionError("what was not rounded stays so in a traced model; apply the policy anew")
        if setting is not None:
            if kind(setting, self.backward, weight=self._weight) != self.kind:
                raise PrecisionError(
                    f"format {setting} is computed in another way than {self.setting}; "
                    "apply the policy to the model anew"
                )
            low = np.full(self.channels, -1, np.float32) if low is None else low
            high = np.full(self.channels, 1, np.float32) if high is None else high
            if self.source in ("dynamic", "average"):
                self.parameters.assign(constants(setting))
            elif setting.scaled:
                self.parameters.assign(numbers_for(setting, low, high))
            else:
                self.parameters.assign(program_of(setting)[1])
            if self.source == "average":
                self.low.assign(low)
                self.high.assign(high)
            if self.source == "learned":
                self.ratio.assign(np.ones(self.channels, np.float32))
        if gradient is not None:
            self.gradient_parameters.assign(_constants(gradient))
        self.setting, self.gradient = setting, gradient

    def seed(self, *parts: int) -> None:
        """Start the noise of stochastic rounding from a key and forget the steps taken."""
        if self.stochastic:
            self.key.assign(noise.key(parts))
            self.step.assign(np.int32(0))

    def __call__(self, x: Any, axis: int = -1, training: bool | None = None) -> Any:
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

    def _rounded(self, x: Any, axis: int, training: bool | None) -> Any:
        words = gradient_words = None
        if self.stochastic:
            self.step.assign_add(1)
            words = _folded()(*(keras.ops.convert_to_tensor(v) for v in (self.key, self.step)))
            if self.gradient is not None:
                gradient_words = _folded()(words, keras.ops.convert_to_tensor(-1))
        if self.setting is None:
            return backend.straight_through(lambda t: t + 0, x, backward=self._onward(axis, gradient_words))
        words = words if parse_rounding(self.setting.rounding).stochastic else None
        onward = self._onward(axis, gradient_words)
        parameters = self._numbers(x, axis, training)
        if self.source == "learned":
            return learned.quantize(self, x, parameters, words, axis, onward)

        def backward(x: Any, upstream: Any) -> Any:
            if self.backward.clip and self.source != "dynamic":
                upstream = inside(self._program, x, upstream, parameters, axis)
            return onward(x, upstream)

        return backend.straight_through(self._program.tensor, x, parameters, words, axis, backward=backward)

    def _numbers(self, x: Any, axis: int, training: bool | None) -> Any:
        parameters = self._read(self.parameters)
        if self.setting is None or self.source in ("fixed", "learned"):
            return parameters
        numbers = _in_graph(range_of(self.setting))
        if self.source == "dynamic":
            return numbers(*_extremes(x, axis, self.channels), parameters)
        if training:
            started = keras.ops.any(keras.ops.not_equal(self.low, self.high))
            moving = MOMENTUM * keras.ops.cast(started, "float32")  # the first batch is taken as it is
            ends = _extremes(x, axis, self.channels)
            for variable, now in zip((self.low, self.high), ends, strict=True):
                variable.assign(now + (variable - now) * moving)
        low, high = (keras.ops.convert_to_tensor(v) for v in (self.low, self.high))
        return numbers(low, high, parameters)

    def _onward(self, axis: int, words: Any) -> Callable[[Any, Any], Any]:
        """Return what rounds a gradient before it is handed on."""
        if self.gradient is None:
            return lambda x, upstream: upstream
        gradient, (program, _, source) = self.gradient, self._gradient_kind
        axis = axis if self._gradient_axis is None else self._gradient_axis
        stochastic = parse_rounding(gradient.rounding).stochastic
        numbers = self._read(self.gradient_parameters)

        def onward(x: Any, upstream: Any) -> Any:
            parameters = numbers
            if source == "dynamic":
                parameters = _in_graph(range_of(gradient))(*_extremes(upstream, axis, 1), numbers)
            return program.tensor(upstream, parameters, words if stochastic else None, axis)

        return onward

    def _read(self, variable: Any) -> Any:
        """Return the value of a variable for the way back too: the gradient of a branch cannot read it."""
        return keras.ops.convert_to_tensor(variable) if self.enabled is None else keras.ops.copy(variable)


def _constants(setting: Setting) -> np.ndarray:
    return constants(setting) if setting.scaled else program_of(setting)[1]


def _extremes(x: Any, axis: int, channels: int) -> tuple[Any, Any]:
    """Return the least and the largest value of each channel, shape (channels,)."""
    x = keras.ops.stop_gradient(x)
    others = [i for i in range(len(x.shape)) if channels == 1 or i != axis % len(x.shape)]
    low, high = keras.ops.min(x, axis=others), keras.ops.max(x, axis=others)
    return keras.ops.reshape(low, (channels,)), keras.ops.reshape(high, (channels,))


@functools.cache
def _folded() -> Callable[..., Any]:
    """Return what makes the words of a step: compiled, as its many small operations are slow to trace."""

    def kernel(words: Any, counter: Any) -> Any:
        return noise.fold_in(backend.tensors(), words, counter)

    return backend.compiled(kernel, same_shape=False)


@functools.cache
def _in_graph(rule: Any) -> Callable[..., Any]:
    def kernel(low: Any, high: Any, parameters: Any) -> Any:
        return rule(backend.tensors(), low, high, parameters)

    return backend.compiled(kernel, same_shape=False)
