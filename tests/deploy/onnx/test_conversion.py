"""Files of ONNX, run by ONNX Runtime, against the emulation that they are written from."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from architectures._shortcut import SubsamplingShortcut
from precision.deploy.onnx.agreement import agreement, emulated
from precision.deploy.onnx.conversion import onnx_file
from precision.deploy.onnx.file import stored
from precision.deploy.onnx.predictor import OnnxPredictor
from precision.errors import PrecisionError
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.model import wrapped

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.random((6, 9, 8, 2)).astype(np.float32)
FIXED = parse_policy("fixed(8,5)")
INT8 = parse_policy("int8")


def quantised(model, policy):
    wanted = calibrated(model, policy)
    observed = Calibrator(model, IMAGES).statistics(wanted, values=False) if wanted else {}
    return apply(model, policy, observed=observed)


def stirred(model):
    """Return a model whose statistics and biases are not those of an initialisation."""
    random = np.random.default_rng(7)
    for variable in model.weights:
        shift = np.abs if variable.path.endswith(("gamma", "variance")) else np.asarray
        if "kernel" not in variable.path:
            variable.assign(shift(random.normal(0.1, 0.2, variable.shape)))
    return model


def behind(way, shape=IMAGES.shape[1:]):
    """Return a network with something behind a convolution."""
    keras.utils.set_random_seed(2)
    x = keras.Input(shape)
    y = way(layers.Conv2D(4, 3, padding="same", name="a")(x))
    return stirred(keras.Model(x, layers.Dense(3, name="logits")(layers.Flatten()(y))))


def chain(*inner):
    def way(y):
        for layer in inner:
            y = layer(y)
        return y

    return way


def side_by_side(y):
    """A residual connection, tensors along two axes, the larger of two."""
    y = keras.ops.relu(layers.Conv2D(4, 3, padding="same", name="b")(layers.ReLU()(y)) + y)
    y = layers.Concatenate(1)([y, layers.ReLU()(y), y])
    y = layers.Concatenate()([y, layers.Conv2D(2, 1, name="c")(y)])
    return layers.Maximum()([layers.ReLU()(y), y])


def shortcut(y):
    """A layer of one's own that only moves values, of an even and an odd size."""
    return SubsamplingShortcut(7)(layers.ReLU()(y))


def one_layer_twice(y):
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    return layers.SpatialDropout2D(0.5)(shared(layers.Dropout(0.5)(shared(y))))


WAYS = {
    "strided at the edges": chain(
        layers.Conv2D(3, 3, strides=2, padding="same", activation="relu6"),
        layers.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same", name="depth"),
        layers.MaxPooling2D(3, 2, padding="same"),
    ),
    "wide, dilated and grouped": chain(
        layers.Conv2D(4, 3, dilation_rate=2, padding="same", use_bias=False),
        layers.Conv2D(4, (4, 2), strides=3, padding="same"),
        layers.Conv2D(4, 2, groups=2),
        layers.ReLU(max_value=1.5),
    ),
    "averaged": chain(
        layers.AveragePooling2D(3, 2, padding="same"),
        layers.AveragePooling2D(2),
        layers.GlobalAveragePooling2D(keepdims=True),
    ),
    "normalised": chain(
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.BatchNormalization(scale=False, center=False),
    ),
    "normalised vectors": chain(
        layers.GlobalMaxPooling2D(),
        layers.Dense(6, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
    ),
    "moved": chain(
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.Conv2D(2, 3),
        layers.Cropping2D(((0, 1), (1, 0))),
        layers.Reshape((7, 16)),
        layers.Permute((2, 1)),
        layers.Conv1D(3, 3, padding="causal"),
        layers.Dense(4),
    ),
    "moved by operations": chain(
        lambda y: keras.ops.transpose(y, (0, 2, 1, 3))[:, 1:, ::2],
        lambda y: keras.ops.reshape(y, (-1, y.shape[1] * y.shape[2], 4)),
    ),
    "side by side": side_by_side,
    "shortcut": shortcut,
    "a layer that is called twice": one_layer_twice,
}


@pytest.mark.parametrize("name", WAYS)
def test_fixed_point_has_the_bits_of_the_emulation(name):
    """Its sums of products are exact in float32, and its scales powers of two: nothing is left to chance."""
    model = quantised(behind(WAYS[name]), FIXED)
    file = onnx_file(model, FIXED)
    found = agreement(emulated(model, file), OnnxPredictor(file, kernels="as_written"), IMAGES)
    # A normalisation divides, in an order that is the runtime's.
    assert found.largest <= 1 if name.startswith("normalised") else found.differing == 0
    assert found.classes == found.images == len(IMAGES) and len(found.tensors) > 2
    assert sum(tensor.values for tensor in found.tensors) > 500


@pytest.mark.parametrize("name", ["strided at the edges", "side by side", "averaged"])
def test_scaled_integers_differ_by_at_most_one_code(name):
    """As they are written, and in integer kernels."""
    model = quantised(behind(WAYS[name]), INT8)
    for kernels in ("as_written", "fused"):
        file = onnx_file(model, INT8, int32_biases=kernels == "fused")
        found = agreement(emulated(model, file), OnnxPredictor(file, kernels=kernels, threads=1), IMAGES)
        assert found.alone <= 1 and found.largest <= 3
        assert found.differing <= 0.01 * sum(tensor.values for tensor in found.tensors)
        assert (found.first == "") == (found.differing == 0)


SCALED = {"scaling": "real"}
POLICIES = {
    "4 bits": ({"format": "int(4)", **SCALED, "per": "channel"}, {"format": "uint(4)", **SCALED}),
    "6 bits": ({"format": "int(6)", "scaling": "pow2"}, {"format": "int(6)", **SCALED, "zero_point": True}),
    "12 bits": ({"format": "int(12)", **SCALED}, {"format": "int(12)", **SCALED}),
    "16 bits": ({"format": "int(16)", **SCALED}, {"format": "int(16)", **SCALED}),
    "symmetric": (
        {"format": "int(8,symmetric=true)", **SCALED, "per": "channel"},
        {"format": "int(8,symmetric=true)", **SCALED},
    ),
    "each channel": ({"format": "int(8)", **SCALED}, {"format": "int(8)", **SCALED, "per": "channel"}),
    "float8_e4m3fn": ("float8_e4m3fn", "float8_e4m3fn"),
    "scaled float8_e4m3fn": (
        {"format": "float8_e4m3fn", **SCALED, "per": "channel"},
        {"format": "float8_e4m3fn", "scaling": "pow2"},
    ),
    "float8_e5m2": ("float8_e5m2(overflow=saturate)", "float(5,2,overflow=saturate)"),
    "float8 each channel": ("float8_e4m3fn", {"format": "float8_e5m2", **SCALED, "per": "channel"}),
    "float16": ("float16", "float16"),
    "bfloat16": ("bfloat16", "bfloat16"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_every_format_that_onnx_has(name):
    weights, activations = POLICIES[name]
    slots = {"weights": weights, "activations": activations, "inputs": activations}
    policy = parse_policy(slots | ({} if isinstance(weights, dict) else {"biases": weights}))
    model = quantised(behind(WAYS["strided at the edges"]), policy)
    file = onnx_file(model, policy)
    compute = functools.cache(lambda _: emulated(model, file)(IMAGES))
    for kernels in ("as_written", "fused"):
        found = agreement(lambda _: compute(0), OnnxPredictor(file, kernels=kernels), IMAGES)
        values = sum(tensor.values for tensor in found.tensors)
        # Biases in units of sums of weights of 4 bits are coarse, which fused kernels have.
        assert values > 500 and found.differing <= (0.01 if kernels == "as_written" else 0.05) * values
        # A code, or the distance of two neighbours in the format.
        assert found.alone <= (1 if all(tensor.codes for tensor in file.points) else 0.25)


def test_what_is_not_rounded_is_float32():
    keras.utils.set_random_seed(1)
    functions = (
        "elu",
        "selu",
        "sigmoid",
        "hard_sigmoid",
        "silu",
        "hard_silu",
        "tanh",
        "softplus",
        "softsign",
    )
    functions += ("gelu", "mish", "leaky_relu", "log_softmax", "softmax", "exponential", "celu")
    x = keras.Input((4, 4, 2))
    y = layers.Rescaling(0.5, offset=-0.2)(x)
    y = layers.Concatenate()([layers.Activation(name)(layers.Conv2D(2, 2)(y)) for name in functions])
    y = layers.Concatenate()([y, layers.LeakyReLU(0.3)(y), layers.Softmax(axis=1)(y), layers.ELU(0.5)(y)])
    model = keras.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))
    images = RANDOM.normal(size=(3, 4, 4, 2)).astype(np.float32)
    file = onnx_file(model)
    assert "QuantizeLinear" not in file.operators() and not file.points
    for kernels in ("as_written", "fused"):
        logits = OnnxPredictor(file, kernels=kernels).logits(images)
        np.testing.assert_allclose(logits, model.predict_on_batch(images), atol=1e-6)


def test_the_weights_of_the_file_are_those_of_the_model():
    """Read back by ONNX itself: codes times scales are the rounded kernel, to the last bit."""
    model = quantised(behind(WAYS["strided at the edges"]), INT8)
    constants = stored(onnx_file(model, INT8))
    for name, order, shape in (
        ("a", (3, 2, 0, 1), (4, 1, 1, 1)),
        ("depth", (2, 3, 0, 1), (6, 1, 1, 1)),
    ):
        wrapper = next(layer for layer in wrapped(model) if layer.name.startswith(name))
        kernel = wrapper.layer.kernel
        axis, quantizer = wrapper.rounding_of(kernel)
        expected = np.transpose(keras.ops.convert_to_numpy(quantizer(kernel, axis)), order)
        codes = constants[f"{wrapper.name}/kernel/codes"]
        scales = constants[f"{wrapper.name}/kernel/scale"].reshape(shape)
        assert codes.dtype == np.int8 and abs(codes.astype(int)).max() == 127
        np.testing.assert_array_equal((codes * scales).reshape(expected.shape), expected)


def test_integer_biases_are_in_the_units_of_the_sums():
    model = quantised(behind(chain(layers.ReLU())), INT8)
    constants = stored(onnx_file(model, INT8, int32_biases=True))
    codes, unit = constants["a/bias/codes"], constants["a/bias/scale"]
    bias = model.get_layer("a").layer.bias.numpy()
    assert codes.dtype == np.int32 and abs(codes).max() > 100
    assert (abs(codes * unit.astype(np.float64) - bias) <= unit * (0.5 + 1e-4)).all()
    source = constants["a/inputs/scale"] * constants["a/kernel/scale"]
    np.testing.assert_allclose(unit, source, rtol=1e-6)


def own(moves=False):
    @keras.saving.register_keras_serializable("tests of onnx")
    class Own(layers.Layer):
        only_moves = moves

        def call(self, x):
            return x * x

    return Own()


ACCUMULATED = {**dict.fromkeys(["weights", "activations", "inputs"], "fixed(8,5)"), "accumulators": "float16"}
MOVING = {"activations": {"format": "int(8)", "scaling": "real", "dynamic": True}}


@pytest.mark.parametrize(
    ("way", "policy", "message"),
    [
        (
            chain(),
            {"weights": "posit(8,2)"},
            r"weights of layer 'a' are in posit\(8,2\), which ONNX cannot say",
        ),
        (chain(), {"activations": "float(3,4)"}, r"activations .* are in float\(3,4\)"),
        (chain(), {"activations": {"format": "fixed(8,4)", "rounding": "floor"}}, "are rounded floor"),
        (chain(), MOVING, "follows from each tensor"),
        (chain(), ACCUMULATED, "formed in an accumulator"),
        (
            chain(layers.Conv2DTranspose(2, 3)),
            {},
            r"\(Conv2DTranspose\) cannot be written to ONNX",
        ),
        (chain(layers.PReLU()), {}, "PReLU is not one of the layers that are written"),
        (chain(layers.Activation(keras.activations.glu)), {}, "activation function glu is not among"),
        (lambda y: own()(y), {}, "a class of one's own"),
        (lambda y: own(True)(y), {}, "moves numbers otherwise than by reshaping"),  # it computes
        (lambda y: keras.ops.flip(y, 1), {}, "moves numbers otherwise than by reshaping"),
        (lambda y: y + 1.0, {}, "reads a constant"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(way, policy, message):
    policy = parse_policy(policy)
    with pytest.raises(PrecisionError, match=message):
        onnx_file(quantised(behind(way), policy), policy)
