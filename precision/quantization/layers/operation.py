"""Operations between layers, such as ``x + y`` or ``keras.ops.relu(x)``, as layers."""

from __future__ import annotations

from typing import Any

import keras

from precision.quantization.layers.arguments import Arguments


class OperationLayer(keras.layers.Layer):
    """A layer that computes one operation of Keras; it has no variables.

    Called with the tensors that the operation reads, it puts them where they stand among its other
    arguments, which are constants.

    Args:
        operation: what is computed.
        arguments: of the call, the tensors taken out.
        name: of the layer.
    """

    def __init__(self, operation: keras.Operation, arguments: Arguments, name: str) -> None:
        super().__init__(name=name, autocast=False)
        self.computes, self.arguments = operation, arguments
        self.supports_masking = True  # a mask is an argument of whoever heeds it, in a graph of operations

    def call(self, *tensors: Any) -> Any:
        """Compute the operation."""
        positional, named = self.arguments.filled(tensors)
        return self.computes.call(*positional, **named)

    def compute_output_spec(self, *tensors: Any) -> Any:
        """Return what the operation says that it returns."""
        positional, named = self.arguments.filled(tensors)
        return self.computes.compute_output_spec(*positional, **named)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return no mask: operations know none."""

    def copied(self) -> OperationLayer:
        """Return a layer of the same name that computes the same."""
        return OperationLayer(self.computes, self.arguments, self.name)


def kind(layer: Any) -> str:
    """Return the class of a layer, of an operation that of the operation itself: ``Conv2D``, ``Add``."""
    return type(layer.computes if isinstance(layer, OperationLayer) else layer).__name__
