"""Where a linear layer keeps its output channels: the axis of its output, and its place in kernel and bias.

A layer here computes y = K * x + b, where * is a matrix product, a convolution or an einsum. A factor for
each channel of y goes into the kernel and the bias, which is what folding a normalisation needs. Which axis
of the kernel that is depends on the layer. Kernels end with the output channels, but for three kinds:
transposed convolutions (height, width, outputs, inputs); depthwise convolutions (height, width, inputs,
multiplier), which put the outputs of one input side by side; and einsums, whose equation says it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# The exact names: a class derived from one of these may compute something else.
CONVOLUTIONS = tuple(f"Conv{rank}D" for rank in (1, 2, 3))
SEPARABLE = tuple(f"SeparableConv{rank}D" for rank in (1, 2))
DEPTHWISE = tuple(f"DepthwiseConv{rank}D" for rank in (1, 2))
TRANSPOSED = tuple(f"Conv{rank}DTranspose" for rank in (1, 2, 3))
LINEAR = frozenset((*CONVOLUTIONS, *SEPARABLE, *DEPTHWISE, *TRANSPOSED, "Dense", "EinsumDense"))


@dataclass(frozen=True)
class Channels:
    """How a vector with one number for each output channel lies in the variables of a layer.

    Attributes:
        kernel: the shape in which the vector multiplies the kernel: -1 is the vector's own length; depthwise
            kernels have the two axes (inputs, multiplier) in its place.
        bias: the shape in which the vector is added to the bias.
        config: the arguments that a layer without such a bias is made with to have one.
    """

    kernel: tuple[int, ...]
    bias: tuple[int, ...] = (-1,)
    config: dict[str, Any] = field(default_factory=lambda: {"use_bias": True})

    def align(self, bias: np.ndarray) -> np.ndarray:
        """Return a bias with as many axes as ``bias`` says: the output's, where it has more than one."""
        return bias.reshape((1,) * (len(self.bias) - bias.ndim) + bias.shape)


def channels(layer: Any, axis: int, rank: int) -> Channels | None:
    """Return how the channels along an axis of a layer's output lie in its variables.

    Args:
        layer: a built layer whose class is one of ``LINEAR``.
        axis: of the output, counted from 0, which is the batch.
        rank: number of axes of the output, the batch included.

    Returns:
        None when the kernel has no axis for that axis of the output, for example for the height of an image.
    """
    name = type(layer).__name__
    if name == "EinsumDense":
        return _of_einsum(layer, axis, rank)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    if axis != (1 if first else rank - 1):
        return None
    if name in TRANSPOSED:
        return Channels((-1, 1))
    return Channels(tuple(layer.kernel.shape[-2:]) if name in DEPTHWISE else (-1,))


def _of_einsum(layer: Any, axis: int, rank: int) -> Channels | None:
    """Return the place of an output axis by the equation; it may also be an axis of the input."""
    _, rest = layer.equation.replace(" ", "").split(",")
    kernel, written = rest.split("->")
    letters = written.replace("...", "")
    place = axis - (rank - len(letters) if written.startswith("...") else 0)
    if axis == 0 or not 0 <= place < len(letters) or kernel.count(letters[place]) != 1:
        return None
    letter = letters[place]
    return Channels(
        tuple(-1 if k == letter else 1 for k in kernel),
        tuple(-1 if a == axis else 1 for a in range(rank)),
        {"bias_axes": "".join(k for k in letters if k == letter or k in (layer.bias_axes or ""))},
    )
