"""Networks of published experiments that are no family of ``architectures/``."""

from typing import Annotated

from annotated_types import Len
from pydantic import Field

from architectures._options import Width, scaled
from precision.options import Rule
from precision.registry import ARCHITECTURES, takes_any

Units = Annotated[int, Field(ge=1)]
Hidden = Annotated[list[Units], Len(min_length=1), Rule("a list of numbers of units, each above 0")]


@ARCHITECTURES.register("perceptron")
@takes_any
def perceptron(input_shape, classes, *, hidden: Hidden, width: Width = 1.0):
    """Dense layers with rectifiers, as many as ``hidden`` has numbers, and the logits."""
    import keras
    from keras import layers

    x = inputs = keras.Input(input_shape, name="input")
    x = layers.Flatten(name="flatten")(x)
    for number, units in enumerate(hidden, 1):
        x = layers.Dense(scaled(units, width), activation="relu", name=f"dense{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="perceptron")


@ARCHITECTURES.register("tfc")
@takes_any
def tfc(input_shape, classes, *, width: Width = 1.0):
    """TFC of BNN-PYNQ: three dense layers of 64 with normalisation and dropout, made for one and two bits.

    Its activation function is the hard tanh, of which one bit is the sign. Weights are drawn from -1 to 1
    and stay there. Dense layers have no bias. The logits are normalised, because sums of 64 signs are large.
    """
    import keras
    from keras import layers

    def dense(units, name):
        # A norm over no axis is the magnitude of each weight.
        return layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomUniform(-1, 1),
            kernel_constraint=keras.constraints.MaxNorm(1.0, axis=[]),
            name=name,
        )

    x = inputs = keras.Input(input_shape, name="input")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.2, name="dropout0")(x)
    for number in (1, 2, 3):
        x = dense(scaled(64, width), f"dense{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.Activation("hard_tanh", name=f"tanh{number}")(x)
        x = layers.Dropout(0.2, name=f"dropout{number}")(x)
    x = dense(classes, "dense4")(x)
    return keras.Model(inputs, layers.BatchNormalization(name="logits")(x), name="tfc")
