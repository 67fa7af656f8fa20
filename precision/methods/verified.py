"""Networks from elsewhere are looked at a second time before a number is reported of them."""

from __future__ import annotations

from typing import Any

from architectures.given import is_given
from precision.data import Dataset, as_float
from precision.registry import ARCHITECTURES
from precision.trial import Trial


def verify(trial: Trial, model: Any, dataset: Dataset) -> None:
    """Refuse a network that does not compute what its policy says, see ``quantization.claims``.

    The networks of this project are left out: the tests look at them, and a look takes seconds.

    Args:
        model: the network of the trial under its policy, as ``quantization.apply`` made it.

    Raises:
        PrecisionError: naming the layer.
    """
    from precision.quantization import claims

    name = trial.architecture.name
    if is_given(name) or not ARCHITECTURES.owner(name).builtin:
        claims.check(model, as_float(dataset.x_train[: claims.IMAGES]))
