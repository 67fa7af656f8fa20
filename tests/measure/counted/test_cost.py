"""Counts of what a network computes, against counts by hand, TensorFlow's profiler and brute force."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import architectures
from precision.errors import PrecisionError
from precision.measure.counted.cost import IMAGES, layer_costs
from precision.measure.counted.packed import weight_memory
from precision.quantization import parse_policy


def by_name(model, **options):
    return {cost.name: cost for cost in layer_costs(model, **options)}


def test_lenet_by_hand():
    costs = by_name(architectures.build("lenet"))
    macs = {name: cost.macs for name, cost in costs.items() if cost.macs}
    assert macs == {
        "conv1": 28 * 28 * 32 * (5 * 5 * 1),  # padding "same"
        "conv2": 10 * 10 * 48 * (5 * 5 * 32),
        "dense1": 5 * 5 * 48 * 256,
        "dense2": 256 * 84,
        "logits": 84 * 10,
    }
    assert sum(macs.values()) == 4_796_744
    assert (costs["conv2"].weights, costs["conv2"].biases) == (5 * 5 * 32 * 48, 48)
    assert costs["conv2"].biased == 10 * 10 * 48
    # The convolution and its pooling are one step: what passes between them is not moved.
    assert costs["conv1"].outputs == 0
    assert costs["pool1"].outputs == 14 * 14 * 32
    assert costs["pool1"].inputs == 0
    assert costs["conv1"].reads == ((IMAGES, 28 * 28),)
    assert costs["conv2"].reads == (("pool1", 14 * 14 * 32),)
    assert costs["dense1"].reads == (("pool2", 5 * 5 * 48),)  # past the flattening
    assert costs["flatten"].inputs == costs["flatten"].outputs == 0
    assert costs["logits"].outputs == 10


def test_resnet8_by_hand():
    costs = by_name(architectures.build("resnet", depth=8))
    macs = [cost.macs for cost in costs.values() if cost.kind in ("Conv2D", "Dense")]
    assert macs == [
        28 * 28 * 16 * 9,
        28 * 28 * 16 * 9 * 16,
        28 * 28 * 16 * 9 * 16,
        14 * 14 * 32 * 9 * 16,
        14 * 14 * 32 * 9 * 32,
        7 * 7 * 64 * 9 * 32,
        7 * 7 * 64 * 9 * 64,
        64 * 10,
    ]
    assert sum(cost.macs for cost in costs.values()) == sum(macs)
    norm = costs["stage1_block1_norm2"]
    assert (norm.weights, norm.biases, norm.statistics, norm.biased) == (16, 16, 32, 0)
    # An addition reads both branches; the shortcut comes from two blocks before.
    assert costs["stage1_block1_add"].reads == (
        ("stage1_block1_norm2", 28 * 28 * 16),
        ("relu1", 28 * 28 * 16),
    )
    assert costs["stage1_block1_add"].outputs == 0
    assert costs["stage1_block1_relu2"].outputs == 28 * 28 * 16


def test_exempt_additions_are_one_step_with_what_they_add():
    costs = by_name(architectures.build("resnet", depth=8), exempt=["additions"])
    assert costs["stage1_block1_norm2"].outputs == 0
    assert costs["stage1_block1_add"].reads == (("relu1", 28 * 28 * 16),)


def profiled_macs(model):
    """Half the operations that TensorFlow counts in convolutions and matrix products, for one image."""
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    concrete = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    graph = convert_variables_to_constants_v2(concrete).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    found, stack = 0, [profile]
    while stack:
        node = stack.pop()
        stack += list(node.children)
        if node.name in ("Conv2D", "MatMul", "DepthwiseConv2dNative"):
            found += node.float_ops
    return found // 2


MODELS = {
    "lenet": lambda: architectures.build("lenet"),
    "basic_cnn": lambda: architectures.build("basic_cnn", width=0.5),
    "alexnet": lambda: architectures.build("alexnet", width=0.125),
    "resnet": lambda: architectures.build("resnet", depth=8, input_shape=(33, 29, 3)),
    "vgg": lambda: architectures.build("vgg", width=0.1),
    "depthwise": lambda: keras.Sequential(
        [
            keras.Input((20, 18, 6)),
            keras.layers.DepthwiseConv2D(3, strides=2, depth_multiplier=3, padding="same"),
            keras.layers.SeparableConv2D(5, 3, depth_multiplier=2),
            keras.layers.Conv2D(4, 3, use_bias=False),
        ]
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_profiler_of_tensorflow_counts_the_same(name):
    model = MODELS[name]()
    # TensorFlow computes the response normalisation as a product with a matrix of ones, which is none here.
    normalised = [one.output.shape for one in model.layers if type(one).__name__.startswith("LocalResponse")]
    more = sum(math.prod(shape[1:]) * shape[-1] for shape in normalised)
    assert sum(cost.macs for cost in layer_costs(model)) + more == profiled_macs(model) > 0


LAYERS = {
    "dense": ((7,), lambda: keras.layers.Dense(3)),
    "dense on a sequence": ((5, 7), lambda: keras.layers.Dense(3)),
    "einsum": ((5, 7), lambda: keras.layers.EinsumDense("abc,cde->abde", (5, 2, 3))),
    "einsum with an ellipsis": (
        (4, 5, 7),
        lambda: keras.layers.EinsumDense("...c,cd->...d", (4, 5, 3)),
    ),
    "conv1": ((9, 2), lambda: keras.layers.Conv1D(3, 4, strides=2)),
    "conv2": ((9, 8, 2), lambda: keras.layers.Conv2D(3, (3, 2))),
    "groups": ((9, 8, 4), lambda: keras.layers.Conv2D(6, 3, groups=2)),
    "dilated": ((9, 9, 2), lambda: keras.layers.Conv2D(3, 3, dilation_rate=2)),
    "conv3": ((5, 4, 6, 2), lambda: keras.layers.Conv3D(2, 3)),
    "transposed": ((4, 5, 2), lambda: keras.layers.Conv2DTranspose(3, 3, strides=2)),
    "depthwise": ((6, 5, 2), lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_products_of_ones_add_up_to_their_number(name):
    """With kernels and images of ones each product is 1, so the sum of all results is the number of MACs."""
    shape, layer = LAYERS[name]
    model = keras.Sequential([keras.Input(shape), layer()])
    made = model.layers[0]
    made.kernel.assign(np.ones(made.kernel.shape))
    results = model(np.ones((1, *shape), np.float32)).numpy()
    assert layer_costs(model)[0].macs == results.sum() > 0


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one():
    separable = keras.Sequential(
        [keras.Input((9, 8, 3)), keras.layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2)]
    )
    parts = keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            keras.layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
            keras.layers.Conv2D(5, 1),
        ]
    )
    assert layer_costs(separable)[0].macs == sum(cost.macs for cost in layer_costs(parts))


def test_a_layer_that_is_called_twice_counts_twice():
    inputs = keras.Input((8,))
    dense = keras.layers.Dense(8, name="twice")
    model = keras.Model(inputs, dense(dense(inputs)))
    (cost,) = layer_costs(model)
    assert (cost.macs, cost.weights, cost.biased, cost.outputs) == (2 * 64, 64, 16, 16)
    assert cost.reads == ((IMAGES, 8), ("twice", 8))


def test_padding_and_cropping_read_what_there_is():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.ZeroPadding2D(2),
            keras.layers.Conv2D(1, 3, name="padded"),
            keras.layers.Cropping2D(1),
            keras.layers.Conv2D(1, 1, name="cropped"),
        ]
    )
    costs = by_name(model)
    assert costs["padded"].reads == ((IMAGES, 16),)
    assert costs["cropped"].reads == (("padded", 16),)  # of the 36 that were made


def test_branches_are_read_together():
    inputs = keras.Input((4,))
    a = keras.layers.Dense(3, name="a")(inputs)
    b = keras.layers.Dense(5, name="b")(inputs)
    both = keras.layers.Concatenate()([a, b])
    costs = by_name(keras.Model(inputs, keras.layers.Dense(2, name="out")(both)))
    assert costs["out"].reads == (("a", 3), ("b", 5))


def test_stored_values_are_those_of_the_memory():
    model = architectures.build("resnet", depth=8)
    costs = layer_costs(model)
    stored = sum(cost.weights + cost.biases + cost.statistics for cost in costs)
    assert stored == weight_memory(model, parse_policy("float16")).parameters


def test_a_layer_of_another_kind_is_marked():
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm")])
    (cost,) = layer_costs(model)
    assert not cost.counted and cost.weights == 3 * 16 + 4 * 16


def test_element_by_element_weights_are_no_products_of_a_sum():
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), keras.layers.PReLU(), keras.layers.GroupNormalization(2)]
    )
    assert all(cost.macs == 0 and cost.counted for cost in layer_costs(model))


def test_images_of_any_size_have_no_cost():
    model = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(PrecisionError, match="'conv' need images of a fixed size"):
        layer_costs(model)


def test_a_model_without_a_shape():
    with pytest.raises(PrecisionError, match="need a built model"):
        layer_costs(keras.Sequential([keras.layers.Dense(2)]))


def test_depthwise_by_hand():
    model = keras.Sequential([keras.Input((10, 10, 4)), keras.layers.DepthwiseConv2D(3, depth_multiplier=2)])
    assert layer_costs(model)[0].macs == 8 * 8 * (4 * 2) * 9 == math.prod((8, 8, 8, 9))
