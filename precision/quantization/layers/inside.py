"""What a layer computes inside itself, where no policy reaches: its variables are rounded, not its steps."""

from __future__ import annotations

from typing import Any

from keras import layers

from precision.quantization.layers.axes import SEPARABLE
from precision.quantization.layers.graph import is_functional, parts
from precision.quantization.layers.operation import OperationLayer, kind

_PARTS_OF_ONE = (layers.TimeDistributed,)  # which hands what it reads to one layer, and on what that returns
_FUNCTION = "what its function computes on the way"
_OPERATIONS = {
    "DotProductAttention": "its scores and their softmax",
    "SeparableConv": "what its depthwise convolution hands to the pointwise one",
    **dict.fromkeys(("Map", "VectorizedMap", "Scan", "AssociativeScan", "Switch", "Cond"), _FUNCTION),
    **dict.fromkeys(("WhileLoop", "ForiLoop"), _FUNCTION),
}
_ATTENTION = (
    layers.MultiHeadAttention,
    layers.GroupQueryAttention,
    layers.Attention,
    layers.AdditiveAttention,
)


def inside(layer: Any) -> str:
    """Return what is not rounded inside a layer; empty where a layer is one step, or built of such alone."""
    if isinstance(layer, OperationLayer):
        return _OPERATIONS.get(kind(layer), "")
    if isinstance(layer, layers.RNN | layers.Bidirectional | layers.ConvLSTM2D):
        return "the sums, gates and states of its steps"
    if isinstance(layer, _ATTENTION):
        return "its projections, scores and their sums"
    if isinstance(layer, SEPARABLE):
        return "what its depthwise convolution hands to the pointwise one"
    if isinstance(layer, layers.Lambda):
        return _FUNCTION
    if isinstance(layer, layers.TimeDistributed):
        return inside(layer.layer)
    within = [part for part in parts(layer)[1:] if not (is_functional(part) or kind(part) == "InputLayer")]
    if within:
        names = ", ".join(part.name for part in within[:3]) + (", ..." if len(within) > 3 else "")
        return f"what passes between its layers ({names})"
    if not type(layer).__module__.startswith("keras."):
        return "what its call() computes on the way"
    return ""
