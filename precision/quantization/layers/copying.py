"""Copies of layers and of models, for whoever changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from precision.errors import PrecisionError, said
from precision.quantization.layers.graph import Call, forget_calls, lambda_options, parts, producer
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
    with _named_functions(layer) as functions:
        told = layer.get_config()
    given = {id(stand_in): function for stand_in, function in functions.values()}
    told = keras.tree.map_structure(lambda value: given.get(id(value), value), told)
    config = {**told, **changes}
    if "name" not in told:  # nor is it an argument of the class, then
        config.pop("name", None)
    with keras.saving.custom_object_scope({name: function for name, (_, function) in functions.items()}):
        return type(layer).from_config(config)


@contextmanager
def _named_functions(layer: Any) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Give every function that a layer holds a name of its own while it tells how to make another one.

    Keras writes functions down by name: it finds none that is not registered, and one of a user's that is
    called relu becomes its own.

    Yields:
        by name, the function that takes the place of one for so long, and the one itself.
    """
    found: dict[str, tuple[Any, Any]] = {}
    places = [
        (vars(part), key, value)
        for part in parts(layer)
        for key, value in vars(part).items()
        if _is_function(value) and not key.startswith("_") and not hasattr(type(part), key)
    ]
    for values, key, function in places:

        def stand_in(*_: Any) -> None: ...

        stand_in.__name__ = f"precision_function_{len(found)}"
        found[stand_in.__name__] = stand_in, function
        values[key] = stand_in
    try:
        yield found
    finally:
        for values, key, function in places:
            values[key] = function


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and not hasattr(value, "get_config")


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
