"""Variables and states of an optimizer that lie in their formats between the steps of a training.

After every step of the optimizer each variable becomes Q(variable), and so does each of its states (a
momentum, the moments of Adam). This is the training that QPyTorch simulates (T. Zhang et al. 2019,
arXiv:1910.04540). Rounded to nearest, an update of less than half a step of the format is lost; rounded
stochastically it is kept on average (S. Gupta et al. 2015, "Deep Learning with Limited Numerical Precision",
arXiv:1502.02551).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from precision.formats.engine.program import Axis
from precision.quantization.layers.axes import contraction_axis, scale_axis
from precision.quantization.layers.channels import as_columns, count
from precision.quantization.layers.flat import address
from precision.quantization.layers.variables import VARIABLES, variables
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import Backward
from precision.quantization.scales.kernel import numbers_for, program_of
from precision.quantization.sites import sites
from precision.quantization.wrapper import unwrapped

# The range of a variable is that of the variable at hand.
_MOVING = Backward(follow=True)


@dataclass(frozen=True)
class Place:
    """A variable of a model, and how it and its states are kept.

    Attributes:
        axis: along which the channels of the variable lie, or the values that share a scale in blocks.
        state_axis: the same of its states.
        setting, state: of the variable and of its states; None where they stay float32.
    """

    variable: Any
    axis: Axis
    state_axis: Axis
    setting: Setting | None
    state: Setting | None


def places(source: Any, model: Any, policy: Policy) -> list[Place]:
    """Return the variables of a model with their settings.

    Args:
        source: the unquantised model that the policy is for.
        model: the model of the same layers that is trained, wrapped or not.

    Raises:
        PrecisionError: when the policy does not fit the source.
    """
    found = sites(source, policy)
    return [
        _place(inner, variable, found.get(address(layer), {}).get(slot), found.get(address(layer), {}))
        for layer in model.layers
        for inner in [unwrapped(layer)]
        for variable, slot in variables(inner)
    ]


def _place(layer: Any, variable: Any, setting: Setting | None, settings: dict[str, Any]) -> Place:
    axis = scale_axis(layer, variable, setting is not None and setting.per_channel)
    state = settings.get("optimizer_state")
    return Place(variable, axis, contraction_axis(layer, variable), setting, state)


def without_variables(policy: Policy) -> Policy:
    """Return a policy that leaves weights and biases alone, because they lie in their formats already."""

    def rest(slots: Any) -> Any:
        return {slot: setting for slot, setting in slots.items() if slot not in VARIABLES}

    layers = tuple((pattern, rest(override)) for pattern, override in policy.layers)
    return replace(policy, slots=rest(policy.slots), layers=layers)


def round_variables(found: list[Place]) -> None:
    """Round the variables of a model to nearest, in place."""
    for place in found:
        if place.setting is not None:
            place.variable.assign(nearest(place.setting, place.variable.numpy(), place.axis))


def nearest(setting: Setting, values: np.ndarray, axis: Axis = -1) -> np.ndarray:
    """Return an array rounded to nearest; the range of a scale is that of the array.

    Args:
        axis: along which blocks with a shared scale run, or the axis of channels.
    """
    values, setting = np.asarray(values, np.float32), replace(setting, rounding="nearest")
    program, numbers = program_of(setting)
    if setting.scaled:
        columns = as_columns(values, axis if setting.per_channel and values.ndim > 0 else None)
        numbers = numbers_for(setting, columns.min(0), columns.max(0))
    return np.asarray(program.array(values, numbers, axis=axis))


def keep(optimizer: Any, model: Any, found: list[Place], seed: int, *, master_copy: bool = False) -> Any:
    """Return a copy of an optimizer that rounds what it has changed, after every step.

    The step itself is computed in float32, from the values that are kept: a new momentum moves its variable
    before it is rounded.

    Args:
        optimizer: of Keras, not yet built.
        model: what it will train.
        found: the places of the model, see :func:`places`.
        seed: of stochastic rounding.
        master_copy: leave the variables in float32 and round the states alone.
    """
    kind: Any = type(optimizer)
    keeping = _keeping(kind).from_config(optimizer.get_config())
    keeping.keeper = Keeper(found, seed, master_copy)
    keeping.build(model.trainable_variables)  # not in the graph of the first step, as states have to be read
    return keeping


class Keeper:
    """The quantizers of an optimizer's variables and states.

    Attributes:
        states: the states of the optimizer, each after the variable that it belongs to.
    """

    def __init__(self, found: list[Place], seed: int, master_copy: bool) -> None:
        self._places = {id(place.variable): (number, place) for number, place in enumerate(found)}
        self._seed, self._master_copy = seed, master_copy
        self.states: list[tuple[Any, Any]] = []
        self._sites: list[tuple[Any, Axis, Quantizer]] = []

    def build(self, optimizer: Any, trained: list[Any]) -> None:
        """Make the quantizers, and round the states as they are at first to nearest."""
        for variable, place, part, setting in self._chosen(trained):
            axis = place.axis if part == 0 else place.state_axis
            number = self._places[id(place.variable)][0]
            quantizer = Quantizer(
                _Owner(optimizer),
                f"kept_{number}_{part}",
                setting,
                channels=count(axis, variable.shape),
                weight=part == 0,
                backward=_MOVING,
            )
            quantizer.seed(self._seed, number, part, 0)  # four words: those of a model's own sites are three
            self._sites.append((variable, axis, quantizer))
            if part:
                variable.assign(nearest(setting, variable.numpy(), axis))

    def _chosen(self, trained: list[Any]) -> Iterator[tuple[Any, Place, int, Setting]]:
        """Yield what is rounded: of each variable itself, part 0, and its states, from part 1 on."""
        for variable in trained:
            place = self._places[id(variable)][1]
            if place.setting is not None and not self._master_copy:
                yield variable, place, 0, place.setting
            if place.state is not None:
                own = [state for reference, state in self.states if reference is variable]
                for part, state in enumerate(own, start=1):
                    yield state, place, part, place.state

    def round(self) -> None:
        """Round everything, in a graph too."""
        for variable, axis, quantizer in self._sites:
            variable.assign(quantizer(variable, axis))


@dataclass(frozen=True)
class _Owner:
    """Lets a quantizer keep its numbers among the variables of an optimizer."""

    optimizer: Any

    def add_weight(self, *, shape: Any, dtype: str, name: str, initializer: str, **_: Any) -> Any:
        return self.optimizer.add_variable(shape=shape, dtype=dtype, name=name, initializer=initializer)


class _Keeping:
    """What is added to a class of optimizers."""

    keeper: Keeper
    built: bool

    def build(self, variables: list[Any]) -> None:
        if not self.built:
            super().build(variables)  # type: ignore[misc]
            self.keeper.build(self, variables)

    def add_variable_from_reference(self, reference_variable: Any, *arguments: Any, **options: Any) -> Any:
        state = super().add_variable_from_reference(  # type: ignore[misc]
            reference_variable, *arguments, **options
        )
        self.keeper.states.append((reference_variable, state))
        return state

    def apply(self, *arguments: Any, **options: Any) -> None:
        super().apply(*arguments, **options)  # type: ignore[misc]
        self.keeper.round()


@functools.cache
def _keeping(kind: Any) -> Any:
    return type(f"Keeping{kind.__name__}", (_Keeping, kind), {})
