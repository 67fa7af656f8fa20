"""Networks from elsewhere are looked at a second time before a number is reported of them."""

from __future__ import annotations

from typing import Any

from architectures.given import is_given
from precision.data import Dataset, as_float
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
    """Return a flat network, see ``layers.flat``, that computes the same.

    Raises:
        PrecisionError: when it does not.
    """
    from precision.quantization import claims
    from precision.quantization.layers.flat import flat

    found = flat(model)
    if found is not model and is_foreign(trial):
        claims.check_same(model, found, as_float(dataset.x_train[: claims.IMAGES]), "it is laid flat")
    return found


def is_foreign(trial: Trial) -> bool:
    """Return whether a trial's network is not one of this project's."""
    name = trial.architecture.name
    return is_given(name) or not ARCHITECTURES.owner(name).builtin
