"""One generic wrapper that quantises any Keras layer without knowing what it computes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import keras

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.errors import PrecisionError
from precision.quantization.layers.axes import contraction_axis, scale_axis
from precision.quantization.layers.graph import takes_training
from precision.quantization.layers.variables import VARIABLES, variables
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import PLAIN, Backward


@keras.saving.register_keras_serializable("precision")
class Quantized(keras.layers.Wrapper):
    """A layer that computes with rounded variables and rounds what it reads and returns.

    The wrapped layer's own code reads the rounded values in the place of its variables and knows nothing of
    it, so convolutions, dense layers, normalisations and a user's own layer all work. Training updates the
    unrounded variables, with straight-through gradients.

    Args:
        layer: any Keras layer.
        settings: by slot, as a policy writes them; a slot that is missing is not rounded.
        backward: what training adds, see :class:`Backward`, as a mapping.
        hands_on: whether the output is a point of rounding, of activations or of their gradients.
        switchable: whether each quantizer can be switched off.
    """

    def __init__(
        self,
        layer: Any,
        settings: Mapping[str, Any],
        backward: Mapping[str, bool] = asdict(PLAIN),
        hands_on: bool = True,
        switchable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(layer, **{"name": layer.name, **options})
        self.settings = dict(Policy.from_json(dict(settings)).slots)
        self.backward = Backward(**backward)
        self.hands_on, self.switchable = hands_on, switchable
        self.quantizers: dict[str, Quantizer] = {}
        self._sites: list[tuple[Any, int, str]] = []  # with the axis, and the name of the quantizer

    def build(self, input_shape: Any = None) -> None:
        """Build the layer, and a quantizer for each tensor that it rounds."""
        super().build(input_shape)
        for number, (variable, slot) in enumerate(self._with_slots()):
            setting = self._setting(slot)
            axis = scale_axis(self.layer, variable, setting is not None and setting.per_channel)
            site = slot if slot not in self.quantizers else f"{slot}_{number}"
            blocks = contraction_axis(self.layer, variable)  # of its gradient, whatever its own scales are
            channels = variable.shape[axis] if len(variable.shape) else 1
            if self._add(site, slot, channels, weight=True, gradient_axis=blocks):
                self._sites.append((variable, axis, site))
        if self.hands_on:
            self._add("activations", "activations", self._output_channels(input_shape))
        if "inputs" in self.settings:
            self._add("inputs", "inputs", _channels(input_shape))

    def _output_channels(self, input_shape: Any) -> int:
        """Return the channels of the output, where each of them has a scale."""
        setting = self._setting("activations")
        if setting is None or not setting.per_channel:
            return 1
        try:
            return _channels(self.layer.compute_output_shape(input_shape))
        except NotImplementedError:
            raise PrecisionError(
                f"layer {self.name!r} ({type(self.layer).__name__}) does not tell how many channels it has; "
                "give its class a compute_output_shape, or take one scale per tensor"
            ) from None

    def slot_of(self, site: str) -> str:
        """Return the slot of a quantizer."""
        return next(slot for slot in (*VARIABLES, "activations", "inputs") if site.startswith(slot))

    def variable_of(self, site: str) -> Any:
        """Return the variable that a quantizer rounds."""
        return next(variable for variable, _, name in self._sites if name == site)

    def _with_slots(self) -> list[tuple[Any, str]]:
        """Return the variables of the layer, weights before biases."""
        return sorted(variables(self.layer), key=lambda item: VARIABLES.index(item[1]))

    def _setting(self, slot: str) -> Setting | None:
        setting = self.settings.get(slot)
        return setting if isinstance(setting, Setting) else None

    def _add(
        self, site: str, slot: str, channels: int, *, weight: bool = False, gradient_axis: int | None = None
    ) -> bool:
        setting, gradient = self._setting(slot), None if slot == "inputs" else self._setting("gradients")
        if setting is None and gradient is None:
            return False
        self.quantizers[site] = Quantizer(
            self,
            site,
            setting,
            channels=channels,
            weight=weight,
            backward=self.backward,
            gradient=gradient,
            gradient_axis=gradient_axis,
            switchable=self.switchable,
        )
        return True

    def call(self, inputs: Any, training: bool | None = None, **arguments: Any) -> Any:
        """Compute as the layer does, on rounded values."""
        layer = self.layer
        replaced = [
            (variable, self.quantizers[site](variable, axis, training))
            for variable, axis, site in self._sites
        ]
        if "inputs" in self.quantizers:
            inputs = self._rounded("inputs", inputs, training)
        accumulator = self.settings.get("accumulators")
        given = {id(variable) for variable, _ in replaced}
        with keras.StatelessScope(state_mapping=[*replaced, *_surrounding(layer, given)]) as scope:
            if isinstance(accumulator, Accumulator):
                from precision.quantization import sums

                outputs = sums.call(layer, inputs, accumulator)
            elif takes_training(layer):
                outputs = layer(inputs, training=training, **arguments)
            else:
                outputs = layer(inputs, **arguments)
        for variable in layer.non_trainable_variables:  # for example the statistics of a batch normalisation
            value = scope.get_current_value(variable)
            if value is not None and id(variable) not in given:
                variable.assign(value)
        return (
            self._rounded("activations", outputs, training) if "activations" in self.quantizers else outputs
        )

    def _rounded(self, site: str, tensors: Any, training: bool | None) -> Any:
        return keras.tree.map_structure(lambda x: self.quantizers[site](x, training=training), tensors)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that the layer returns."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, *inputs: Any, **arguments: Any) -> Any:
        """Return what the layer returns: rounding changes neither shape nor type."""
        return self.layer.compute_output_spec(*inputs, **arguments)

    def get_config(self) -> dict[str, Any]:
        """Return the wrapped layer, its settings and how it is trained."""
        settings = {slot: setting.to_json() for slot, setting in self.settings.items() if setting}
        return {
            **super().get_config(),
            "settings": settings,
            "backward": asdict(self.backward),
            "hands_on": self.hands_on,
            "switchable": self.switchable,
        }


def _surrounding(layer: Any, replaced: Collection[int]) -> list[tuple[Any, Any]]:
    """Return the variables of a layer that are not replaced, with their present values.

    A backend without state trains within a scope that holds all values, and which an inner scope hides:
    without this a layer would compute with the values from the time when the model was compiled.
    """
    if keras.backend.backend() == "tensorflow":
        return []
    return [(variable, variable.value) for variable in layer.variables if id(variable) not in replaced]


def unwrapped(layer: Any) -> Any:
    """Return the layer itself, whether or not it is wrapped."""
    return layer.layer if isinstance(layer, Quantized) else layer


def _channels(shape: Any) -> int:
    """Return the last size of a shape; 1 of several tensors, whose channels differ."""
    return shape[-1] if isinstance(shape, tuple | list) and shape and isinstance(shape[-1], int) else 1
