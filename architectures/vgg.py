"""VGG for small images: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015.

    2 x conv 64, pool 2, 2 x conv 128, pool 2, 4 x conv 256, pool 2, dropout 0.2, dense 1024, logits

All convolutions 3x3 same with ReLU, no batch normalisation. 4,694,986 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras

# The default of Keras (Glorot) halves the power of the signal at each ReLU; eight of them in a row leave so
# little that for some seeds the loss never falls below that of guessing.
INITIALIZER = "he_uniform"


@ARCHITECTURES.register("vgg")
def vgg(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """VGG for small images: eight 3x3 convolutions in three pooled groups, no batch normalisation."""
    from keras import layers

    stack = []
    for block, (filters, repeats) in enumerate(((64, 2), (128, 2), (256, 4)), start=1):
        stack += [
            layers.Conv2D(
                scaled(filters, width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=INITIALIZER,
                name=f"block{block}_conv{index + 1}",
            )
            for index in range(repeats)
        ]
        stack.append(layers.MaxPooling2D(2, name=f"block{block}_pool"))
    stack += [
        layers.Dropout(0.2, name="dropout"),
        layers.Flatten(name="flatten"),
        layers.Dense(scaled(1024, width), activation="relu", kernel_initializer=INITIALIZER, name="dense1"),
        layers.Dense(classes, name="logits"),
    ]
    return chain("vgg", input_shape, stack)
