"""LeNet-5 with pointwise convolutions: the dense head of LeNet behind the 1x1 convolutions of M. Lin,
Q. Chen, S. Yan, "Network in network", ICLR 2014.

    conv 64 1x1, conv 32 1x1, pool 2, conv 16 1x1, conv 8 3x3, pool 2, conv 4 3x3, pool 2,
    dense 128, dense 64, logits

The 3x3 convolutions have no padding; pooling has stride 1 and padding, so the image keeps its size. ReLU
everywhere. 308,134 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("pointwise_lenet")
def pointwise_lenet(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """A LeNet of 1x1 and 3x3 convolutions that narrows the channels and hardly the image."""
    from keras import layers

    def conv(index: int, filters: int, size: int) -> keras.Layer:
        return layers.Conv2D(scaled(filters, width), size, activation="relu", name=f"conv{index}")

    def pool(index: int) -> keras.Layer:
        return layers.MaxPooling2D(2, strides=1, padding="same", name=f"pool{index}")

    return chain(
        "pointwise_lenet",
        input_shape,
        [
            conv(1, 64, 1),
            conv(2, 32, 1),
            pool(1),
            conv(3, 16, 1),
            conv(4, 8, 3),
            pool(2),
            conv(5, 4, 3),
            pool(3),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(128, width), activation="relu", name="dense1"),
            layers.Dense(scaled(64, width), activation="relu", name="dense2"),
            layers.Dense(classes, name="logits"),
        ],
    )
