"""AlexNet for small images: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep
convolutional neural networks", NIPS 2012.

    3 x (conv 64 / 128 / 256 3x3 same, pool 2 same, local response normalisation, dropout 0.2),
    dense 1024, dense 1024, logits

The ideas of the paper (ReLU, local response normalisation, dropout, two wide dense layers) at the size of
small images. 5,624,842 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("alexnet")
def alexnet(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """AlexNet for small images: three normalised convolution blocks, then two wide dense layers."""
    from keras import layers

    from architectures._normalisation import LocalResponseNormalization

    stack = []
    for block, filters in enumerate((64, 128, 256), start=1):
        stack += [
            layers.Conv2D(scaled(filters, width), 3, padding="same", activation="relu", name=f"conv{block}"),
            layers.MaxPooling2D(2, padding="same", name=f"pool{block}"),
            LocalResponseNormalization(name=f"norm{block}"),
            layers.Dropout(0.2, name=f"dropout{block}"),
        ]
    stack += [
        layers.Flatten(name="flatten"),
        layers.Dense(scaled(1024, width), activation="relu", name="dense1"),
        layers.Dense(scaled(1024, width), activation="relu", name="dense2"),
        layers.Dense(classes, name="logits"),
    ]
    return chain("alexnet", input_shape, stack)
