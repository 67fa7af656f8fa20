"""The float32 network that a policy rounds: folded and transformed, and looked at after each transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from precision.errors import PrecisionError
from precision.quantization.claims import check_same
from precision.quantization.layers.copying import cloned, copied
from precision.quantization.layers.flat import address, flat
from precision.quantization.layers.graph import Graph, take
from precision.quantization.policy.policy import Policy
from precision.quantization.transforms.folding import fold
from precision.registry import TRANSFORMS


def prepared(model: Any, policy: Policy, images: Callable[[], np.ndarray]) -> Any:
    """Return what a policy rounds: the model itself where there is nothing to do, else a flat copy.

    Args:
        model: a functional or sequential float32 model that is built; it is not changed.
        images: returns those that transforms may look at, float32 (N, H, W, C) or (N, features); called once,
            and only if there are transforms.

    Raises:
        PrecisionError: as ``folding.fold``; for a transform that raises, or does more than change weights.
    """
    if policy.fold_batch_norm:
        model = fold(model).model
    if not policy.transforms:
        return model
    seen = images()
    for name in policy.transforms:
        model = _transformed(flat(model), name, seen)
    return model


def _transformed(model: Any, name: str, images: np.ndarray) -> Any:
    """Return a copy of a flat model with the weights that a transform gives it."""
    given = TRANSFORMS.call(name, keras.Model, _copy(model), images)
    result = _copy(model)
    try:
        found = flat(given)
    except PrecisionError as error:
        raise _refused(name, str(error)) from error
    layers, others = _layers(result), _layers(found)
    if list(layers) != list(others):
        first = next(
            iter([x for x in layers if x not in others] or [x for x in others if x not in layers]), ""
        )
        what = f"{first!r} is in one of the two alone" if first else "they come in another order"
        raise _refused(name, f"the layers are not those that it was given: {what}")
    for key, layer in layers.items():
        _take(name, key, layer, others[key])
    if not TRANSFORMS.owner(name).builtin:
        try:
            check_same(found, result, images, "it is transformed")
        except PrecisionError as error:
            raise _refused(
                name, "its network computes something else than the layers it was given do with its weights"
            ) from error
    return result


def _take(name: str, key: str, layer: Any, other: Any) -> None:
    """Give a layer the weights of another one."""
    weights = other.get_weights()
    there, here = [w.shape for w in weights], [tuple(w.shape) for w in layer.weights]
    if there != here:
        raise _refused(name, f"the weights of {key!r} have the shapes {there}, and had {here}")
    if not all(np.isfinite(w).all() for w in weights if np.issubdtype(w.dtype, np.floating)):
        raise _refused(name, f"weights of {key!r} are not finite")
    take(layer, weights)


def _refused(name: str, why: str) -> PrecisionError:
    return TRANSFORMS.error(
        name,
        f"must return the network that it was given with other weights and nothing else changed, but {why}",
    )


def _layers(model: Any) -> dict[str, Any]:
    return {address(one): one for one in model.layers if not isinstance(one, keras.layers.InputLayer)}


def _copy(model: Any) -> Any:
    """Return a copy of a flat model that shares no variable with it."""
    graph = Graph(model)
    made = cloned(model, lambda layer: copied(layer, graph.calls(layer)))
    for layer in model.layers:
        take(made.get_layer(layer.name), layer.get_weights())
    return made
