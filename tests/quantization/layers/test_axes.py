"""Axes of kernels: which entries have a scale each, as the documentation says it."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from precision.quantization import apply, parse_policy
from precision.quantization.layers.axes import channel_axis, contraction_axis, scale_axis
from precision.quantization.stored import stored_variables

DOCS = Path(__file__).parents[3] / "docs"
RULE = (
    "The channels of a variable lie along the last axis, but those of depthwise kernels (height, width, "
    "channels, multiplier) and of transposed convolutions (height, width, outputs, inputs) along the last "
    "but one: all outputs that a depthwise layer makes of one channel share its scale."
)
POLICY = {"weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"}}


@pytest.mark.parametrize("page", ["packing.md", "policies.md"])
def test_the_pages_say_the_same_of_channels(page):
    assert RULE in " ".join((DOCS / page).read_text().split())


@pytest.mark.parametrize(
    ("layer", "axis", "size"),
    [
        (layers.Conv2D(5, 3), -1, 5),
        (layers.Dense(4), -1, 4),
        (layers.Conv2DTranspose(5, 3), -2, 5),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), -2, 3),
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), -2, 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_channels_of_a_kernel(layer, axis, size):
    layer.build((None, 6, 6, 3))
    kernel = layer.weights[0]
    assert channel_axis(layer, kernel) == scale_axis(layer, kernel, per_channel=True) == axis
    assert kernel.shape[axis] == size
    assert scale_axis(layer, kernel, per_channel=False) == contraction_axis(layer, kernel)
    bias = layer.weights[-1]
    assert channel_axis(layer, bias) == contraction_axis(layer, bias) == -1


def test_the_outputs_of_one_channel_of_a_depthwise_layer_share_its_scale():
    layer = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="depthwise")
    model = keras.Sequential([keras.Input((6, 6, 3)), layer])
    # A step of a channel is a seventh of its largest magnitude, which its first output has.
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[0, 0] = np.array([[7, 2.4], [14, 4.8], [28, 9.6]])
    layer.kernel.assign(kernel)
    [stored] = stored_variables(model, parse_policy(POLICY))
    assert (stored.axis, stored.scales) == (-2, 3)
    wrapped = apply(model, parse_policy(POLICY)).get_layer("depthwise")
    quantizer = wrapped.quantizers["weights"]
    assert quantizer.scale.channels == 3
    rounded = keras.ops.convert_to_numpy(quantizer(wrapped.variable_of("weights"), stored.axis))
    np.testing.assert_array_equal(rounded[0, 0], [[7, 2], [14, 4], [28, 8]])
    assert not rounded[1:].any()
