"""Networks with batch normalisations in the state that a training could leave, for tests of folding."""

import keras
import numpy as np
from keras import layers

import architectures
from precision.quantization.layers.flat import flat
from precision.quantization.layers.graph import Graph
from precision.quantization.layers.points import rounds_output

U = 2.0**-24  # of float32: rounding changes a number by at most this part of it
ULP = 2 * U


def randomise(model, seed=0):
    """Give every normalisation statistics and parameters as a training could leave them, and biases too."""
    random = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0, 1, size))
            layer.moving_variance.assign(random.uniform(0.05, 4, size))
            if layer.scale:
                layer.gamma.assign(random.normal(0, 1, size))  # of both signs
            if layer.center:
                layer.beta.assign(random.normal(0, 1, size))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(random.normal(0, 1, layer.bias.shape))
    return model


def samples(model, count=5, seed=1):
    random = np.random.default_rng(seed)
    return [random.normal(0, 1, (count, *x.shape[1:])).astype(np.float32) for x in model.inputs]


def outputs(model, inputs):
    """Return the outputs of a model as a flat list of arrays."""
    result = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(y) for y in keras.tree.flatten(result)]


def assert_points_stay(model, folded):
    model = flat(model)
    was, now = Graph(model), Graph(folded.model)
    for before, after in zip(model.layers, folded.model.layers, strict=True):
        assert before.name == after.name
        assert rounds_output(was, before) == rounds_output(now, after)
        assert was.reads_images(before) == now.reads_images(after)


def chain(shape, *stack, name="net"):
    x = inputs = keras.Input(shape, name="in")
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x, name=name)


def norm(**options):
    return layers.BatchNormalization(name="norm", **options)


IMAGE, SERIES, VOLUME = (9, 8, 3), (11, 4), (5, 4, 6, 2)
LINEAR = {
    "conv1d causal": lambda: (SERIES, layers.Conv1D(6, 3, padding="causal", name="layer"), norm()),
    "conv2d": lambda: (IMAGE, layers.Conv2D(6, 3, name="layer"), norm()),
    "conv2d without bias": lambda: (IMAGE, layers.Conv2D(6, 3, use_bias=False, name="layer"), norm()),
    "conv2d, groups, strides": lambda: (
        (9, 8, 4),
        layers.Conv2D(6, (3, 2), groups=2, strides=2, padding="same", name="layer"),
        norm(),
    ),
    "conv2d, dilation": lambda: (IMAGE, layers.Conv2D(3, 2, dilation_rate=2, name="layer"), norm(axis=3)),
    "conv3d": lambda: (VOLUME, layers.Conv3D(3, 2, name="layer"), norm()),
    "depthwise1d": lambda: (SERIES, layers.DepthwiseConv1D(3, name="layer"), norm()),
    "depthwise2d": lambda: (IMAGE, layers.DepthwiseConv2D(3, depth_multiplier=2, name="layer"), norm()),
    "separable1d": lambda: (SERIES, layers.SeparableConv1D(5, 3, depth_multiplier=2, name="layer"), norm()),
    "separable2d": lambda: (IMAGE, layers.SeparableConv2D(5, 3, use_bias=False, name="layer"), norm()),
    "transposed1d": lambda: (SERIES, layers.Conv1DTranspose(5, 3, strides=2, name="layer"), norm()),
    "transposed2d": lambda: (IMAGE, layers.Conv2DTranspose(3, 3, strides=2, name="layer"), norm()),
    "transposed2d, as many outputs as inputs, no bias": lambda: (
        IMAGE,
        layers.Conv2DTranspose(3, 2, padding="same", use_bias=False, name="layer"),
        norm(),
    ),
    "transposed3d": lambda: (VOLUME, layers.Conv3DTranspose(3, 2, name="layer"), norm()),
    "dense": lambda: ((7,), layers.Dense(6, name="layer"), norm()),
    "dense of a square kernel on a series": lambda: (SERIES, layers.Dense(4, name="layer"), norm(axis=-1)),
    "einsum without bias": lambda: (SERIES, layers.EinsumDense("abc,cd->abd", (11, 5), name="layer"), norm()),
    "einsum, ellipsis": lambda: (
        VOLUME,
        layers.EinsumDense("...x,xy->...y", 5, bias_axes="y", name="layer"),
        norm(),
    ),
    "einsum, ellipsis at the end": lambda: (
        (4, 3, 5),
        layers.EinsumDense("ax...,xy->ay...", 6, bias_axes="y", name="layer"),
        norm(axis=1),
    ),
    "einsum, two output axes, the bias on the other": lambda: (
        SERIES,
        layers.EinsumDense("abc,cde->abde", (11, 3, 5), bias_axes="d", name="layer"),
        norm(),
    ),
    "einsum, two output axes, the bias behind": lambda: (
        SERIES,
        layers.EinsumDense("abc,cde->abde", (11, 3, 5), bias_axes="e", name="layer"),
        norm(axis=2),
    ),
    "einsum, an axis of the input": lambda: (
        SERIES,
        layers.EinsumDense("abc,bcd->abd", (11, 5), bias_axes="bd", name="layer"),
        norm(axis=1),
    ),
    "no scale": lambda: (IMAGE, layers.Conv2D(6, 3, name="layer"), norm(scale=False)),
    "no centre": lambda: (IMAGE, layers.Conv2D(6, 3, name="layer"), norm(center=False)),
    "neither": lambda: (
        IMAGE,
        layers.Conv2D(6, 3, use_bias=False, name="layer"),
        norm(scale=False, center=False, epsilon=1e-5),
    ),
    "frozen": lambda: (IMAGE, layers.Conv2D(6, 3, trainable=False, name="layer"), norm(trainable=False)),
}


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return architectures.build("resnet", depth=8, width=0.5)


def trained(seed=0):
    model = network(seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss=loss, jit_compile=False)
    random = np.random.default_rng(seed)
    for _ in range(3):
        model.train_on_batch(random.random((16, 28, 28, 1)).astype(np.float32), np.arange(16) % 10)
    return model


def assert_close(model, folded):
    x = samples(model)
    for a, b in zip(outputs(model, x), outputs(folded, x), strict=True):
        assert a.shape == b.shape
        assert abs(a - b).max() <= 4 * ULP * max(abs(a).max(), 1)  # the parameters are around 1
