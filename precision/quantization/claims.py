"""Whether a network computes what its policy claims, looked at a second way.

The network runs on a few images with every tensor between its layers laid open. Then, layer by layer:

- every variable that the policy rounds has a quantizer;
- what is returned under a scale of its own lies on the values of the format;
- the layer as Keras has it, with variables that NumPy rounded and that are set in the usual way, returns the
  same from what the wrapped layer read.

The last finds what no wrapper can know of itself: variables that are made after the wrapping, rounding that a
graph leaves out or does twice. That a class computes with something else than its variables it cannot find.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.formats.engine.program import Axis
from precision.formats.rounding import parse_rounding
from precision.quantization.layers.arguments import Arguments
from precision.quantization.layers.channels import as_columns
from precision.quantization.layers.flat import address
from precision.quantization.layers.graph import (
    Call,
    Graph,
    all_calls,
    is_float,
    takes_training,
    with_mask_of,
)
from precision.quantization.layers.variables import variables
from precision.quantization.policy.settings import Setting
from precision.quantization.quantizer import Quantizer
from precision.quantization.scales.dynamic import Dynamic
from precision.quantization.scales.fixed import Fixed
from precision.quantization.scales.kernel import numbers_for, program_of
from precision.quantization.wrapper import Quantized

IMAGES = 4
_SAME = 1e-3  # of the largest value: what another order of summing may change
_SHARE = 0.02  # of values that may differ by more: ties that fell the other way

Values = dict[int, np.ndarray]  # by the id of the symbolic tensor
Tensors = dict[int, Any]  # of the backend, with their masks


def check(quantised: Any, images: np.ndarray) -> None:
    """Refuse a network that does not compute what its policy claims.

    Args:
        quantised: from ``quantization.apply``, not trained since.
        images: float32 (N, ...) or whatever the network reads; the first few are looked at.

    Raises:
        PrecisionError: naming the layer and what differs.
    """
    before = [(variable, variable.numpy()) for variable in quantised.variables]
    try:
        _check(quantised, images[:IMAGES])
    finally:  # a run moves the noise on, and whatever a class of a user counts
        for variable, value in before:
            variable.assign(value)


def _check(quantised: Any, images: np.ndarray) -> None:
    graph, tensors = Graph(quantised), _laid_open(quantised, images)
    values = {key: keras.ops.convert_to_numpy(tensor) for key, tensor in tensors.items()}
    for layer in quantised.layers:
        if not isinstance(layer, Quantized):
            continue
        _check_variables(layer)
        for call in graph.calls(layer):
            _check_values(layer, call, values)
            if _repeats(layer):
                masked = functools.partial(_with_masks, quantised, call, images)
                _check_result(layer, call, values, tensors, masked)


def _laid_open(model: Any, images: np.ndarray) -> Tensors:
    tensors = {id(t): t for call in all_calls(model) for t in (*call.inputs, *call.outputs)}
    found = keras.Model(model.inputs[0], list(tensors.values()))(images, training=False)
    return dict(zip(tensors, keras.tree.flatten(found), strict=True))


def _with_masks(model: Any, call: Call, images: np.ndarray) -> Tensors:
    """Return what a call reads with its masks, which some layers take off the tensors that they read."""
    found = keras.Model(model.inputs[0], list(call.inputs))(images, training=False)
    return dict(zip(map(id, call.inputs), keras.tree.flatten(found), strict=True))


def check_same(model: Any, copy: Any, images: np.ndarray, what: str) -> None:
    """Refuse a copy of a network that computes something else than the network, in inference.

    Args:
        what: what was done to the network, as words.

    Raises:
        PrecisionError: saying how far apart they are.
    """
    original, other = (keras.Model(each.inputs[0], each.outputs) for each in (model, copy))
    once, again, twice = (
        [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(each(images[:IMAGES], training=False))]
        for each in (original, original, other)
    )
    for a, same, b in zip(once, again, twice, strict=True):
        if not np.array_equal(a, same, equal_nan=True):  # it draws noise, and every time another one
            continue
        if a.shape != b.shape or not _alike(a, b):
            apart = np.nanmax(np.abs(a.astype(np.float64) - b)) if a.shape == b.shape else math.inf
            raise PrecisionError(
                f"the network {model.name!r} computes something else once {what} (up to {apart:.3g} apart), "
                "so that nothing said of it would be true; a class that keeps a state beside its weights, or "
                "a model inside that is called in an unusual way, can be the reason"
            )


def _check_variables(layer: Quantized) -> None:
    known = {id(variable) for variable, _, _ in layer.rounded_variables}
    for variable, slot in variables(layer.layer):
        if isinstance(layer.settings.get(slot), Setting) and id(variable) not in known:
            raise _refused(layer, f"its variable {variable.path!r} is not rounded")


def _check_values(layer: Quantized, call: Call, values: Values) -> None:
    """Refuse values that the format under its scale does not have; a block's scale depends on the values."""
    quantizer = layer.quantizers.get("activations")
    if quantizer is None or not isinstance(quantizer.scale, Fixed):
        return
    setting = quantizer.scale.setting
    if setting.number_format.block is not None:
        return
    for tensor in filter(is_float, call.outputs):
        value = values[id(tensor)].astype(np.float32)
        if not np.array_equal(_nearest(quantizer, value, -1), value, equal_nan=True):
            raise _refused(layer, f"what it returns does not lie on the values of {setting}")


def _repeats(layer: Quantized) -> bool:
    """Return whether what a layer computes can be computed again: without noise and emulated sums."""
    settings = [s for s in layer.settings.values() if isinstance(s, Setting)]
    stochastic = any(parse_rounding(setting.rounding).stochastic for setting in settings)
    return not stochastic and "accumulators" not in layer.settings


def _check_result(
    layer: Quantized, call: Call, values: Values, tensors: Tensors, masked: Callable[[], Tensors]
) -> None:
    """Refuse a result that the layer itself, with rounded variables, does not return."""
    again = _again(layer, call, values, tensors)
    if _same(call, values, again) or _draws(layer, call, values, tensors, again):
        return
    again = _again(layer, call, values, tensors | masked())
    if not _same(call, values, again):
        raise _refused(layer, "it returns something else than the layer with variables rounded before")


def _same(call: Call, values: Values, again: list[np.ndarray]) -> bool:
    pairs = zip(call.outputs, again, strict=True)
    return all(_alike(values[id(tensor)], second) for tensor, second in pairs if is_float(tensor))


def _draws(layer: Quantized, call: Call, values: Values, tensors: Tensors, before: list[np.ndarray]) -> bool:
    """Return whether a layer draws noise in inference too, so that no two results are the same."""
    once_more = _again(layer, call, values, tensors)
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, once_more, strict=True))


def _again(layer: Quantized, call: Call, values: Values, tensors: Tensors) -> list[np.ndarray]:
    """Return what the layer itself returns from what the wrapped one read, rounded as that is."""
    options = {key: value for key, value in call.options.items() if key not in ("arguments", "images")}
    options.pop("training", None)
    if takes_training(layer.layer):  # some layers train unless they are told not to
        options["training"] = False
    images, number = call.options.get("images"), -1

    def read(tensor: Any) -> Any:
        nonlocal number
        if not keras.backend.is_keras_tensor(tensor):
            return tensor
        number += 1
        value = values[id(tensor)]
        if "inputs" in layer.quantizers and is_float(tensor) and (images is None or number in images):
            value = _nearest(layer.quantizers["inputs"], value, -1)
        return with_mask_of(tensors[id(tensor)], keras.ops.convert_to_tensor(value))

    inputs = keras.tree.map_structure(read, call.arguments[0])
    arguments: Arguments | None = call.options.get("arguments")
    positional, named = ((inputs,), options) if arguments is None else arguments.filled(inputs)
    before = [(variable, variable.numpy()) for variable, _, _ in layer.rounded_variables]
    try:
        for variable, axis, site in layer.rounded_variables:
            variable.assign(_nearest(layer.quantizers[site], variable.numpy(), axis))
        found = keras.tree.flatten(layer.layer(*positional, **named))
    finally:
        for variable, value in before:
            variable.assign(value)
    quantizer = layer.quantizers.get("activations")
    results = [keras.ops.convert_to_numpy(value) for value in found]
    if quantizer is None:
        return results
    return [_nearest(quantizer, value, -1) if is_float(value) else value for value in results]


def _nearest(quantizer: Quantizer, values: np.ndarray, axis: Axis) -> np.ndarray:
    """Return an array rounded by NumPy as a quantizer rounds it by the backend."""
    scale = quantizer.scale
    if scale is None:
        return values
    values, setting = values.astype(np.float32), scale.setting
    if parse_rounding(setting.rounding).stochastic:  # which leaves a value of the format as it is, as nearest
        setting = replace(setting, rounding="nearest")
    program = program_of(setting)[0]
    if isinstance(scale, Fixed):  # of a learned scale the ratio is 1 before training
        numbers = np.asarray(keras.ops.convert_to_numpy(scale.parameters))
    elif type(scale) is Dynamic:
        columns = as_columns(values, axis if setting.per_channel and values.ndim else None)
        numbers = numbers_for(setting, columns.min(0), columns.max(0))
    else:
        return np.asarray(keras.ops.convert_to_numpy(quantizer(values, axis)))
    return np.asarray(program.array(values, numbers, axis=axis))


def _alike(once: np.ndarray, twice: np.ndarray) -> bool:
    once, twice = once.astype(np.float64), twice.astype(np.float64)
    finite = np.isfinite(once)
    if not np.array_equal(finite, np.isfinite(twice)):
        return False
    width = np.abs(twice[finite]).max(initial=0)
    apart = np.abs(once[finite] - twice[finite]) > _SAME * width
    return not apart.size or bool(apart.mean() <= _SHARE)


def _refused(layer: Quantized, reason: str) -> PrecisionError:
    name = address(layer)
    return PrecisionError(
        f"layer {name!r} ({type(layer.layer).__name__}) does not compute what the policy says: {reason}; "
        "make its variables in __init__() or build() and read them in call(), or leave it as it is: "
        f"layers: {{{name}: float32}}"
    )
