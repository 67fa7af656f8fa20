"""Normalisations that keep the statistics of the baseline while the network goes on training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def freezing(model: Any, first: int) -> Callable[[int], None]:
    """Return what freezes the normalisations of a model when an epoch (from 1) begins; 0 is never."""
    from precision.quantization.layers.graph import parts

    def before(epoch: int) -> None:
        if epoch != first:
            return
        for layer in parts(model):
            if type(layer).__name__ == "BatchNormalization":
                layer.trainable = False
        model.make_train_function(force=True)  # traced anew, as what is trained has changed

    return before
