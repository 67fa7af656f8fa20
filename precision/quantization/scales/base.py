"""The protocol of a scale: the numbers with which a tensor is rounded, and what becomes of its gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from precision.formats import parse_rounding
from precision.formats.engine import backend
from precision.formats.engine.program import Axis, Program
from precision.quantization.policy.settings import Setting
from precision.quantization.scales.kernel import inside, program_of

Onward = Callable[[Any], Any]  # what is done with a gradient before it is handed on


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


def variable(layer: Any, name: str, shape: tuple[int, ...], dtype: str = "float32", **options: Any) -> Any:
    """Return a new variable of a layer: of this type whatever dtype policy it has, zero, and not trained."""
    options = {"initializer": "zeros", "trainable": False, "autocast": False, **options}
    return layer.add_weight(shape=shape, dtype=dtype, name=name, **options)


class Scale(ABC):
    """Rounds a tensor with run-time numbers that follow from variables of a layer.

    Attributes:
        needs_range: whether :meth:`assign` of a scaled setting has to be given the range.
        kind: what another setting must share with this one, see :meth:`kind_of`.
        parameters: the variable with the numbers of the format.

    Args:
        layer: the layer that the variables belong to.
        site: what their names begin with.
        setting: how the tensor is rounded.
        channels: entries along the axis of channels.
        backward: what training adds.
        weight: whether the tensor is a variable of the layer.
    """

    needs_range: ClassVar[bool] = True

    def __init__(
        self,
        layer: Any,
        site: str,
        setting: Setting,
        *,
        channels: int = 1,
        backward: Backward = PLAIN,
        weight: bool = False,
    ) -> None:
        self.setting, self.backward, self.weight = setting, backward, weight
        self.channels = channels if setting.per_channel else 1
        self.program: Program = program_of(setting)[0]
        self.kind = self.kind_of(setting)
        self.parameters = variable(layer, f"{site}_format", self._stored(setting, None, None).shape)

    @classmethod
    def kind_of(cls, setting: Setting) -> tuple[Hashable, ...]:
        """Return what two settings must share so that a traced scale can change from one to the other."""
        program, numbers = program_of(setting)
        return cls, program, len(numbers)

    @property
    def stochastic(self) -> bool:
        """Whether the rounding draws noise."""
        return parse_rounding(self.setting.rounding).stochastic

    def assign(self, setting: Setting, low: np.ndarray | None = None, high: np.ndarray | None = None) -> None:
        """Change to another setting of the same kind.

        Args:
            low, high: the range of each channel, shape (channels,).
        """
        self.parameters.assign(self._stored(setting, low, high))
        self.setting = setting

    @abstractmethod
    def _stored(self, setting: Setting, low: np.ndarray | None, high: np.ndarray | None) -> np.ndarray:
        """Return what ``parameters`` holds under a setting."""

    def read(self) -> Any:
        """Return the value of ``parameters``; the gradient of a branch cannot read the variable itself."""
        return keras.ops.copy(self.parameters)

    @abstractmethod
    def numbers(self, x: Any, parameters: Any, axis: Axis, training: bool | None = None) -> Any:
        """Return the run-time numbers of the program for a tensor.

        Args:
            parameters: what :meth:`read` returned.
            axis: along which blocks with a shared scale run, or the axis of channels.
            training: whether a moving range follows this tensor.
        """

    def gradient(self, x: Any, upstream: Any, numbers: Any, axis: Axis) -> Any:
        """Return the gradient by ``x`` of what was rounded with ``numbers``, from that by the result."""
        return inside(self.program, x, upstream, numbers, axis) if self.backward.clip else upstream

    def round(self, x: Any, words: Any, axis: Axis, training: bool | None, onward: Onward) -> Any:
        """Return ``x`` rounded, float32 of the same shape.

        Args:
            words: key of the noise, which only stochastic rounding needs.
            axis, training: as of :meth:`numbers`.
            onward: what is done with the gradient of ``x`` before it is handed on.
        """
        numbers = self.numbers(x, self.read(), axis, training)

        def backward(x: Any, upstream: Any) -> Any:
            return onward(self.gradient(x, upstream, numbers, axis))

        words = words if self.stochastic else None
        return backend.straight_through(self.program.tensor, x, numbers, words, axis, backward=backward)

    def rounder(self, words: Any, axis: Axis) -> Onward:
        """Return what rounds a gradient that comes later, with the parameters as they are now."""
        parameters, words = self.read(), words if self.stochastic else None
        return lambda x: self.program.tensor(x, self.numbers(x, parameters, axis), words, axis)
