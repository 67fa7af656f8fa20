"""The one way in which most networks are put together: each layer feeds the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def chain(name: str, input_shape: tuple[int, ...], layers: Iterable[keras.Layer]) -> keras.Model:
    """Return a functional model, as the branching networks are, of which each layer feeds the next."""
    import keras

    x = inputs = keras.Input(input_shape, name="input")
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name=name)
