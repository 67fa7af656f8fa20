"""One generic wrapper that quantises any Keras layer without knowing what it computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.formats.engine import noise
from precision.formats.engine.program import Axis
from precision.quantization.layers.arguments import Arguments
from precision.quantization.layers.axes import contraction_axis, scale_axis
from precision.quantization.layers.channels import count
from precision.quantization.layers.graph import is_float, takes_training, with_mask_of
from precision.quantization.layers.values import computed
from precision.quantization.layers.variables import VARIABLES, variables
from precision.quantization.policy.policy import Policy
from precision.quantization.policy.settings import Setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.base import PLAIN, Backward
from precision.quantization.scales.base import variable as new_variable


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
        channels: by slot, activations and inputs: how many there are to have a scale each.
        hands_on: whether the output is a point of rounding, of activations or of their gradients.
        switchable: whether each quantizer can be switched off.
    """

    def __init__(
        self,
        layer: Any,
        settings: Mapping[str, Any],
        backward: Mapping[str, bool] = asdict(PLAIN),
        *,
        channels: Mapping[str, int],
        hands_on: bool = True,
        switchable: bool = False,
        **options: Any,
    ) -> None:
        # The layer converts what it reads to its own type, after it was rounded.
        super().__init__(layer, **{"name": layer.name, "autocast": False, **options})
        self.settings = dict(Policy.from_json(dict(settings)).slots)
        self.backward, self.channels = Backward(**backward), dict(channels)
        self.supports_masking = layer.supports_masking
        self.hands_on, self.switchable = hands_on, switchable
        self.quantizers: dict[str, Quantizer] = {}
        self._key: Any = None  # of the noise of the accumulators
        self.through: Callable[[Any, Any], Any] | None = None  # instead of the layer's own sums
        self._sites: list[tuple[Any, Axis, str]] = []  # with the axis, and the name of the quantizer

    def build(self, input_shape: Any = None) -> None:
        """Build the layer, and a quantizer for each tensor that it rounds."""
        super().build(input_shape)
        for number, (variable, slot) in enumerate(self._with_slots()):
            setting = self._setting(slot)
            axis = scale_axis(self.layer, variable, setting is not None and setting.per_channel)
            site = slot if slot not in self.quantizers else f"{slot}_{number}"
            blocks = contraction_axis(self.layer, variable)  # of its gradient, whatever its own scales are
            if self._add(site, slot, count(axis, variable.shape), weight=True, gradient_axis=blocks):
                self._sites.append((variable, axis, site))
        if self.hands_on:
            self._add("activations", "activations", self.channels["activations"])
        if "inputs" in self.settings:
            self._add("inputs", "inputs", self.channels["inputs"])
        if "accumulators" in self.settings:
            self._key = new_variable(self, "accumulators_key", (2,), "int32")

    def seed(self, *parts: int) -> None:
        """Start the noise of everything that is rounded stochastically."""
        for number, quantizer in enumerate(self.quantizers.values()):
            quantizer.seed(*parts, number)
        if self._key is not None:
            self._key.assign(noise.key((*parts, len(self.quantizers))))

    def slot_of(self, site: str) -> str:
        """Return the slot of a quantizer."""
        return next(slot for slot in (*VARIABLES, "activations", "inputs") if site.startswith(slot))

    @property
    def rounded_variables(self) -> list[tuple[Any, Axis, str]]:
        """The variables that are rounded, each with the axis of its blocks or channels and its quantizer."""
        return list(self._sites)

    def rounding_of(self, variable: Any) -> tuple[Axis, Quantizer] | None:
        """Return the axis and the quantizer of a variable; None where it is not rounded."""
        found = ((axis, self.quantizers[site]) for each, axis, site in self._sites if each is variable)
        return next((one for one in found if one[1].scale is not None), None)

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

    def in_graph(self, images: Collection[int], positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call the layer as it is called in a graph of layers.

        Args:
            images: ids of the symbolic tensors that are inputs of the network.
            positional, named: the arguments of the call.
        """
        tensors = [t for t in keras.tree.flatten((positional, named)) if keras.backend.is_keras_tensor(t)]
        places = tuple(i for i, tensor in enumerate(tensors) if id(tensor) in images and is_float(tensor))
        training, rest = named.get("training"), {k: v for k, v in named.items() if k != "training"}
        if len(positional) == 1 and not any(map(keras.backend.is_keras_tensor, keras.tree.flatten(rest))):
            return self(positional[0], images=places, training=training, **rest)
        return self(tensors, arguments=Arguments(positional, rest), images=places, training=training)

    def call(
        self,
        inputs: Any,
        arguments: Arguments | None = None,
        images: Collection[int] | None = None,
        training: bool | None = None,
        **named: Any,
    ) -> Any:
        """Compute as the layer does, on rounded values.

        Args:
            inputs: what the layer reads: its only argument, or the tensors to fill ``arguments`` with.
            arguments: of the layer, where tensors stand in several.
            images: which of ``inputs`` are rounded as inputs of the network, counted from 0; None for all.
            training: whether a moving range follows the tensors.
            named: constants among the arguments of the layer.
        """
        layer = self.layer
        replaced = [
            (variable, self.quantizers[site](variable, axis, training))
            for variable, axis, site in self._sites
        ]
        if "inputs" in self.quantizers:
            inputs = self._with_images(inputs, images, training)
        positional, named = ((inputs,), named) if arguments is None else arguments.filled(inputs)
        outputs, losses = computed(layer, replaced, lambda: self._of_layer(positional, named, training))
        for loss in losses:
            self.add_loss(loss)
        if "activations" not in self.quantizers:
            return outputs
        return keras.tree.map_structure(lambda x: self._rounded("activations", x, training), outputs)

    def _of_layer(self, positional: Sequence[Any], named: Mapping[str, Any], training: bool | None) -> Any:
        """Call the layer, or what computes in its place."""
        layer, accumulator = self.layer, self.settings.get("accumulators")
        if isinstance(accumulator, Accumulator):
            from precision.quantization import sums

            return sums.call(layer, positional[0], accumulator, self._key)
        if self.through is not None:
            return self.through(layer, positional[0])
        if takes_training(layer):
            return layer(*positional, training=training, **named)
        return layer(*positional, **named)

    def _with_images(self, inputs: Any, images: Collection[int] | None, training: bool | None) -> Any:
        flat = keras.tree.flatten(inputs)
        chosen = range(len(flat)) if images is None else images
        rounded = [self._rounded("inputs", x, training) if i in chosen else x for i, x in enumerate(flat)]
        return keras.tree.pack_sequence_as(inputs, rounded)

    def _rounded(self, site: str, x: Any, training: bool | None) -> Any:
        """Return a tensor rounded; what is no number stays as it is."""
        if not is_float(x):
            return x
        return with_mask_of(x, self.quantizers[site](x, training=training))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that the layer returns."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(
        self,
        inputs: Any,
        arguments: Arguments | None = None,
        images: Collection[int] | None = None,
        training: bool | None = None,
        **named: Any,
    ) -> Any:
        """Return what the layer returns: rounding changes neither shape nor type."""
        positional, named = ((inputs,), named) if arguments is None else arguments.filled(inputs)
        return self.layer.compute_output_spec(*positional, **named)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask that the layer returns; of a call with several tensors it comes with the result."""
        return self.layer.compute_mask(inputs, previous_mask) if keras.ops.is_tensor(inputs) else None

    def get_config(self) -> dict[str, Any]:
        """Return the wrapped layer, its settings and how it is trained."""
        settings = {slot: setting.to_json() for slot, setting in self.settings.items() if setting}
        return {
            **super().get_config(),
            "settings": settings,
            "backward": asdict(self.backward),
            "channels": self.channels,
            "hands_on": self.hands_on,
            "switchable": self.switchable,
        }


def unwrapped(layer: Any) -> Any:
    """Return the layer itself, whether or not it is wrapped."""
    return layer.layer if isinstance(layer, Quantized) else layer
