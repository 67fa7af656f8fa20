"""A perceptron with one hidden layer: D. Rumelhart, G. Hinton, R. Williams, "Learning representations by
back-propagating errors", Nature 323, 1986; at the size of the beginners' tutorials of TensorFlow.

    dense 128, logits

Vectors pass ``flatten`` as they are. 101,770 weights at 28x28x1 and 10 classes, 1,027 at 4 features and 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from architectures._chain import chain
from architectures._options import Width, scaled
from precision.registry import ARCHITECTURES, takes_any

if TYPE_CHECKING:
    import keras


@ARCHITECTURES.register("mlp")
@takes_any
def mlp(input_shape: tuple[int, ...], classes: int, *, width: Width = 1.0) -> keras.Model:
    """A perceptron with one hidden layer."""
    from keras import layers

    return chain(
        "mlp",
        input_shape,
        [
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(128, width), activation="relu", name="dense1"),
            layers.Dense(classes, name="logits"),
        ],
    )
