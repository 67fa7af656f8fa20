"""Composite layers that are entered: a user's class whose ``call()`` is a graph of layers of Keras.

Its ``call()`` is run on symbolic tensors. What comes of that takes the place of the layer in a flat network,
if it says all that the layer computes:

- every variable belongs to a layer inside that was called, none to the class itself;
- in training and in inference the same layers are called in the same way;
- nothing in it is drawn anew at each call, is computed from a weight outside of its layer or from a size
  that differs from batch to batch, heeds a mask, or adds a loss.

Any other composite stays one layer, in which nothing but its variables is rounded.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.quantization.layers.graph import (
    Call,
    adds_losses,
    all_calls,
    is_float,
    is_functional,
    own_variables,
    parts,
    takes_training,
)

_WHOLE: weakref.WeakSet[Any] = weakref.WeakSet()  # layers that were found not to be entered


_SIZE = 3  # of a batch that a graph is drawn for once more


@dataclass(frozen=True)
class Entered:
    """What a composite layer computes.

    Attributes:
        model: of its layers and operations; it reads the tensors of the call in their order.
        names: of its layers, by their ids: after the attributes that hold them, the same at every build.
    """

    model: Any
    names: dict[int, str]


def entered(call: Call) -> Entered | None:
    """Return what a call of a composite layer computes; None where it is none, or that cannot be told."""
    layer = call.layer
    if not isinstance(layer, keras.layers.Layer) or is_functional(layer) or not _is_composite(layer):
        return None
    if layer in _WHOLE:
        return None
    model = symbolic(call)
    if model is None or not _says_all(call, model):
        _WHOLE.add(layer)
        return None
    return Entered(model, dict(_names(layer)))


def symbolic(call: Call, training: bool | None = None, size: int | None = None) -> Any:
    """Return the graph of what a layer itself calls; None where its call() does more than that.

    Args:
        size: in the place of those that the call does not know, as that of a batch.
    """

    def fresh(value: Any) -> Any:
        if not keras.backend.is_keras_tensor(value):
            return value
        shape = tuple(size if each is None else each for each in value.shape)
        return keras.Input(batch_shape=shape, dtype=value.dtype)

    positional, named = keras.tree.map_structure(fresh, (call.arguments, call.options))
    inputs = [t for t in keras.tree.flatten((positional, named)) if keras.backend.is_keras_tensor(t)]
    if takes_training(call.layer):
        named = {**named, "training": training}
    try:
        return keras.Model(inputs, call.layer.call(*positional, **named), name=call.layer.name)
    except Exception:  # whatever the class of a user raises where tensors have no values
        return None


def _says_all(call: Call, model: Any) -> bool:
    """Return whether a graph is all that a layer computes, in training too and with any other weights."""
    layer, calls = call.layer, all_calls(model)
    called = {id(variable) for each in calls for variable in getattr(each.layer, "variables", ())}
    if adds_losses(layer) or any(id(variable) not in called for variable in layer.variables):
        return False
    if any(each.options.get("training") is not None for each in calls):
        return False  # a model around it would take no notice of that
    if any(
        isinstance(v, keras.Variable) for c in calls for v in keras.tree.flatten((c.arguments, c.options))
    ):
        return False
    others = [(v, keras.ops.add(v.value, 1)) for v in layer.variables if is_float(v)]
    for mode in (True, False) if takes_training(layer) else (None,):
        with keras.StatelessScope(state_mapping=others):  # what it computed from weights would differ
            again = symbolic(call, mode, _SIZE)  # and so would what it computed from a size
        if again is None or list(_told(again)) != list(_told(model)):
            return False
    return True


def _is_composite(layer: Any) -> bool:
    kind, own = type(layer), getattr(type(layer).call, "__module__", "")
    return (
        not own.startswith(("keras.", "precision."))
        and kind.__call__ in (keras.layers.Layer.__call__, keras.Model.__call__)
        and kind.compute_mask in (keras.layers.Layer.compute_mask, keras.Model.compute_mask)
        and "mask" not in inspect.signature(kind.call).parameters
        and len(parts(layer)) > 1
        and not own_variables(layer)
        and layer.activity_regularizer is None
        and layer.compute_dtype == "float32"
    )


def _told(model: Any) -> Iterator[tuple[Any, ...]]:
    """Yield what is called and with what, so that two graphs can be compared; who trains is left out."""
    numbers = {id(tensor): number for number, tensor in enumerate(model.inputs)}

    def value_of(value: Any) -> Any:
        if keras.backend.is_keras_tensor(value):
            return ("tensor", numbers[id(value)])
        return np.asarray(value).tobytes() if hasattr(value, "shape") else repr(value)

    for call in all_calls(model):
        is_layer = isinstance(call.layer, keras.layers.Layer)
        options = {key: value for key, value in call.options.items() if key != "training"}
        about = {} if is_layer else {k: repr(v) for k, v in vars(call.layer).items() if k[0] != "_"}
        about.pop("name", None)
        values = keras.tree.map_structure(value_of, (call.arguments, options))
        yield id(call.layer) if is_layer else type(call.layer), str(values), str(about)
        numbers |= {id(tensor): len(numbers) + place for place, tensor in enumerate(call.outputs)}
    yield tuple(numbers[id(tensor)] for tensor in model.outputs)


def _names(layer: Any) -> Iterator[tuple[int, str]]:
    for attribute, held in vars(layer).items():
        if attribute.startswith("_"):
            continue
        found = [part for part in keras.tree.flatten(held) if isinstance(part, keras.layers.Layer)]
        several = not isinstance(held, keras.layers.Layer)
        for number, part in enumerate(found):
            yield id(part), f"{attribute}_{number}" if several else attribute
