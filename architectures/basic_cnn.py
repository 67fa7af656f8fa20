"""The network of the "Simple MNIST convnet" example of Keras (F. Chollet, 2015), in its first version.

    conv 32 3x3, conv 64 3x3, pool 2, dropout 0.25, dense 128, dropout 0.5, logits

Convolutions without padding, ReLU everywhere. 1,199,882 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("basic_cnn")
def basic_cnn(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """Two 3x3 convolutions, one pooling, one wide dense layer, with dropout."""
    from keras import layers

    return chain(
        "basic_cnn",
        input_shape,
        [
            layers.Conv2D(scaled(32, width), 3, activation="relu", name="conv1"),
            layers.Conv2D(scaled(64, width), 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Dropout(0.25, name="dropout1"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(128, width), activation="relu", name="dense1"),
            layers.Dropout(0.5, name="dropout2"),
            layers.Dense(classes, name="logits"),
        ],
    )
