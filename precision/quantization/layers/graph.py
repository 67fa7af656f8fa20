"""What is known of Keras beyond its public names; no other module names a private one.

Keras does not say publicly which layers of a model read from which, what lies inside a layer, or which
variables a layer made itself. When a release renames any of it, this module alone changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras


def is_functional(model: Any) -> bool:
    """Return whether a model is a graph of layers: functional or sequential, without a call of its own."""
    from keras.src.models.functional import Functional

    own: Any = getattr(type(model), "call", None)
    if isinstance(model, keras.Sequential):
        return own is keras.Sequential.call
    return isinstance(model, keras.Model) and isinstance(model, keras.Function) and own is Functional.call


def ends(model: Any) -> tuple[Any, Any]:
    """Return the symbolic inputs and outputs of a functional or sequential model, in their structures."""
    function = model._functional if isinstance(model, keras.Sequential) else model
    return function._inputs_struct, function._outputs_struct


def returned_inputs(model: Any) -> list[keras.KerasTensor]:
    """Return the symbolic inputs of a model that are outputs of it as well, with no layer between."""
    outputs = {id(tensor) for tensor in model.outputs}
    return [tensor for tensor in model.inputs if id(tensor) in outputs]


def take(layer: Any, weights: list[Any]) -> None:
    """Set the weights of a layer or model; what it derives from them when they are learned follows."""
    layer.set_weights(weights)
    for part in layer._flatten_layers():
        if hasattr(part, "finalize_state"):  # Normalization and others that are adapted
            part.finalize_state()


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of an operation such as ``+``, on symbolic tensors.

    Attributes:
        layer: what is called.
        inputs: the symbolic tensors among its arguments, in their order.
        outputs: the symbolic tensors that it returns.
        arguments: what it is called with by position.
        options: what it is called with by name.
    """

    layer: Any
    inputs: list[keras.KerasTensor]
    outputs: list[keras.KerasTensor]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def producer(tensor: keras.KerasTensor) -> Call:
    """Return the call that returned a symbolic tensor; of an input of a model it is that of an InputLayer."""
    history = tensor._keras_history
    return _call(history.operation._inbound_nodes[history.node_index])


class Graph:
    """The calls of one model; what other models do with its layers is not among them.

    Args:
        model: a functional or sequential model. A sequential one that is not built has no calls.
    """

    def __init__(self, model: Any) -> None:
        self._nodes = {id(node) for node in _nodes(model)}
        outputs = model.outputs if self._nodes else ()
        self._results = {id(producer(tensor).layer) for tensor in outputs}

    def __bool__(self) -> bool:
        """Whether there are any calls."""
        return bool(self._nodes)

    def calls(self, layer: Any) -> list[Call]:
        """Return the calls of a layer, in the order in which they were made."""
        return [_call(node) for node in layer._inbound_nodes if id(node) in self._nodes]

    def inputs(self, layer: Any) -> list[keras.KerasTensor]:
        """Return the tensors that a layer reads, call by call."""
        return [tensor for call in self.calls(layer) for tensor in call.inputs]

    def outputs(self, layer: Any) -> list[keras.KerasTensor]:
        """Return the tensors that a layer returns, call by call."""
        return [tensor for call in self.calls(layer) for tensor in call.outputs]

    def producers(self, layer: Any) -> list[Any]:
        """Return the layers that a layer reads from, each once."""
        return distinct(producer(tensor).layer for tensor in self.inputs(layer))

    def consumers(self, layer: Any) -> list[Any]:
        """Return the layers that read what a layer returns, each once, in the order of their calls."""
        return distinct(node.operation for node in layer._outbound_nodes if id(node) in self._nodes)

    def returns(self, layer: Any) -> bool:
        """Return whether the model returns what a layer returns, whoever else reads it."""
        return id(layer) in self._results

    def images(self, layer: Any) -> list[keras.KerasTensor]:
        """Return the tensors among those that a layer reads that are inputs of the model, of numbers."""
        return [tensor for tensor in self.inputs(layer) if is_image(tensor)]

    def reads_images(self, layer: Any) -> bool:
        """Return whether a layer reads an input of the model, of numbers."""
        return bool(self.images(layer))


def is_image(tensor: keras.KerasTensor) -> bool:
    """Return whether a symbolic tensor is an input of a model, of floating-point numbers."""
    return isinstance(producer(tensor).layer, keras.layers.InputLayer) and is_float(tensor)


def is_float(tensor: Any) -> bool:
    """Return whether a tensor, symbolic or not, is of floating-point numbers; indices and masks are not."""
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _nodes(model: Any) -> list[Any]:
    function = model._functional if isinstance(model, keras.Sequential) else model
    levels = function._nodes_by_depth if isinstance(function, keras.Function) else {}
    return [node for depth in sorted(levels, reverse=True) for node in levels[depth]]


def all_calls(model: Any) -> list[Call]:
    """Return the calls of a functional or sequential model in an order in which they can be computed."""
    return [_call(node) for node in _nodes(model) if not node.is_input]


def with_mask_of(source: Any, target: Any) -> Any:
    """Return a tensor, with the mask of another one that it takes the place of."""
    from keras.src.backend import get_keras_mask, set_keras_mask

    mask = get_keras_mask(source)
    if mask is not None and target is not source:
        set_keras_mask(target, mask)
    return target


def forget_calls(layer: Any) -> None:
    """Make a layer as if it had never been called: ``layer.output`` is then that of its next call."""
    layer._inbound_nodes.clear()


def _call(node: Any) -> Call:
    arguments = node.arguments
    return Call(node.operation, node.input_tensors, node.outputs, arguments.args, arguments.kwargs)


def distinct(layers: Iterable[Any]) -> list[Any]:
    """Return layers without those that came before."""
    return list({id(layer): layer for layer in layers}.values())


def parts(layer: Any) -> list[Any]:
    """Return a layer or model and all layers inside it, itself first."""
    found: list[Any] = layer._flatten_layers()
    return found


def trained_variables(layer: Any) -> list[keras.Variable]:
    """Return the variables that a layer made itself for training to change, frozen ones included."""
    return list(layer._trainable_variables)


def own_variables(layer: Any) -> list[keras.Variable]:
    """Return all variables that a layer made itself, statistics included; not those of layers inside it."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def adds_losses(layer: Any) -> bool:
    """Return whether a layer has added a loss of its own in a call."""
    return bool(layer._losses)


def taken_losses(layer: Any, scope: keras.StatelessScope) -> list[Any]:
    """Take the losses that a layer and those inside it added in a scope, as if they had never added any."""
    losses = list(scope.losses)
    layer._clear_losses()  # or whoever adds them outside of the scope would have them count twice
    return losses


def as_it_is(error: Exception) -> Exception:
    """Return an exception to be raised in a call of a layer, to whose text Keras is to add nothing."""
    error._keras_call_info_injected = True  # type: ignore[attr-defined]
    return error


@contextmanager
def more_variables(layer: Any) -> Iterator[None]:
    """Let a layer that is built be given variables, as Keras' own ``Dense.enable_lora`` does."""
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def takes_training(layer: Any) -> bool:
    """Return whether a layer is to be told if it is called in training."""
    return bool(layer._call_has_training_arg)


def lambda_options(layer: Any) -> dict[str, Any]:
    """Return what a Lambda was made with beside its function."""
    return {"output_shape": layer._output_shape, "mask": layer.mask, "arguments": layer.arguments}


def has_shared_generator() -> bool:
    """Return whether a layer without a random generator of its own has drawn yet."""
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    return global_state.get_global_attribute(GLOBAL_SEED_GENERATOR) is not None


def shared_generator() -> keras.random.SeedGenerator:
    """Return the random generator of all layers without one of their own, made now if there is none."""
    from keras.src.random.seed_generator import global_seed_generator

    return global_seed_generator()
