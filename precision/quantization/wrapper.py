"""One generic wrapper that quantises any Keras layer without knowing what it computes."""

from __future__ import annotations

from typing import Any

import keras

from precision.formats import NumberFormat, parse
from precision.quantization.points import contraction_axis
from precision.quantization.quantizer import Quantizer

# By the names that Keras gives its variables; whatever else is trainable counts as a weight.
BIASES = ("bias", "beta")


def slot_of(variable: Any) -> str | None:
    """Return the slot of a layer's variable, or None for a statistic that stays float32."""
    if not variable.trainable:
        return None
    return "biases" if variable.name.rsplit("/")[-1] in BIASES else "weights"


@keras.saving.register_keras_serializable("precision")
class Quantized(keras.layers.Wrapper):
    """A layer that computes with rounded variables and rounds what it reads and returns.

    The wrapped layer's own code reads the rounded values in the place of its variables and knows nothing of
    it, so convolutions, dense layers, normalisations and a user's own layer all work. Training updates the
    unrounded variables, with straight-through gradients.

    Args:
        layer: any Keras layer.
        formats: format texts for ``weights``, ``biases``, ``activations`` and ``inputs``; a slot that is
            missing is not rounded.
        rounding: ``nearest`` or ``stochastic``.
    """

    def __init__(
        self, layer: Any, formats: dict[str, str], rounding: str = "nearest", **options: Any
    ) -> None:
        super().__init__(layer, **{"name": layer.name, **options})
        self.formats = dict(formats)
        self.rounding = rounding
        self.quantizers: dict[str, Quantizer] = {}

    def build(self, input_shape: Any = None) -> None:
        """Build the layer, and a quantizer for each slot that it has."""
        super().build(input_shape)
        present = {slot_of(v) for v in self.layer.variables} | {"activations", "inputs"}
        for slot, text in self.formats.items():
            if slot in present:
                self.quantizers[slot] = Quantizer(self, slot, parse(text), self.rounding)

    def assign(self, formats: dict[str, NumberFormat]) -> None:
        """Change the format of every slot that this layer rounds."""
        for slot, quantizer in self.quantizers.items():
            quantizer.assign(formats[slot])
        self.formats = {slot: formats[slot].name for slot in self.formats}

    def call(self, inputs: Any, **arguments: Any) -> Any:
        """Compute as the layer does, on rounded values."""
        layer = self.layer
        replaced = [
            (v, q(v, contraction_axis(layer, v)))
            for v in layer.trainable_variables
            if (q := self.quantizers.get(slot_of(v) or ""))
        ]
        if "inputs" in self.quantizers:
            inputs = keras.tree.map_structure(self.quantizers["inputs"], inputs)
        with keras.StatelessScope(state_mapping=replaced) as scope:
            outputs = layer(inputs, **arguments)
        for variable in layer.non_trainable_variables:  # for example the statistics of a batch normalisation
            value = scope.get_current_value(variable)
            if value is not None:
                variable.assign(value)
        if "activations" in self.quantizers:
            outputs = keras.tree.map_structure(self.quantizers["activations"], outputs)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that the layer returns."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, *inputs: Any, **arguments: Any) -> Any:
        """Return what the layer returns: rounding changes neither shape nor type."""
        return self.layer.compute_output_spec(*inputs, **arguments)

    def get_config(self) -> dict[str, Any]:
        """Return the wrapped layer, the formats and the rounding."""
        return {**super().get_config(), "formats": self.formats, "rounding": self.rounding}
