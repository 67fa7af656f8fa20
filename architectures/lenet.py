"""LeNet-5: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE, 1998.

    conv 32 5x5 same, pool 2, conv 48 5x5, pool 2, dense 256, dense 84, logits

The layout of the paper with more filters, maximum pooling and ReLU in place of averaging and tanh, as is
usual today. 369,174 weights at 28x28x1 and 10 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("lenet")
def lenet(input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0) -> keras.Model:
    """LeNet-5: two 5x5 convolutions, each pooled, then three dense layers."""
    from keras import layers

    return chain(
        "lenet",
        input_shape,
        [
            layers.Conv2D(scaled(32, width), 5, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(scaled(48, width), 5, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(256, width), activation="relu", name="dense1"),
            layers.Dense(scaled(84, width), activation="relu", name="dense2"),
            layers.Dense(classes, name="logits"),
        ],
    )
