"""Where a layer keeps its channels and what it sums over: axes of its kernel, its bias and its output.

A layer here computes y = K * x + b, where * is a matrix product, a convolution or an einsum. Kernels end with
the inputs and the output channels, but for three kinds: transposed convolutions (height, width, outputs,
inputs); depthwise convolutions (height, width, channels, multiplier), which put the outputs of one input
channel side by side; and einsums, whose equation says it.

Three questions are answered: which axes of a kernel an axis of the output lies along, all of them, which
folding a normalisation needs (:func:`channels`); which axis has a scale for each channel
(:func:`channel_axis`), which for a depthwise kernel is one of those two; and along which axis a block of
values shares a scale (:func:`contraction_axis`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import layers

from precision.formats.engine.program import Axis
from precision.quantization.layers.graph import own_variables, parts

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
# Exactly these: a class derived from one of them may compute something else.
LINEAR = frozenset((*CONVOLUTIONS, *SEPARABLE, *DEPTHWISE, *TRANSPOSED, layers.Dense, layers.EinsumDense))

# By the names that Keras gives its variables: what is added, looked up or multiplied element by element.
UNSUMMED = ("bias", "beta", "gamma", "scale", "alpha", "embeddings")


def equation(layer: Any) -> tuple[str, str, str]:
    """Return the letters of the input, the kernel and the output in the equation of an ``EinsumDense``."""
    read, rest = layer.equation.replace(" ", "").split(",")
    kernel, written = rest.split("->")
    return read, kernel, written


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
    if isinstance(layer, layers.EinsumDense):
        return _of_einsum(layer, axis, rank)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    if axis != (1 if first else rank - 1):
        return None
    if isinstance(layer, TRANSPOSED):
        return Channels((-1, 1))
    return Channels(tuple(layer.kernel.shape[-2:]) if isinstance(layer, DEPTHWISE) else (-1,))


def _of_einsum(layer: Any, axis: int, rank: int) -> Channels | None:
    """Return the place of an output axis by the equation; it may also be an axis of the input."""
    _, kernel, written = equation(layer)
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


def contraction_axis(layer: Any, variable: Any) -> int:
    """Return the axis, counted from the end, of a layer's variable along which values that share a scale lie.

    The hardware of shared scales multiplies two blocks and sums within them, so a block runs along the axis
    that the layer sums over. Of dense kernels (inputs, outputs) and convolution kernels (height, width,
    inputs, outputs) that is the last but one, of transposed convolutions (height, width, outputs, inputs) the
    last, and the equation of an einsum names it. A depthwise kernel (height, width, channels, multiplier)
    sums over its window alone, and a block is a row of the window. Biases, tables of embeddings and all
    else is not summed over keep their rows together.
    """
    owner, rank = _owner(layer, variable), len(variable.shape)
    if rank < 2 or variable.name in UNSUMMED or isinstance(owner, TRANSPOSED):
        return -1
    if isinstance(owner, layers.EinsumDense):
        read, kernel, written = equation(owner)
        summed = [i for i, letter in enumerate(kernel) if letter in read and letter not in written]
        return summed[-1] - len(kernel) if summed else -1
    return -3 if _is_depthwise(owner, variable) and rank > 2 else -2


def channel_axis(layer: Any, variable: Any) -> Axis:
    """Return the axes, counted from the end, of a layer's variable whose entries have a scale each.

    They are those of the output channels: the last one of dense and convolution kernels and of tables of
    embeddings, the last but one of transposed convolutions (height, width, outputs, inputs), both of the last
    two of a depthwise kernel (height, width, channels, multiplier), and of an einsum all axes that its kernel
    shares with its output: of the projections of an attention (inputs, heads, size) the last two. A bias has
    a scale for each of its entries.
    """
    owner, rank = _owner(layer, variable), len(variable.shape)
    if isinstance(owner, layers.EinsumDense):
        if variable.name in UNSUMMED:
            return tuple(range(-rank, 0))
        _, kernel, written = equation(owner)
        return tuple(place - len(kernel) for place, letter in enumerate(kernel) if letter in written)
    if rank < 2:
        return -1
    if _is_depthwise(owner, variable):
        return (-2, -1)
    return -2 if isinstance(owner, TRANSPOSED) else -1


def scale_axis(layer: Any, variable: Any, per_channel: bool) -> Axis:
    """Return the axes of a layer's variable along which its channels lie, or the values of its blocks."""
    return channel_axis(layer, variable) if per_channel else contraction_axis(layer, variable)


def _is_depthwise(owner: Any, variable: Any) -> bool:
    return isinstance(owner, DEPTHWISE) or bool(variable.name == "depthwise_kernel")


def _owner(layer: Any, variable: Any) -> Any:
    """Return the layer that made a variable: ``layer`` or one inside it, for example of an attention."""
    made = [part for part in parts(layer) if any(own is variable for own in own_variables(part))]
    return made[-1] if made else layer  # a layer around another one may hold its variable as well
