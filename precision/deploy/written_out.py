"""A Keras model as a network that is written out: layers of ``arithmetic.convolutions.step``."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from precision.arithmetic.convolutions.parallel import Parallel
from precision.arithmetic.convolutions.step import (
    Convolve,
    Dense,
    Flatten,
    Layer,
    Network,
    Pool,
    Rectify,
)
from precision.arithmetic.window import Window
from precision.data import as_float
from precision.deploy.predictor import KerasPredictor
from precision.errors import PrecisionError
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import Graph


class WrittenOut(KerasPredictor):
    """A model whose logits are computed by a network that is written out; it counts and stores as the model.

    Attributes:
        written: the network, with copies of the model's variables.
        computes: what computes it.
    """

    def __init__(self, model: Any, computes: Parallel) -> None:
        super().__init__(model)
        self.written, self.computes = written_out(model), computes

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (N, classes), of a batch of images."""
        return self.computes.logits(self.written, np.asarray(as_float(images), np.float32))

    def keep(self) -> None:
        """Give the model the variables of the network."""
        for variable, value in zip(self.model.trainable_variables, self.written.variables, strict=True):
            variable.assign(value)


def written_out(model: Any) -> Network:
    """Return a network with copies of the variables of a Keras model, a chain of layers.

    Raises:
        PrecisionError: for a layer that has no written out form.
    """
    found: list[Layer] = []
    graph, before = Graph(model), model.inputs
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        if [id(tensor) for tensor in graph.inputs(layer)] != [id(tensor) for tensor in before]:
            raise PrecisionError(
                f"layer {address(layer)!r} is not one of a chain, in which every layer reads the one before "
                "it alone; the method written_out trains chains"
            )
        before = graph.outputs(layer)
        found += _layers(layer)
    return Network(found)


def _layers(layer: Any) -> list[Layer]:
    """Return the steps of a layer: the sums, and what follows them."""
    kind = type(layer)
    if kind is layers.Conv2D and layer.use_bias and layer.data_format == "channels_last":
        window = Window(
            tuple(layer.kernel_size), tuple(layer.strides), tuple(layer.dilation_rate), layer.padding,
            layer.groups,
        )  # fmt: skip
        return [Convolve(_copies(layer), window), *_activation(layer, in_place=True)]
    if kind is layers.Dense and layer.use_bias:
        return [Dense(_copies(layer)), *_activation(layer, in_place=True)]
    if kind is layers.MaxPooling2D and layer.padding == "valid" and _squares(layer):
        return [Pool(layer.pool_size[0])]
    if kind is layers.Flatten:
        return [Flatten()]
    if kind is layers.ReLU and not (layer.max_value or layer.negative_slope or layer.threshold):
        return [Rectify()]
    if kind is layers.Activation:
        return _activation(layer, in_place=False)
    raise PrecisionError(
        f"layer {address(layer)!r} is a {kind.__name__} that has no written out form here; there is one for "
        "Conv2D and Dense with a bias, MaxPooling2D of squares side by side, Flatten and ReLU"
    )


def _squares(layer: Any) -> bool:
    """Return whether a pool reads squares side by side."""
    return len({*layer.pool_size, *layer.strides}) == 1


def _activation(layer: Any, in_place: bool) -> list[Layer]:
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name == "linear":
        return []
    if name == "relu":
        return [Rectify(in_place)]
    raise PrecisionError(
        f"layer {address(layer)!r} has the activation {name}, which has no written out form here; relu has"
    )


def _copies(layer: Any) -> list[np.ndarray]:
    return [np.array(variable.numpy(), np.float32) for variable in (layer.kernel, layer.bias)]
