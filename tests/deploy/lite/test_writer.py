"""Files of LiteRT have every code of the network that they were written from, under the reference kernels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import architectures
from precision.arithmetic.accumulators.register import Register
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Round
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Grid
from precision.arithmetic.multipliers import parse_multiplier
from precision.deploy.certificate.certify import certify
from precision.deploy.integer import Arithmetic, integer_network
from precision.deploy.lite.contents import contents
from precision.deploy.lite.runtime import LiteRuntime
from precision.deploy.lite.writer import written
from precision.errors import PrecisionError
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import Calibrator
from precision.quantization.transforms.folding import fold

RANDOM = np.random.default_rng(5)
SHAPE = (9, 8, 4)
INT8 = parse_policy("int8")
UNSIGNED = {"format": "uint(8)", "scaling": "real", "zero_point": True}
NARROW = {"format": "int(5)", "scaling": "real", "zero_point": True}
WEIGHTS = {"format": "int(8,symmetric=true)", "scaling": "real", "per": "channel"}


def integers(model, policy=INT8, images=None, arithmetic=None, rule="litert_reference"):
    """Return a network of integers with calibrated scales; its biases are not those of an initialisation."""
    random = np.random.default_rng(7)
    for variable in model.weights:
        if "kernel" not in variable.path:
            numbers = random.normal(0.1, 0.2, variable.shape)
            variable.assign(np.abs(numbers) if variable.path.endswith(("gamma", "variance")) else numbers)
    source = fold(model).model
    images = RANDOM.random((20, *model.input_shape[1:])).astype(np.float32) if images is None else images
    wanted = calibrated(source, policy)
    observed = Calibrator(source, images).statistics(wanted, values=False) if wanted else {}
    chosen = {} if arithmetic is None else {"arithmetic": lambda layer: arithmetic}
    return integer_network(apply(source, policy, observed=observed), rule=rule, **chosen)


def network(*parts, shape=SHAPE):
    keras.utils.set_random_seed(2)
    return keras.Sequential([keras.Input(shape), *parts, layers.Flatten(), layers.Dense(3, name="logits")])


def branches(shape=SHAPE):
    """Sums of two tensors with scales of their own, a shortcut that cuts and pads, tensors side by side."""
    from architectures._shortcut import SubsamplingShortcut

    keras.utils.set_random_seed(2)
    x = keras.Input(shape)
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(x)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a)
    y = keras.ops.relu(a + b)
    y = layers.Add()([layers.Conv2D(6, 3, strides=2, padding="same", name="c")(y), SubsamplingShortcut(6)(y)])
    z = layers.GlobalAveragePooling2D(keepdims=True)(y)
    y = layers.GlobalAveragePooling2D()(layers.Concatenate()([y, layers.ReLU(max_value=0.3)(y), y + z]))
    return keras.Model(x, layers.Dense(3, name="logits")(y))


NETWORKS = {
    "convolutions": lambda: network(
        layers.Rescaling(0.5, offset=-0.2),
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.Conv2D(6, 3, strides=2, padding="same", activation="relu6"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        layers.ReLU(),
        layers.Conv2D(4, (1, 3), groups=2),
        layers.BatchNormalization(),
        layers.ReLU(max_value=0.7),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.MaxPooling2D(3, 2, padding="same"),
    ),
    "moves": lambda: network(
        layers.Conv2D(4, 3, name="conv"),
        layers.Cropping2D(1),
        layers.Permute((2, 3, 1)),
        layers.Reshape((4, 20)),
        layers.Dense(5, activation="relu"),
    ),
    "averages": lambda: network(
        layers.Conv2D(4, 3, padding="same"),
        layers.AveragePooling2D(3, 2, padding="same"),
        layers.MaxPooling2D(2, 1),
        layers.ReLU(),
        layers.AveragePooling2D(2, 1),
        layers.GlobalMaxPooling2D(),
    ),
    "branches": branches,
}
POLICIES = {
    "int8": INT8,
    "unsigned": parse_policy({"weights": WEIGHTS, "activations": UNSIGNED, "inputs": UNSIGNED}),
    "narrow": parse_policy(
        {"weights": {**WEIGHTS, "format": "int(4,symmetric=true)"}, "activations": NARROW, "inputs": NARROW}
    ),
}


def certificate(found, shape, kernels="reference", images=40):
    sample = RANDOM.random((images, *shape)).astype(np.float32)
    runtime = LiteRuntime(written(found, shape), kernels)
    return certify(runtime, found, found, lambda logits: logits.argmax(axis=1), sample)


@pytest.mark.parametrize(
    ("name", "policy"),
    [*((name, "int8") for name in NETWORKS), ("averages", "unsigned"), ("branches", "narrow")],
)
def test_every_code_is_that_of_the_network(name, policy):
    model = NETWORKS[name]()
    found = certificate(integers(model, POLICIES[policy]), model.input_shape[1:])
    assert {tensor.name: tensor.differing for tensor in found.tensors if tensor.differing} == {}
    assert (found.equal, found.logits, found.first, found.reason) == (40, 0.0, None, "")
    assert len(found.tensors) > 4 and all(tensor.codes for tensor in found.tensors)


@pytest.mark.parametrize(
    ("name", "options"), [("lenet", {"width": 0.25}), ("resnet", {"width": 0.25, "depth": 8})]
)
def test_the_networks_of_this_project(name, options):
    model = architectures.build(name, **options)
    found = certificate(integers(model), (28, 28, 1), images=20)
    assert found.differing == 0 and found.equal == 20 and found.logits == 0
    assert len(found.tensors) == {"lenet": 9, "resnet": 17}[name]


def test_another_rule_is_counted_and_explained():
    """The same codes and scales, requantised in float64: the run-time rounds twice."""
    model = NETWORKS["branches"]()
    found = certificate(integers(model, rule="float"), SHAPE, images=100)
    assert found.first is not None and found.first.largest == 1
    assert "litert_reference" in found.reason and "'float'" in found.reason
    assert all("litert_reference" in tensor.rules for tensor in found.tensors)


def test_the_file_has_our_scales_and_no_real_operator():
    found = integers(NETWORKS["branches"]())
    file = written(found, SHAPE)
    for content in (file.content, file.inspected):
        read = contents(content)
        assert read.real == ()
        for name, index in file.tensors.items():
            tensor, grid = read.tensors[index], file.grids[name]
            assert (tensor.scales, tensor.zeros) == ((grid.scale,), (grid.zero - grid.offset,))
    weights = {tensor.name: tensor for tensor in contents(file.content).tensors if "/weights" in tensor.name}
    for layer in found.linear:
        (tensor,) = [t for name, t in weights.items() if name.startswith(layer.name + "/")]
        assert tensor.scales == tuple(layer.scales) and not any(tensor.zeros)
        assert tensor.shape[tensor.axis] == layer.w.shape[-1] and tensor.bytes == layer.w.size


def test_weights_of_four_bits_are_packed():
    found = integers(NETWORKS["branches"](), POLICIES["narrow"])
    read = contents(written(found, SHAPE).content)
    kept = {tensor.name.split("/")[0]: tensor for tensor in read.tensors if "/weights" in tensor.name}
    assert [tensor.kind for tensor in kept.values()] == ["INT4"] * len(found.linear)
    assert sorted(t.bytes for t in kept.values()) == sorted(-(-layer.w.size // 2) for layer in found.linear)


def unsayable(*parts, shape=SHAPE, **options):
    with pytest.raises(PrecisionError) as error:
        written(integers(network(*parts, shape=shape), **options), shape)
    return str(error.value)


def test_what_has_no_operator_is_named():
    conv = layers.Conv2D(4, 3, name="conv")
    register, drum = Arithmetic(register=Register(20)), Arithmetic(parse_multiplier("drum(8,4)"))
    assert "'conv'" in (text := unsayable(conv, arithmetic=register)) and "20 bits" in text
    symmetric = parse_policy(
        {"weights": WEIGHTS, "activations": WEIGHTS | {"per": "tensor"}, "inputs": "fixed(8,7)"}
    )
    assert "drum(8,4)" in unsayable(layers.Conv2D(4, 3), arithmetic=drum, policy=symmetric)
    assert "UpSampling" not in (text := unsayable(layers.UpSampling2D(2, name="up"))) and "'up'" in text
    assert "sums over 1 dimensions" in unsayable(layers.Conv1D(4, 3, name="line"), shape=(8, 4))
    moving = {"format": "int(8)", "scaling": "real", "dynamic": True}
    policy = parse_policy({"weights": WEIGHTS, "activations": moving, "inputs": moving})
    assert "each image" in unsayable(layers.Conv2D(4, 3), policy=policy)


def test_sums_of_three_and_logits_that_are_not_rounded():
    x = keras.Input(SHAPE)
    three = [layers.Conv2D(2, 3, name=name)(x) for name in "abc"]
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(layers.Add(name="three")(three))))
    with pytest.raises(PrecisionError, match=r"'three'.*adds 3 tensors"):
        written(integers(model), SHAPE)
    found = integers(network())
    steps = found.steps[:-1]  # without the rounding of the logits
    assert isinstance(found.steps[-1].computes, Round)
    with pytest.raises(PrecisionError, match="not rounded"):
        written(IntegerNetwork(steps, found.rule), SHAPE)


def test_images_are_rounded_once():
    found = integers(network())
    other = Step("other", Round(Grid(0.5, 0, -128, 127)), (-1,))
    again = IntegerNetwork((*found.steps[:1], other, *shifted(found.steps[1:])), found.rule)
    with pytest.raises(PrecisionError, match="'other'"):
        written(again, SHAPE)


def shifted(steps):
    """Return steps behind one more step."""
    return [Step(s.name, s.computes, tuple(read + (read > 0) for read in s.reads)) for s in steps]
