"""Networks from elsewhere are looked at a second time before a number is reported of them."""

from __future__ import annotations

from typing import Any

from architectures.given import is_given, is_pretrained
from precision.data import Dataset, as_float
from precision.errors import PrecisionError
from precision.registry import ARCHITECTURES
from precision.trial import Trial


def verify(trial: Trial, source: Any, model: Any, dataset: Dataset) -> None:
    """Refuse a network that does not compute what its policy says, see ``quantization.claims``.

    The networks of this project are left out: the tests look at them, and a look takes seconds.

    Args:
        source: the float32 network that was copied.
        model: the network of the trial under its policy, as ``quantization.apply`` made it.

    Raises:
        PrecisionError: naming the layer.
    """
    from precision.quantization import Policy, apply, claims

    if is_foreign(trial):
        images = as_float(dataset.x_train[: claims.IMAGES])
        claims.check_same(source, apply(source, Policy()), images, "it is copied")
        claims.check(model, images)


def laid_flat(trial: Trial, model: Any, dataset: Dataset) -> Any:
    """Return a flat network, see ``layers.flat``, that computes the same with its own variables.

    Raises:
        PrecisionError: when it does not.
    """
    from precision.quantization import Policy, apply, claims
    from precision.quantization.apart import check_apart
    from precision.quantization.layers.flat import flat

    found = flat(model)
    if not is_pretrained(trial.architecture.name, trial.architecture.options):
        check_trainable(model, found)
    if is_foreign(trial):
        images = as_float(dataset.x_train[: claims.IMAGES])
        if found is not model:
            claims.check_same(model, found, images, "it is laid flat")
        check_apart(model, apply(model, Policy()) if found is model else found, images)
    return found


def check_trainable(source: Any, copy: Any = None) -> None:
    """Refuse to train a copy of a network in which layers share a variable: those of the copy would not.

    Args:
        copy: that was made; None for one that is to be made of every layer.

    Raises:
        PrecisionError: naming two such layers.
    """
    if copy is source or (copy is not None and len(copy.weights) == len(source.weights)):
        return
    holders: dict[int, Any] = {}
    for layer in source.layers:
        for variable in layer.weights:
            if (other := holders.setdefault(id(variable), layer)) is not layer:
                raise _parted(f"{other.name!r} and {layer.name!r} share the variable {variable.path!r}")
    if copy is not None:
        raise _parted("in it share a variable")


def _parted(layers: str) -> PrecisionError:
    return PrecisionError(
        f"layers {layers}, which training a copy of the network would part; call one layer twice, as "
        "keras.layers.ReversibleEmbedding with reverse=True, or round a trained network without training "
        "it (ptq)"
    )


def is_foreign(trial: Trial) -> bool:
    """Return whether a trial's network is not one of this project's."""
    name = trial.architecture.name
    return is_given(name) or not ARCHITECTURES.owner(name).builtin
