"""Copies of layers and of models, for whoever changes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import keras

from precision.errors import PrecisionError, said
from precision.quantization.layers.graph import Call, forget_calls, lambda_options, producer
from precision.quantization.layers.operation import OperationLayer


def copied(layer: Any, calls: Sequence[Call] = (), **changes: Any) -> Any:
    """Return a copy of a layer, with new variables.

    Args:
        calls: of the layer; by the first of them the copy is built, whose variables may be made by a call
            alone.
        changes: arguments of its class that are to differ.

    Raises:
        PrecisionError: for a layer of a class that does not tell how to make another one.
    """
    if isinstance(layer, OperationLayer):
        return layer.copied()
    try:
        copy = _again(layer, changes)
        copy.name = changes.get("name", layer.name)  # which a class of a user need not take
        if calls and not copy.built:
            _build(copy, calls[0])
        reason = _difference(layer, copy) if calls and not changes.keys() - {"name"} else ""
    except Exception as error:  # whatever the class of a user raises
        reason = said(error)
    if reason:
        raise PrecisionError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied ({reason}); its class needs a "
            "get_config() that returns all arguments of __init__()"
        )
    return copy


def _again(layer: Any, changes: dict[str, Any]) -> Any:
    if type(layer) is keras.layers.Lambda:  # its function need not survive as text to be called again
        options = {"name": layer.name, "dtype": layer.dtype_policy, **changes}
        return keras.layers.Lambda(layer.function, **lambda_options(layer), **options)
    told = layer.get_config()
    config = {**told, **changes}
    if "name" not in told:  # nor is it an argument of the class, then
        config.pop("name", None)
    copy = type(layer).from_config(config)
    for key in told.keys() - changes.keys():  # Keras tells functions by name: one called relu becomes its own
        function = getattr(layer, key, None)
        if isinstance(function, FunctionType) and getattr(copy, key, None) is not function:
            setattr(copy, key, function)
    return copy


def _build(layer: Any, call: Call) -> None:
    """Build a layer by a call as that of another one, outside of any model."""

    def fresh(value: Any) -> Any:
        if not keras.backend.is_keras_tensor(value):
            return value
        return keras.KerasTensor(value.shape, value.dtype)

    positional, named = keras.tree.map_structure(fresh, (call.arguments, call.options))
    layer(*positional, **named)
    forget_calls(layer)


def _difference(layer: Any, copy: Any) -> str:
    there, here = ([tuple(w.shape) for w in each.weights] for each in (layer, copy))
    return "" if there == here else f"its weights have the shapes {there}, those of the copy {here}"


def cloned(model: Any, clone: Callable[[Any], Any], call: Callable[..., Any] | None = None) -> Any:
    """Return a model with every layer replaced by its clone; inputs keep their names.

    Args:
        clone: returns what takes the place of a layer.
        call: called with (clone, set of the ids of the model's input tensors, its arguments by position, and
            by name); None calls the clone.
    """
    if isinstance(model, keras.Sequential):
        return keras.models.clone_model(model, clone_function=clone)

    def fresh(tensor: Any) -> Any:
        layer = producer(tensor).layer
        return type(layer).from_config(layer.get_config()).output

    inputs = keras.tree.map_structure(fresh, model.input)
    images = {id(tensor) for tensor in keras.tree.flatten(inputs)}

    def called(layer: Any, *positional: Any, **named: Any) -> Any:
        return layer(*positional, **named) if call is None else call(layer, images, positional, named)

    return keras.models.clone_model(model, input_tensors=inputs, clone_function=clone, call_function=called)
