"""The small network of many introductions to two-class problems such as cats and dogs; it follows no paper.

    conv 32 3x3, pool 2, conv 32 3x3, pool 2, dense 64, logits

Convolutions without padding, ReLU everywhere. Two classes are two logits, as in every other network, so one
loss and one metric serve all. 60,962 weights at 28x28x1 and 2 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("binary_cnn")
def binary_cnn(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """Two pooled 3x3 convolutions and one dense layer, made for two classes but good for any number."""
    from keras import layers

    return chain(
        "binary_cnn",
        input_shape,
        [
            layers.Conv2D(scaled(32, width), 3, activation="relu", name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(scaled(32, width), 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(64, width), activation="relu", name="dense1"),
            layers.Dense(classes, name="logits"),
        ],
    )
