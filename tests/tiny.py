"""A network with one normalisation that is built in no time, for tests that run whole trials."""

import contextlib

import keras

from precision.registry import ARCHITECTURES


@contextlib.contextmanager
def registered(name="tiny", own=True):
    """File it as an architecture.

    Args:
        own: as one of the project's own; each of the others is looked at a second time, which takes as long
            as a small training, see ``methods.verified``.
    """

    def tiny(input_shape, classes):
        x = inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False, name="conv")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        x = keras.layers.Flatten(name="flatten")(keras.layers.ReLU(name="relu")(x))
        return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x))

    if own:
        ARCHITECTURES.add(name, tiny, ARCHITECTURES.owner("mlp"))
    else:
        ARCHITECTURES.register(name)(tiny)
    yield
    ARCHITECTURES.remove(name)
