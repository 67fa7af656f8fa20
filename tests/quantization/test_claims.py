"""What a policy claims is what the network computes, and a network where it is not is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import architectures
from architectures.given import FILES
from precision.errors import PrecisionError
from precision.quantization import apply, calibrated, parse_policy
from precision.quantization.calibration.calibrator import observe
from precision.quantization.claims import check
from precision.quantization.quantizer import Quantizer
from precision.quantization.wrapper import Quantized

RNG = np.random.default_rng(151)
INT8 = {"format": "int(8)", "scaling": "real", "per": "channel"}
POLICIES = {
    "fixed": {
        "weights": "fixed(8,6)",
        "biases": "fixed(8,6)",
        "activations": "fixed(8,4)",
        "inputs": "fixed(8,7)",
    },
    "towards zero": {"weights": "fixed(6,4)", "activations": "fixed(8,3)", "rounding": "toward_zero"},
    "stochastic": {"weights": "fixed(6,4)", "activations": "fixed(8,3)", "rounding": "stochastic"},
    "int8": {"weights": INT8, "activations": {"format": "int(8)", "scaling": "real", "zero_point": True}},
    "dynamic": {"weights": INT8, "activations": {"format": "int(8)", "scaling": "pow2", "dynamic": True}},
    "blocks": {"weights": "mxfp6_e3m2", "activations": "mxfp8_e4m3"},
}


def checked(model, policy, shape=None) -> None:
    policy = parse_policy(policy)
    images = RNG.uniform(0, 1, (4, *(shape or model.input_shape[1:]))).astype(np.float32)
    wanted = calibrated(model, policy)
    check(apply(model, policy, observed=observe(model, wanted, images)), images)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_residual_network_computes_what_every_policy_claims(policy):
    checked(architectures.build("resnet", depth=8, width=0.25), POLICIES[policy])


@pytest.mark.parametrize("name", sorted(set(architectures.names()) - {"resnet", "alexnet", "vgg", *FILES}))
def test_every_network_of_ours_computes_what_its_policy_claims(name):
    checked(architectures.build(name, width=0.25), POLICIES["fixed"])


def block(x):
    """Return a block of a transformer, operations and all."""
    y = layers.LayerNormalization(name="norm1")(x)
    x = x + layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    y = layers.LayerNormalization(name="norm2")(x)
    return x + layers.Dense(8, name="down")(ops.gelu(layers.Dense(16, name="up")(y)))


def transformer():
    x = keras.Input((6,), dtype="int32")
    y = layers.Embedding(50, 8, name="tokens")(x)
    return keras.Model(x, layers.Dense(3, name="logits")(ops.mean(block(y), axis=1)))


@pytest.mark.parametrize("policy", ["fixed", "int8", "blocks"])
def test_a_transformer_block_computes_what_its_policy_claims(policy):
    model, rounded = transformer(), parse_policy(POLICIES[policy])
    tokens = RNG.integers(0, 50, (4, 6)).astype(np.int32)
    seen = {}
    if wanted := calibrated(model, rounded):
        from precision.quantization.calibration.statistics import statistics_of

        seen = {key: statistics_of(RNG.normal(0, 1, (4, 8))) for key in wanted}
    check(apply(model, rounded, observed=seen), tokens)


ANY = {
    "conv1d": (lambda: layers.Conv1D(4, 2, groups=2), (6, 4)),
    "conv3d": (lambda: layers.Conv3D(3, 2, dilation_rate=2), (4, 4, 4, 2)),
    "transposed": (lambda: layers.Conv2DTranspose(3, 3, strides=2), (4, 4, 2)),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 3)),
    "separable": (lambda: layers.SeparableConv2D(4, 3), (5, 5, 3)),
    "einsum": (lambda: layers.EinsumDense("abc,cde->abde", (2, 3, 2), bias_axes="de"), (2, 4)),
    "lstm": (lambda: layers.LSTM(3), (5, 4)),
    "gru": (lambda: layers.GRU(3, return_sequences=True), (5, 4)),
    "bidirectional": (lambda: layers.Bidirectional(layers.LSTM(3)), (5, 4)),
    "distributed": (lambda: layers.TimeDistributed(layers.Dense(3)), (5, 4)),
    "batch": (lambda: layers.BatchNormalization(), (4, 4, 3)),
    "layer": (lambda: layers.LayerNormalization(), (4, 3)),
    "group": (lambda: layers.GroupNormalization(2), (4, 4, 4)),
    "unit": (lambda: layers.UnitNormalization(), (4, 3)),
    "prelu": (lambda: layers.PReLU(), (4, 3)),
    "rescaling": (lambda: layers.Rescaling(1 / 3, 0.1), (4, 3)),
    "average": (lambda: layers.AveragePooling2D(2), (4, 4, 3)),
    "upsampling": (lambda: layers.UpSampling2D(2, interpolation="bilinear"), (4, 4, 3)),
}


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("policy", ["fixed", "int8"])
def test_layers_of_every_kind_compute_what_their_policy_claims(name, policy):
    make, shape = ANY[name]
    x = keras.Input(shape)
    model = keras.Model(x, layers.Dense(3, name="out")(make()(layers.Dense(shape[-1], name="in")(x))))
    checked(model, POLICIES[policy], shape)


@pytest.mark.parametrize("site", ["weights", "activations", "inputs"])
def test_a_rounding_that_is_left_out_is_found(site, monkeypatch):
    x = keras.Input((64,))
    model = keras.Model(x, layers.Dense(3, name="own")(x))
    model.get_layer("own").set_weights(
        [np.repeat([[0.0075], [0.05]], 32, axis=0) * np.ones(3), np.full(3, 0.3)]
    )
    quantised = apply(model, parse_policy(POLICIES["fixed"] | {"inputs": "fixed(4,2)"}))
    left_out, original = quantised.get_layer("own").quantizers[site], Quantizer.__call__

    def call(self, x, *arguments, **options):
        return ops.convert_to_tensor(x) if self is left_out else original(self, x, *arguments, **options)

    monkeypatch.setattr(Quantizer, "__call__", call)
    with pytest.raises(PrecisionError, match=r"layer 'own' .Dense. does not compute what the policy says"):
        check(quantised, np.full((4, 64), 1.1, np.float32))  # where each of the roundings changes much


def test_a_variable_that_nobody_rounds_is_found():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, name="own")(x))
    quantised = apply(model, parse_policy({"weights": "fixed(4,2)"}))
    wrapped = quantised.get_layer("own")
    assert isinstance(wrapped, Quantized)
    wrapped._sites.clear()
    with pytest.raises(PrecisionError, match="its variable 'own/kernel' is not rounded"):
        check(quantised, RNG.normal(0, 1, (4, 4)).astype(np.float32))


def test_a_layer_of_another_type_converts_what_was_rounded():
    """And not before: as bfloat16 this number is a tie, and goes the other way."""
    image = keras.Input((1,))
    half = layers.Dense(1, kernel_initializer="ones", dtype="mixed_bfloat16", name="half")
    policy = parse_policy({"inputs": "fixed(8,4)"})
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        quantised = apply(keras.Model(image, half(image)), policy)
    finally:
        keras.config.set_dtype_policy(before)
    assert float(quantised(np.float32([[4.0937]]))[0, 0]) == 4.0625
