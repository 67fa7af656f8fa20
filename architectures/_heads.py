"""What a given network says at its end: brought to the logits that everything here trains and evaluates."""

from __future__ import annotations

from typing import Any

from precision.errors import PrecisionError, shown


def with_logits(model: Any, name: str, classes: int) -> Any:
    """Return a network of logits for a classifier that may end with a softmax, or a sigmoid of two classes.

    The softmax is left out: logits and probabilities have the same order, and the loss is computed from
    logits. The logits of two classes from one sigmoid are 0 and the value before the sigmoid.

    Args:
        name: how a message names the network.
        classes: of the data set.

    Raises:
        PrecisionError: for an output of another shape or meaning.
    """
    import keras

    if len(model.outputs) != 1:
        raise PrecisionError(
            f"{name}: a classifier has one output, but the model has {len(model.outputs)}; detection and "
            "segmentation are not evaluated here"
        )
    output = model.outputs[0]
    if len(output.shape) != 2:
        raise PrecisionError(
            f"{name}: a classifier returns one row of numbers for an image, but the model returns the shape "
            f"{tuple(output.shape)}; detection and segmentation are not evaluated here"
        )
    units, function = int(output.shape[1]), _last_function(model)
    if units != classes and not (units == 1 and classes == 2):
        raise PrecisionError(
            f"{name}: the model tells {units} classes apart, but the data set has {classes}; choose a data "
            "set of as many, or name those to keep by its option classes"
        )
    if function == "sigmoid" and units > 1:
        raise PrecisionError(
            f"{name}: the model says for each of {units} labels whether it is there (sigmoid), which is not "
            "evaluated here; a classifier ends with a softmax or with logits"
        )
    if units == 1 and function not in ("sigmoid", "linear"):
        raise PrecisionError(
            f"{name}: a single number means two classes by a sigmoid, but the model ends with {function}"
        )
    if function in ("softmax", "sigmoid"):
        model = _without_function(model)
    if units > 1:
        return model
    value = model.outputs[0]
    logits = keras.layers.Concatenate(name="logits")([keras.ops.zeros_like(value), value])
    return keras.Model(model.inputs, logits, name=model.name)


def _last(model: Any) -> Any:
    return model.outputs[0]._keras_history.operation


def _last_function(model: Any) -> str:
    """Return the name of the function at the end of a network; of a model at the end, that of its end."""
    import keras

    layer = _last(model)
    if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
        return _last_function(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    kind = type(layer).__name__.lower()
    if not isinstance(layer, keras.layers.Layer):
        return kind if kind in ("softmax", "sigmoid") else "linear"
    function = getattr(layer, "activation", None)
    return getattr(function, "__name__", shown(function)) if function is not None else "linear"


def _without_function(model: Any) -> Any:
    """Return a network without the function at its end, which it shares its variables with."""
    import keras

    layer = _last(model)
    if isinstance(layer, keras.Model):
        inner = _without_function(layer)
        inputs = layer._inbound_nodes[model.outputs[0]._keras_history.node_index].input_tensors
        return keras.Model(model.inputs, inner(inputs[0] if len(inputs) == 1 else inputs), name=model.name)
    if isinstance(layer, keras.layers.Softmax | keras.layers.Activation) or not isinstance(
        layer, keras.layers.Layer
    ):
        node = layer._inbound_nodes[model.outputs[0]._keras_history.node_index]
        return keras.Model(model.inputs, node.input_tensors[0], name=model.name)
    layer.activation = keras.activations.linear
    return model
