"""A small network with large windows, cheap enough for bit-exact inference; it follows no paper.

    conv 8 5x5, conv 8 5x5, pool 2, dense 128, logits

Convolutions without padding, ReLU everywhere. 105,634 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("two_conv")
def two_conv(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """Two narrow 5x5 convolutions and one dense layer: small enough for bit-exact inference."""
    from keras import layers

    return chain(
        "two_conv",
        input_shape,
        [
            layers.Conv2D(scaled(8, width), 5, activation="relu", name="conv1"),
            layers.Conv2D(scaled(8, width), 5, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(128, width), activation="relu", name="dense1"),
            layers.Dense(classes, name="logits"),
        ],
    )
