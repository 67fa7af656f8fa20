"""What a given network says at its end, and whether that is what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architectures._keras import last_call
from precision.errors import PrecisionError
from precision.tasks import Task

if TYPE_CHECKING:  # it takes its time, and checking a grid imports this package
    import numpy as np

# Of random numbers, by which a network without the function at its end is held against the original.
_IMAGES, _SPREAD = 16, 3.0
_CLOSE = 1e-3


def brings_its_end(function: Any) -> Any:
    """Mark a network that a user gives: what it ends with is brought to what is asked by :func:`fitted`."""
    function.fitted = fitted
    return function


def fitted(model: Any, name: str, outputs: int, task: Task) -> Any:
    """Return a network that a user gives as its task wants it: of logits, or of the targets of a regression.

    A classifier may end with a softmax, or a sigmoid of two classes; what tells for each of several labels
    whether it is there, with a sigmoid of each. That function is left out: logits and probabilities have the
    same order, and the loss is computed from logits. The logits of two classes from one sigmoid are 0 and the
    value before the sigmoid. On random images the logits must give the probabilities of the model back. A
    regression is left as it is.

    Args:
        name: how a message names the network.
        outputs: classes, labels or targets of the data set.

    Raises:
        PrecisionError: for an output of another shape or meaning.
    """
    import keras

    units, pair = _units(model, name), task.name == "classification" and outputs == 2
    if units != outputs and not (units == 1 and pair):
        others = {
            "classification": f"tells {units} classes apart, but the data set has {outputs}; choose a data "
            "set of as many, or name those to keep by its option classes",
            "multi_label": f"tells of {units} labels whether they are there, but the data set has {outputs}",
            "regression": f"returns {units} numbers, but the data set has {outputs} for each image",
        }
        raise PrecisionError(f"{name}: the model {others[task.name]}")
    function = _last_function(model)
    if task.name == "regression":
        if function in ("softmax", "sigmoid"):
            raise PrecisionError(
                f"{name}: the model ends with a {function}, which tells classes or labels, but the data set "
                "has numbers to be predicted; end it with Dense(targets) without an activation, or say by "
                "the option task of the data set that these are classes or labels"
            )
        return model
    images = _random(model)
    said = _values(model, images)
    if function in ("softmax", "sigmoid"):
        model = without_function(model)
    check = _check_labels if task.name == "multi_label" else _check
    check(name, said, _values(model, images), function, units)
    if units > 1:
        return model
    value = model.outputs[0]
    logits = keras.layers.Concatenate(name="logits")([keras.ops.zeros_like(value), value])
    return keras.Model(model.inputs[0], logits, name=model.name)


def _units(model: Any, name: str) -> int:
    """Return how many numbers a network returns for an image."""
    served = (
        "what is served are classes (softmax, a sigmoid of two, or logits), labels (a sigmoid of each) and "
        "numbers (a regression); detection and segmentation are not evaluated here"
    )
    if len(model.outputs) != 1:
        raise PrecisionError(
            f"{name}: a network has one output, but the model has {len(model.outputs)}; {served}"
        )
    output = model.outputs[0]
    if len(output.shape) != 2 or output.shape[1] is None:
        raise PrecisionError(
            f"{name}: a network returns one row of numbers for an image, but the model returns the shape "
            f"{tuple(output.shape)}; {served}"
        )
    return int(output.shape[1])


def _random(model: Any) -> np.ndarray:
    import numpy as np

    shape = [8 if size is None else size for size in model.inputs[0].shape[1:]]
    return np.random.default_rng(0).normal(0, _SPREAD, (_IMAGES, *shape)).astype(np.float32)


def _values(model: Any, images: np.ndarray) -> np.ndarray:
    import keras
    import numpy as np

    plain = keras.Model(model.inputs[0], model.outputs[0])  # whatever structure its inputs have
    return np.asarray(keras.ops.convert_to_numpy(plain(images, training=False)), np.float64)


def _check(name: str, said: np.ndarray, logits: np.ndarray, function: str, units: int) -> None:
    """Refuse what the model says at its end where it is not what is taken for it."""
    import numpy as np

    shares = bool((said >= 0).all() and (said <= 1).all())
    sums = np.allclose(said.sum(axis=1), 1, atol=_CLOSE)
    if units > 1 and shares and not sums:
        raise PrecisionError(
            f"{name}: the model says for each of {units} labels whether it is there (numbers from 0 to 1 "
            "that do not sum to 1), but the data set has classes; end it with a softmax or logits, or give a "
            "data set of several labels (task: multi_label)"
        )
    if units == 1 and not shares:
        raise PrecisionError(
            f"{name}: a single number means two classes by a sigmoid, but the model returns numbers outside "
            "of 0 to 1; end it with Dense(1, activation='sigmoid')"
        )
    if function == "softmax":
        exact = np.exp(logits - logits.max(axis=1, keepdims=True))
        same = np.allclose(exact / exact.sum(axis=1, keepdims=True), said, atol=_CLOSE)
    elif function == "sigmoid":
        same = np.allclose(1 / (1 + np.exp(-logits)), said, atol=_CLOSE)
    else:
        same = not shares  # probabilities by a way that is not known here
    if not same:
        raise PrecisionError(
            f"{name}: the model ends with probabilities in a form that is not known here; end it with "
            "Dense(classes, activation='softmax'), a Softmax layer or logits, for two classes with "
            "Dense(1, activation='sigmoid')"
        )


def _check_labels(name: str, said: np.ndarray, logits: np.ndarray, function: str, units: int) -> None:
    """Refuse what the model says of several labels where it is not what is taken for it."""
    import numpy as np

    shares = bool((said >= 0).all() and (said <= 1).all())
    if function == "softmax" or (shares and np.allclose(said.sum(axis=1), 1, atol=_CLOSE)):
        raise PrecisionError(
            f"{name}: the model tells {units} classes apart (a softmax), but of the images in the data set "
            "each may have several labels; end it with Dense(labels, activation='sigmoid') or logits"
        )
    same = np.allclose(1 / (1 + np.exp(-logits)), said, atol=_CLOSE) if function == "sigmoid" else not shares
    if not same:
        raise PrecisionError(
            f"{name}: the model ends with probabilities in a form that is not known here; end it with "
            "Dense(labels, activation='sigmoid') or logits"
        )


def _last_function(model: Any) -> str:
    """Return the name of the function at the end of a network; of a model at the end, that of its end."""
    import keras

    layer, _ = last_call(model)
    if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
        return _last_function(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if not isinstance(layer, keras.layers.Layer):
        kind = type(layer).__name__.lower()
        return kind if kind in ("softmax", "sigmoid") else "linear"
    if not isinstance(layer, keras.layers.Dense | keras.layers.Activation):
        return "linear"
    return getattr(layer.activation, "__name__", "linear")


def without_function(model: Any) -> Any:
    """Return a network without the softmax or sigmoid at its end, which it shares its variables with."""
    import keras

    layer, inputs = last_call(model)
    if isinstance(layer, keras.Model):
        inner = without_function(layer)
        output = inner(inputs[0] if len(inputs) == 1 else inputs)
        return keras.Model(model.inputs[0], output, name=model.name)
    if isinstance(layer, keras.layers.Dense):
        layer.activation = keras.activations.linear
        return model
    return keras.Model(model.inputs[0], inputs[0], name=model.name)
