"""Scales beside the format in a packed file: what a quantised network computes with, bit for bit."""

import base64
import json
import zlib

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from precision.deploy.packed import file as packing
from precision.errors import PrecisionError
from precision.formats import parse
from precision.measure.counted.packed import weight_memory
from precision.quantization import apply, parse_policy
from precision.quantization.model import wrapped
from precision.quantization.transforms.folding import fold

LAYERS = keras.layers


def int_text(bits: int) -> str:
    return f"int({bits},symmetric=true)"


SETTINGS = {
    "int8 symmetric per channel": {"format": int_text(8), "scaling": "real", "per": "channel"},
    "int4 affine per channel": {"format": "int(4)", "scaling": "real", "per": "channel", "zero_point": True},
    "uint4 affine": {"format": "uint(4)", "scaling": "real", "zero_point": True},
    "uint8 clips below zero": {"format": "uint(8)", "scaling": "real", "per": "channel"},
    "int12 affine": {"format": "int(12)", "scaling": "real", "per": "channel", "zero_point": True},
    "int24 affine": {"format": "int(24)", "scaling": "real", "zero_point": True},
    "dynamic fixed point": "fixed(8,auto)",
    "dynamic fixed point per channel": {"format": "fixed(5,2)", "scaling": "pow2", "per": "channel"},
    "float8": {"format": "float8_e4m3fn", "scaling": "real", "per": "channel"},
    "float6 pow2": {"format": "float6_e3m2fn", "scaling": "pow2", "per": "channel"},
    "nf4": {"format": "nf4", "scaling": "real", "per": "channel"},
    "posit8 pow2": {"format": "posit(8,1)", "scaling": "pow2", "per": "channel"},
    "mse": {"format": "int(3)", "scaling": "real", "per": "channel", "observer": "mse"},
    "percentile affine": {
        "format": "int(4)",
        "scaling": "real",
        "zero_point": True,
        "observer": "percentile",
        "percentile": 95,
    },
    "range of the tensor at hand": {"format": int_text(6), "scaling": "real", "dynamic": True},
    "per block": {"format": "int(8)", "scaling": "real", "per": "block", "block": 4},
}


def network() -> keras.Model:
    """Kernels whose channels lie on three different axes, one of them constant, one zero, one positive."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            LAYERS.Input((6, 6, 3)),
            LAYERS.Conv2D(5, 3, name="conv"),
            LAYERS.BatchNormalization(name="norm"),
            LAYERS.ReLU(name="relu"),
            LAYERS.DepthwiseConv2D(3, name="depthwise"),
            LAYERS.Conv2DTranspose(4, 2, name="up"),
            LAYERS.Flatten(name="flat"),
            LAYERS.Dense(3, name="dense"),
        ]
    )
    draw = np.random.default_rng(4)
    for variable in model.weights:
        size = np.exp(draw.normal(0, 1.5, variable.shape[-1]))
        values = draw.standard_normal(variable.shape) * size
        if len(variable.shape) == 1:
            values = values**2 + 0.1
        if variable.path.endswith("conv/kernel"):
            values[..., 0], values[..., 1], values[..., 2] = 0, -0.37, abs(values[..., 2])
        variable.assign(values)
    return model


@pytest.fixture(scope="module")
def model():
    return network()


def written(tmp_path, model, policy):
    path = tmp_path / "model.safetensors"
    path.write_bytes(packing.to_bytes(packing.pack_model(model, policy), policy))
    return path


def computed(model, policy) -> dict[tuple[str, str], np.ndarray]:
    """Return the rounded variables of the network that ``apply`` makes, by layer and name."""
    found = {}
    for layer in wrapped(apply(model, policy)):
        for variable, axis, site in layer._sites:
            found[layer.name, variable.name] = np.asarray(layer.quantizers[site](variable, axis))
    return found


def with_layers(model) -> list[tuple[tuple[str, str], keras.Variable]]:
    return [((layer.name, v.name), v) for layer in model.layers for v in layer.weights]


def bits(array) -> np.ndarray:
    return np.asarray(array).view(np.int32)


@pytest.mark.parametrize("what", SETTINGS)
def test_a_file_holds_what_the_quantised_network_computes_with(model, tmp_path, what):
    setting = SETTINGS[what]
    biases = setting if isinstance(setting, str) else {**setting, "per": "tensor"}
    biases = {k: v for k, v in biases.items() if k != "block"} if isinstance(biases, dict) else biases
    policy = parse_policy({"weights": setting, "biases": biases})
    path = written(tmp_path, model, policy)

    stored = sum(tensor.nbytes for tensor in load_file(path).values())
    assert stored == weight_memory(model, policy).bytes == packing.read(path).payload_bytes

    copy = keras.models.clone_model(model)
    assert packing.unpack_model(copy, packing.read(path), path) is copy
    wanted, changed = computed(model, policy), 0
    for (place, variable), (_, before) in zip(with_layers(copy), with_layers(model), strict=True):
        rounded = wanted.get(place, before.numpy())
        np.testing.assert_array_equal(bits(variable.numpy()), bits(rounded), err_msg=variable.path)
        changed += not np.array_equal(variable.numpy(), before.numpy())
    assert len(wanted) == 10 and changed >= 8


def test_an_unpacked_network_computes_as_the_quantised_one(model, tmp_path):
    policy = parse_policy({"weights": SETTINGS["int4 affine per channel"], "biases": "fixed(8,auto)"})
    copy = keras.models.clone_model(model)
    packing.load_into(copy, packing.pack_model(model, policy), "file")
    images = np.random.default_rng(0).standard_normal((4, 6, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(copy(images)), np.asarray(apply(model, policy)(images)))


def test_the_bytes_of_scales_and_zero_points_by_hand(model):
    policy = parse_policy(
        {
            "weights": SETTINGS["int4 affine per channel"],
            "layers": {"dense": {"weights": SETTINGS["posit8 pow2"]}, "up": {"weights": "fixed(6,auto)"}},
        }
    )
    packed = packing.pack_model(model, policy)
    sizes = {name: tensor.nbytes for name, tensor in packed.tensors.items()}
    # 3 x 3 x 3 inputs for 5 channels: 135 codes of 4 bits, 5 float32, 5 zero points of 4 bits.
    kernel = next(v.path for v in model.weights if v.path.endswith("conv/kernel"))
    assert [sizes[kernel + end] for end in ("", ":scales", ":zero_points")] == [68, 20, 3]
    kernel = model.get_layer("dense").kernel  # (inputs, 3): a byte each, and three exponents
    assert sizes[kernel.path] == kernel.shape[0] * 3 and sizes[kernel.path + ":scales"] == 3
    kernel = model.get_layer("up").kernel  # one exponent in all
    assert sizes[kernel.path] == 2 * 2 * 4 * 5 * 6 / 8 and sizes[kernel.path + ":scales"] == 1
    bias = model.get_layer("dense").bias.path
    assert sizes[bias] == 12 and bias + ":scales" not in sizes
    assert packed.payload_bytes == weight_memory(model, policy).bytes


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # that they are deprecated
def test_int8_codes_are_those_of_torch(model):
    """Only NumPy reads the file, as the documentation has it, and torch gives the codes."""
    torch = pytest.importorskip("torch")
    policy = parse_policy({"weights": SETTINGS["int8 symmetric per channel"]})
    tensors = packing.pack_model(model, policy).tensors
    for layer, axis in (("conv", 3), ("depthwise", 2), ("up", 2), ("dense", 1)):
        kernel = model.get_layer(layer).weights[0]
        values, scales = kernel.numpy(), tensors[kernel.path + ":scales"]
        codes = tensors[kernel.path].view(np.int8).reshape(values.shape)
        others = tuple(i for i in range(values.ndim) if i != axis)
        widest = np.abs(values).max(axis=others)
        np.testing.assert_allclose(scales, np.where(widest == 0, 1, widest / 127), rtol=2**-23)
        zeros = torch.zeros(len(scales), dtype=torch.long)
        found = torch.quantize_per_channel(
            torch.tensor(values), torch.tensor(scales), zeros, axis, torch.qint8
        )
        np.testing.assert_array_equal(codes, found.int_repr().numpy())
        shape = [-1 if i == axis else 1 for i in range(values.ndim)]
        np.testing.assert_array_equal(codes * scales.reshape(shape), found.dequantize().numpy())


def test_affine_codes_and_powers_of_two_by_hand():
    """As docs/packing.md says how a file is read: (code - z) * s, and s = 2^(byte - 127)."""
    model = keras.Sequential([LAYERS.Input((2,)), LAYERS.Dense(2, name="dense")])
    kernel = np.array([[-1.0, 0.5], [2.0, 3.0]], np.float32)
    model.layers[0].set_weights([kernel, np.array([0.3, -0.7], np.float32)])
    weights = {"format": "uint(8)", "scaling": "real", "per": "channel", "zero_point": True}
    packed = packing.pack_model(model, parse_policy({"weights": weights, "biases": "fixed(4,auto)"}))
    name, bias = (v.path for v in model.weights)
    # Ranges [-1, 2] and [0, 3] in 255 steps of 3 / 255: zero lies at code 85 and at code 0.
    np.testing.assert_allclose(packed.tensors[name + ":scales"], [3 / 255] * 2, rtol=1e-7)
    assert packed.tensors[name + ":zero_points"].tolist() == [85, 0]
    assert packed.tensors[name].tolist() == [0, 42, 255, 255]  # 0.5 is 42.5 steps: to the even one
    # |-0.7| lies below 2^0, which is 8 steps of 2^-3: 0.3 is 2.4 and -0.7 is -5.6 steps.
    assert packed.tensors[bias + ":scales"].tolist() == [124]
    assert packed.tensors[bias].tolist() == [(2 | (16 - 6) << 4)]
    packing.load_into(model, packed, "file")
    assert model.layers[0].bias.numpy().tolist() == [0.25, -0.75]


def test_policies_per_layer_and_exemptions(model, tmp_path):
    policy = parse_policy(
        {
            "weights": SETTINGS["int8 symmetric per channel"],
            "activations": {"format": "int(8)", "scaling": "real", "zero_point": True, "rounding": "floor"},
            "layers": {"class:DepthwiseConv2D": {"weights": "mxint8"}, "up": "float32"},
            "exempt": ["last"],
        }
    )
    path = written(tmp_path, model, policy)
    with safe_open(path, framework="numpy") as file:
        described = json.loads(file.metadata()["tensors"])
    scaled = {"format": parse(int_text(8)).name, "scaling": "real", "per": "channel", "zero_point": False}
    expected = {
        "conv": scaled | {"axis": -1},
        "depthwise": {"format": "mxint8", "axis": -3},
        "up": {"format": None, "axis": -1},
        "dense": {"format": None, "axis": -2},
    }
    for name, entry in expected.items():
        kernel = model.get_layer(name).weights[0]
        assert described[kernel.path] == entry | {"shape": list(kernel.shape), "dtype": "float32"}
    assert sum(t.nbytes for t in load_file(path).values()) == weight_memory(model, policy).bytes


def test_a_single_number_is_a_channel_of_its_own():
    @keras.saving.register_keras_serializable("test_packing_scales")
    class Gain(LAYERS.Layer):
        def build(self, shape):
            self.gain = self.add_weight(shape=(), name="gain", initializer=lambda s, dtype: 0.3)

        def call(self, x):
            return x * self.gain

        def compute_output_shape(self, shape):
            return shape

    model = keras.Sequential([LAYERS.Input((3,)), Gain()])
    for per in ("channel", "tensor"):
        policy = parse_policy({"weights": {"format": "int(4)", "scaling": "pow2", "per": per}})
        packed = packing.pack_model(model, policy)
        copy = keras.models.clone_model(model)
        packing.load_into(copy, packed, "file")
        assert copy.weights[0].numpy() == 0.3125  # five steps of 2^-4: 2^-1 is eight of them
        assert packed.payload_bytes == weight_memory(model, policy).bytes == 2
        np.testing.assert_array_equal(np.asarray(apply(model, policy)(np.ones((1, 3)))), 0.3125)


# Folded batch normalisations.


def test_a_folded_network(model, tmp_path):
    spec = {"weights": SETTINGS["int8 symmetric per channel"], "biases": "fixed(16,auto)"}
    policy = parse_policy({**spec, "fold_batch_norm": True})
    path, folded = written(tmp_path, model, policy), fold(model).model
    packed = packing.read(path)
    assert packed.folded and not any("norm" in name for name in packed.tensors)
    assert packed.payload_bytes == weight_memory(folded, policy).bytes
    wanted = computed(folded, policy)
    for given in (keras.models.clone_model(model), keras.models.clone_model(folded)):
        back = packing.unpack_model(given, packed, path)
        assert [type(layer).__name__ for layer in back.layers][1] == "Activation"
        for place, variable in with_layers(back):
            np.testing.assert_array_equal(bits(variable.numpy()), bits(wanted[place]))
    with pytest.raises(PrecisionError, match="one whose batch normalisations are folded"):
        packing.load_into(keras.models.clone_model(model), packed, path)


# What is wrong with a model.


def test_values_without_a_scale_are_refused(model):
    broken = keras.models.clone_model(model)
    broken.get_layer("dense").kernel.assign(np.full(broken.get_layer("dense").kernel.shape, np.nan))
    with pytest.raises(PrecisionError, match=r"dense/kernel: .*finite values, but got NaN"):
        packing.pack_model(broken, parse_policy({"weights": SETTINGS["nf4"]}))


def test_a_zero_point_of_more_bits_than_float32_has(model):
    wide = {"format": "int(25)", "scaling": "real", "zero_point": True}
    with pytest.raises(PrecisionError, match=r"up to 24 bits, which float32 holds, but got int\(25\)"):
        packing.pack_model(model, parse_policy({"weights": wide}))


def test_a_rounding_of_a_slot_that_is_not_to_nearest(model):
    with pytest.raises(PrecisionError, match="rounded to nearest, but the policy says stochastic"):
        packing.pack_model(
            model, parse_policy({"weights": {**SETTINGS["nf4"], "rounding": "stochastic"}, "biases": "nf4"})
        )


def test_a_variable_with_the_name_of_another_ones_scales():
    @keras.saving.register_keras_serializable("test_packing_scales")
    class Odd(LAYERS.Layer):
        def build(self, shape):
            self.a = self.add_weight(shape=(2,), name="a")
            self.b = self.add_weight(shape=(2,), name="a:scales")

        def call(self, x):
            return x

    with pytest.raises(PrecisionError, match=r"two tensors of the file have the name '.*a:scales'"):
        packing.pack_model(
            keras.Sequential([LAYERS.Input((3,)), Odd()]), parse_policy({"weights": SETTINGS["nf4"]})
        )


# Written when there were no scales beside the format yet: a dense layer of 3 inputs and 2 outputs, weights in
# fixed(6,5), biases in mxfp4_e2m1, and a batch normalisation.
OLD = (
    "eNq9VEFKw0AU1YUgCOIFxDIrhbFtJqaGHkBcC66aEqbNTzqYTGJmWltqNoJX8ATu3RZBexbXXsKZBFFiWiwWZ5X5f+a9//78"
    "l72tjXxNketGIKlHJXVd1J4iCVzEqUBtNHWQgOshcMlo2PBUHBpXkHIIHdSuqawfpxGVeqO+2Ri8wxa2jhyE1V4MaAI61TFx"
    "jXR1iI6Z0JFjoneenBQH1N0wptIkDsrym2XOHqOigjEa+8mJCyQyyowlOuO3dFyhNwIaRXQlgX+i66nm/5+4KB4xHqgXp/wH"
    "KR+G4fqpRjRllPdhnXQZwihJoc8Ei7ka1GbdqDd1LA5Zf1JM7g2wYCBF9dvpiQJR3emQTiDNc528njQeck8pKU5zoCkIJSBT"
    "qpe1V1spL16Vc2YSVV0uFLW1TJTbLfZ9AVI5rdPEdncx3GcLV4K0sdEqYX656TvSpb0cyGhhw65EKv4FC7GsCiwbE7NKqXbB"
    "KkURExOrCih370pIFian3SyrFeti9jA/uH9/eUz25+dvz6/B7d3T9mxzd3qy8wGLZq27"
)


def test_a_file_of_the_first_layout_still_reads(tmp_path):
    path = tmp_path / "old.safetensors"
    path.write_bytes(zlib.decompress(base64.b64decode(OLD)))
    model = keras.Sequential(
        [LAYERS.Input((3,)), LAYERS.Dense(2, name="dense"), LAYERS.BatchNormalization(name="norm")],
        name="sequential",
    )
    packing.load_into(model, packing.read(path), path)
    kernel, bias, gamma, beta, mean, variance = (v.numpy().tolist() for v in model.weights)
    assert kernel == [[0.0625, -0.0625], [0.3125, 0.0625], [-0.25, 0.1875]]
    assert (bias, gamma, beta) == ([0.75, 0.5], [-0.375, -0.625], [-0.25, 0.0])
    np.testing.assert_allclose(mean + variance, [-1.1775, -0.115, -0.615, -0.365])
