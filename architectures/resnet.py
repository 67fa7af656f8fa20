"""ResNet for small images: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition",
CVPR 2016, section 4.2.

    conv 16, 3 stages of n blocks with 16, 32, 64 filters, global average pooling, logits

A block is two 3x3 convolutions, each followed by batch normalisation, around which an identity shortcut
leads. The first block of stages 2 and 3 halves the image; its shortcut has no weights either (option A:
subsampling, and zeros for the new channels). Depth 6n+2 counts the convolutions and the dense layer.

ResNet-20 (n = 3) at 28x28x1 and 10 classes has 269,434 trainable weights and 1,376 moving statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Predicate
from pydantic import Field

from architectures._options import Width, scaled
from precision.options import Rule
from precision.registry import ARCHITECTURES

if TYPE_CHECKING:
    import keras

Depth = Annotated[
    int,
    Field(ge=8),
    Predicate(lambda value: value % 6 == 2),
    Rule("6n+2 for an n of at least 1 (8, 14, 20, 32, 44, 56, 110)"),
]


@ARCHITECTURES.register("resnet")
def resnet(
    input_shape: tuple[int, int, int], classes: int, *, width: Width = 1.0, depth: Depth = 20
) -> keras.Model:
    """ResNet for small images: residual blocks in three stages; depth 6n+2, with ResNet-20 by default."""
    import keras
    from keras import layers

    from architectures._shortcut import SubsamplingShortcut

    def conv(x: Any, filters: int, strides: int, name: str) -> Any:
        # The normalisation that follows has an offset, so a bias would have no effect.
        return layers.Conv2D(
            filters,
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def norm(x: Any, name: str) -> Any:
        # The usual values for this network; with the momentum of Keras, 0.99, the moving statistics lag
        # hundreds of steps behind, which a short training does not make up for.
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)

    def relu(x: Any, name: str) -> Any:
        return layers.Activation("relu", name=name)(x)

    def block(x: Any, filters: int, strides: int, name: str) -> Any:
        shortcut = x if strides == 1 else SubsamplingShortcut(filters, name=f"{name}_shortcut")(x)
        x = norm(conv(x, filters, strides, f"{name}_conv1"), f"{name}_norm1")
        x = relu(x, f"{name}_relu1")
        x = norm(conv(x, filters, 1, f"{name}_conv2"), f"{name}_norm2")
        return relu(layers.Add(name=f"{name}_add")([x, shortcut]), f"{name}_relu2")

    inputs = keras.Input(input_shape, name="input")
    x = relu(norm(conv(inputs, scaled(16, width), 1, "conv1"), "norm1"), "relu1")
    for stage, filters in enumerate((16, 32, 64), start=1):
        for index in range(1, depth // 6 + 1):
            strides = 2 if stage > 1 and index == 1 else 1
            x = block(x, scaled(filters, width), strides, f"stage{stage}_block{index}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="resnet")
