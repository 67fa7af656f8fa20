"""Axes of kernels: which entries have a scale each, as the documentation says it."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from precision.quantization import apply, parse_policy
from precision.quantization.layers.axes import channel_axis, contraction_axis, scale_axis
from precision.quantization.layers.channels import as_columns, axes, count, shape_along
from precision.quantization.stored import stored_variables

DOCS = Path(__file__).parents[3] / "docs"
RULE = (
    "The channels of a variable are the output channels of its layer: the last axis of dense and convolution "
    "kernels and of tables of embeddings, the last but one of transposed convolutions (height, width, "
    "outputs, inputs), every pair of the last two axes of depthwise kernels (height, width, channels, "
    "multiplier), and of an einsum all axes that its kernel shares with its output, which for the "
    "projections of an attention is every pair of a head and a place in it."
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
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (-2, -1), 6),
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), (-2, -1), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_channels_of_a_kernel(layer, axis, size):
    layer.build((None, 6, 6, 3))
    kernel = layer.weights[0]
    assert channel_axis(layer, kernel) == scale_axis(layer, kernel, per_channel=True) == axis
    assert count(axis, kernel.shape) == size
    assert scale_axis(layer, kernel, per_channel=False) == contraction_axis(layer, kernel)
    bias = layer.weights[-1]
    assert channel_axis(layer, bias) == contraction_axis(layer, bias) == -1


LAYERS = [
    (layers.Dense(4), (3,)),
    (layers.Conv1D(4, 2, groups=2), (5, 6)),
    (layers.Conv2D(4, 2, dilation_rate=2), (5, 5, 3)),
    (layers.Conv3D(2, 2), (3, 3, 3, 2)),
    (layers.Conv1DTranspose(4, 2), (4, 3)),
    (layers.Conv2DTranspose(4, 2, strides=2), (3, 3, 3)),
    (layers.DepthwiseConv1D(2, depth_multiplier=3), (4, 2)),
    (layers.DepthwiseConv2D(2), (4, 4, 3)),
    (layers.DepthwiseConv2D(2, depth_multiplier=2), (4, 4, 3)),
    (layers.EinsumDense("ab,bc->ac", 4), (3,)),
    (layers.EinsumDense("ab,cb->ac", 4), (3,)),
    (layers.EinsumDense("abc,cde->abde", (2, 3, 2)), (2, 4)),
    (layers.EinsumDense("abc,dce->abed", (2, 2, 3)), (2, 4)),
    (layers.EinsumDense("abcd,cde->abe", (2, 5)), (2, 3, 4)),
    (layers.EinsumDense("abc,bcd->abd", (2, 5)), (2, 3)),
    (layers.EinsumDense("ab,b->a", ()), (3,)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda x: str(getattr(x, "name", x)))
def test_values_share_a_scale_that_lead_to_the_same_outputs(layer, shape):
    """Which outputs change when one value of the kernel does, found by changing every one of them."""
    layer = type(layer).from_config(layer.get_config())  # the same for every run of this test
    model = keras.Sequential([keras.Input(shape), layer])
    x = np.random.default_rng(1).uniform(1, 2, (2, *shape)).astype(np.float32)
    kernel = layer.weights[0]
    size = int(np.prod(kernel.shape))
    positions = []
    for place in range(size):
        one = np.zeros(size, np.float32)
        one[place] = 1
        layer.set_weights([one.reshape(kernel.shape), *[0 * w for w in layer.get_weights()[1:]]])
        changed = np.asarray(model(x)) != 0
        if not isinstance(layer, layers.EinsumDense):  # an image has its channels last
            changed = changed.any(axis=tuple(range(changed.ndim - 1)))
        positions.append(changed[0].tobytes() if isinstance(layer, layers.EinsumDense) else changed.tobytes())
    numbers = np.unique(positions, return_inverse=True)[1].reshape(kernel.shape)
    columns = as_columns(numbers, channel_axis(layer, kernel))
    assert (columns == columns[:1]).all()  # one group of outputs for a channel
    assert len(np.unique(columns[0])) == columns.shape[1]  # and no other channel has it


def test_channels_along_several_axes_are_counted_in_the_order_of_the_array():
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert axes((-1, 1), 4) == (1, 3) and count((-1, 1), array.shape) == 15
    columns = as_columns(array, (-1, 1))
    for i, j in np.ndindex(3, 5):
        assert sorted(columns[:, i * 5 + j]) == sorted(array[:, i, :, j].ravel())
    along = np.arange(15).reshape(shape_along((-1, 1), array.shape))
    assert np.broadcast_to(along, array.shape)[1, 2, 3, 4] == 14
    assert shape_along(-1, (None, None, 4)) == (-1,)


@pytest.mark.parametrize("scaling", ["real", "pow2"])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda x: str(getattr(x, "name", x)))
def test_every_channel_is_rounded_with_its_own_scale(layer, shape, scaling):
    layer = type(layer).from_config({**layer.get_config(), "name": "layer"})
    model = keras.Sequential([keras.Input(shape), layer])
    kernel = np.random.default_rng(2).normal(0, 1, layer.weights[0].shape).astype(np.float32)
    layer.set_weights([kernel, *[0 * w for w in layer.get_weights()[1:]]])
    setting = {"format": "int(4,symmetric=true)", "scaling": scaling, "per": "channel"}
    policy = parse_policy({"weights": setting})
    stored = stored_variables(model, policy)[0]
    columns = as_columns(kernel, stored.axis)
    assert stored.scales == columns.shape[1]
    steps = np.abs(columns).max(axis=0).astype(np.float64) / (7 if scaling == "real" else 8)
    if scaling == "pow2":
        steps = 2.0 ** np.ceil(np.log2(steps))
    wanted = np.clip(np.rint(columns / steps), -7, 7) * steps
    wrapped = apply(model, policy).get_layer("layer")
    rounded = keras.ops.convert_to_numpy(wrapped.quantizers["weights"](kernel, stored.axis))
    np.testing.assert_allclose(as_columns(rounded, stored.axis), wanted, rtol=1e-6)
