"""Flat networks: one graph in which every computation is a layer with a name.

Keras lets a model stand as a layer in another one, and lets operations (``x + y``, ``keras.ops.relu(x)``,
``x[:, 0]``) stand between layers. A policy rounds what layers hand on, and names them; so a network is first
made flat. The layers of a nested model take their places in the graph around it and are called by their path,
``backbone/conv1``; operations become layers too, called after what they compute, ``add``, ``add_1``. An input
that the network returns as it is passes through a layer ``identity``, which reads it as any other layer does.

A composite layer of a user's class is taken apart likewise where that can be done, see ``layers.entered``.
What any other layer computes in its own ``call`` stays inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from precision.errors import PrecisionError
from precision.quantization.layers.arguments import Arguments
from precision.quantization.layers.copying import cloned, copied
from precision.quantization.layers.entered import Entered, entered
from precision.quantization.layers.graph import (
    Call,
    Graph,
    all_calls,
    ends,
    is_functional,
    own_variables,
    parts,
    returned_inputs,
    take,
    takes_training,
)
from precision.quantization.layers.operation import OperationLayer

# Between the names of a path where Keras keeps it: a slash it refuses, and whoever reads a path gets one.
_INSIDE = ">"


def address(layer: Any) -> str:
    """Return the name of a layer of a flat network as policies and reports write it."""
    name: str = layer.name
    return name.replace(_INSIDE, "/")


def named(model: Any, address: str) -> Any:
    """Return the layer of a flat network with this address."""
    return model.get_layer(address.replace("/", _INSIDE))


@dataclass(frozen=True)
class Flat:
    """A flat network.

    Attributes:
        model: functional or sequential; the network itself where that is flat, else a copy with its weights.
        originals: the layers of the network, by the name of their copy in ``model``; empty where it is no
            copy.
    """

    model: Any
    originals: dict[str, Any] = field(default_factory=dict)

    def original(self, layer: Any) -> Any:
        """Return the layer that a layer of the flat model is a copy of, or the layer itself."""
        return self.originals.get(layer.name, layer)


def flat(model: Any) -> Any:
    """Return a flat network that computes what a functional or sequential model computes."""
    return flattened(model).model


def flattened(model: Any) -> Flat:
    """Return a flat network that computes what a model computes, and where its layers are from.

    Raises:
        PrecisionError: when the model is of another kind, or not built, or a layer cannot be copied.
    """
    if not is_functional(model):
        raise PrecisionError(
            f"a policy applies to functional and sequential Keras models, but got {type(model).__name__}; "
            "build the network with keras.Input and keras.Model(inputs, outputs)"
        )
    calls = all_calls(model)
    if not calls and not Graph(model):
        raise PrecisionError(
            f"the sequential model {model.name!r} has no input shape; begin it with keras.Input(shape) or "
            "call build(shape)"
        )
    _check_constants(model, {id(v): part for part in parts(model) for v in own_variables(part)})
    if all(_is_layer(call.layer) and entered(call) is None for call in calls) and not returned_inputs(model):
        return Flat(model)
    return _Flattening(model).result()


def _check_constants(model: Any, owners: dict[int, Any]) -> None:
    """Refuse a call with a variable of another layer: a copy of the network would not share it."""
    for call in all_calls(model):
        if is_functional(call.layer):
            _check_constants(call.layer, owners)
        for value in keras.tree.flatten((call.arguments, call.options)):
            if id(value) in owners and isinstance(value, keras.Variable):
                name = call.layer.name if _is_layer(call.layer) else _snake(call.layer)
                raise PrecisionError(
                    f"{name!r} ({type(call.layer).__name__}) is called with the variable "
                    f"{value.name!r} of layer {owners[id(value)].name!r}, where no policy can round it; call "
                    "that layer itself a second time, as keras.layers.ReversibleEmbedding is with "
                    "reverse=True"
                )


def plain(model: Any) -> Any:
    """Return a flat network with operations again where layers stand for them, for a file of Keras.

    It shares its variables with the flat one.
    """
    if not any(isinstance(layer, OperationLayer) for layer in model.layers):
        return model

    def call(layer: Any, images: set[int], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if not isinstance(layer, OperationLayer):
            return layer(*positional, **named)
        arguments, options = layer.arguments.filled(positional)
        return layer.computes(*arguments, **options)

    return cloned(model, lambda layer: layer, call)


def _is_layer(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Layer) and not is_functional(operation)


class _Flattening:
    """One network on its way to be flat."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._entered: dict[int, Entered | None] = {}  # by the id of the first output of a call
        self._taken = set(self._names(model, "", {}))  # of layers: operations give way to them
        self._copies: dict[int, Any] = {}  # by the id of the layer of the network
        self._originals: dict[str, Any] = {}

    def result(self) -> Flat:
        model = self._model

        def fresh(tensor: Any) -> Any:
            return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)

        begin, end = ends(model)
        inputs = keras.tree.map_structure(fresh, begin)
        begun = keras.tree.flatten(inputs)
        outputs = self._run(model, begun, "", None, {})
        returned = {id(tensor) for tensor in outputs}
        through = {id(tensor): self._identity(tensor) for tensor in begun if id(tensor) in returned}
        outputs = [through.get(id(tensor), tensor) for tensor in outputs]
        packed = keras.tree.pack_sequence_as(end, outputs)
        made = keras.Model(inputs, packed, name=model.name)
        for name, original in self._originals.items():
            take(made.get_layer(name), original.get_weights())
        return Flat(made, self._originals)

    def _run(
        self, model: Any, values: list[Any], path: str, training: bool | None, names: dict[int, str]
    ) -> list[Any]:
        """Call the layers of a model on tensors; return its outputs.

        Args:
            names: of layers that are to be called otherwise than by their own, by their ids.
        """
        known = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
        graph = Graph(model)
        for call in all_calls(model):
            positional, named = keras.tree.map_structure(
                lambda value: known[id(value)] if keras.backend.is_keras_tensor(value) else value,
                (call.arguments, call.options),
            )
            name = path + names.get(id(call.layer), call.layer.name)
            outputs = self._call(graph, call, positional, named, name, path, training)
            known.update((id(tensor), value) for tensor, value in zip(call.outputs, outputs, strict=True))
        return [known[id(tensor)] for tensor in model.outputs]

    def _call(
        self,
        graph: Graph,
        call: Call,
        positional: tuple[Any, ...],
        named: dict[str, Any],
        name: str,
        path: str,
        training: bool | None,
    ) -> list[Any]:
        layer, mode = call.layer, named.get("training", training)
        mode = training if mode is None else mode
        tensors = [t for t in keras.tree.flatten((positional, named)) if keras.backend.is_keras_tensor(t)]
        if is_functional(layer):  # a model that was called with training=False holds all its layers to it
            tensors = keras.tree.flatten(positional) or keras.tree.flatten(named.get("inputs"))
            return self._run(layer, tensors, name + _INSIDE, mode, {})
        if (inside := self._inside(call)) is not None:
            return self._run(inside.model, tensors, name + _INSIDE, mode, inside.names)
        if not isinstance(layer, keras.layers.Layer):
            arguments = Arguments(call.arguments, call.options)
            step = OperationLayer(layer, arguments, self._free(path + _snake(layer)))
            return keras.tree.flatten(step(*tensors))
        if training is not None and named.get("training") is None and takes_training(layer):
            named = {**named, "training": training}
        return keras.tree.flatten(self._copy(graph, layer, name)(*positional, **named))

    def _inside(self, call: Call) -> Entered | None:
        key = id(call.outputs[0])
        if key not in self._entered:
            self._entered[key] = entered(call)
        return self._entered[key]

    def _names(self, model: Any, path: str, names: dict[int, str]) -> Iterator[str]:
        for call in all_calls(model):
            name = path + names.get(id(call.layer), call.layer.name)
            if is_functional(call.layer):
                yield from self._names(call.layer, name + _INSIDE, {})
            elif (inside := self._inside(call)) is not None:
                yield from self._names(inside.model, name + _INSIDE, inside.names)
            elif isinstance(call.layer, keras.layers.Layer):
                yield name

    def _identity(self, tensor: Any) -> Any:
        """Return an input of the network behind a layer that hands it on as it is, whatever its type."""
        return keras.layers.Identity(name=self._free("identity"), autocast=False)(tensor)

    def _copy(self, graph: Graph, layer: Any, name: str) -> Any:
        if id(layer) not in self._copies:
            copy = self._copies[id(layer)] = copied(layer, graph.calls(layer), name=name)
            self._originals[copy.name] = layer
        return self._copies[id(layer)]

    def _free(self, name: str) -> str:
        """Return a name that no layer has: the same at every build, unlike those that Keras counts up."""
        number, found = 0, name
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found


def _snake(operation: Any) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(operation).__name__).lower()
