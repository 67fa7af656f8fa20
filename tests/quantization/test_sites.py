"""Which tensors a policy rounds, row by row, and that a wrapped layer keeps what is its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import architectures
from precision.errors import PrecisionError
from precision.formats import parse
from precision.quantization import apply, parse_policy
from precision.quantization.policy.slots import SLOTS
from precision.quantization.sites import layer_names, resolve, sites
from precision.quantization.wrapper import Quantized

EVERY = {
    "weights": "fixed(8,6)",
    "biases": "fixed(8,5)",
    "activations": "fixed(8,4)",
    "inputs": "fixed(8,7)",
    "gradients": "float8_e5m2",
    "optimizer_state": "bfloat16",
    "accumulators": "float16",
}
# W weights, B biases, A activations, I inputs, G gradients, O optimizer_state, S accumulators (sums); after |
# the reason why the output is not rounded.
LENET = """
input            | computes nothing; its values are rounded elsewhere
conv1   WB IGOS  | one step with pool1
pool1     A G    |
conv2   WB  GOS  | one step with pool2
pool2     A G    |
flatten          | computes nothing; its values are rounded elsewhere
dense1  WBA GOS  |
dense2  WBA GOS  |
logits  WBA GOS  |
"""
RESNET = """
input                       | computes nothing; its values are rounded elsewhere
conv1               W  IGOS | one step with norm1
norm1               WB  GO  | one step with relu1
relu1                 A G   |
stage1_block1_conv1 W   GOS | one step with stage1_block1_norm1
stage1_block1_norm1 WB  GO  | one step with stage1_block1_relu1
stage1_block1_relu1   A G   |
stage1_block1_conv2 W   GOS | one step with stage1_block1_norm2
stage1_block1_norm2 WBA GO  |
stage1_block1_add           | one step with stage1_block1_relu2
stage1_block1_relu2   A G   |
stage2_block1_conv1 W   GOS | one step with stage2_block1_norm1
stage2_block1_norm1 WB  GO  | one step with stage2_block1_relu1
stage2_block1_relu1   A G   |
stage2_block1_conv2 W   GOS | one step with stage2_block1_norm2
stage2_block1_norm2 WBA GO  |
stage2_block1_shortcut A G  |
stage2_block1_add           | one step with stage2_block1_relu2
stage2_block1_relu2   A G   |
stage3_block1_conv1 W   GOS | one step with stage3_block1_norm1
stage3_block1_norm1 WB  GO  | one step with stage3_block1_relu1
stage3_block1_relu1   A G   |
stage3_block1_conv2 W   GOS | one step with stage3_block1_norm2
stage3_block1_norm2 WBA GO  |
stage3_block1_shortcut A G  |
stage3_block1_add           | one step with stage3_block1_relu2
stage3_block1_relu2   A G   |
pool                  A G   |
logits              WBA GOS |
"""
LETTERS = {"W": "weights", "B": "biases", "A": "activations", "I": "inputs", "G": "gradients",
           "O": "optimizer_state", "S": "accumulators"}  # fmt: skip


def rows(text):
    """Return the rounded slots and the reason of each layer of a table."""
    found = {}
    for line in text.strip().splitlines():
        left, reason = line.split("|")
        name, *words = left.split()
        found[name] = {LETTERS[letter] for letter in "".join(words)}, reason.strip()
    return found


def table(model, policy):
    """Return the rounded slots of each layer, and why its output is not rounded."""
    found = {}
    for site in resolve(model, policy):
        slots, reason = found.get(site.layer, (set(), ""))
        if site.setting is not None:
            slots = slots | {site.slot}
        elif site.slot == "activations":
            reason = site.reason
        found[site.layer] = slots, reason
    return found


@pytest.fixture(scope="module")
def lenet():
    return architectures.build("lenet", width=0.1)


@pytest.fixture(scope="module")
def resnet():
    return architectures.build("resnet", depth=8, width=0.25)


def test_every_row_of_lenet(lenet):
    assert table(lenet, parse_policy(EVERY)) == rows(LENET)


def test_every_row_of_resnet(resnet):
    assert table(resnet, parse_policy(EVERY)) == rows(RESNET)


def test_an_exempt_addition_is_one_step_with_what_it_sums(resnet):
    expected = rows(RESNET)
    for stage in (1, 2, 3):
        for part in ("norm2", "shortcut") if stage > 1 else ("norm2",):
            name = f"stage{stage}_block1_{part}"
            slots, _ = expected[name]
            slots = (
                slots - {"activations"} if part == "norm2" else set()
            )  # nor has a shortcut a gradient then
            expected[name] = slots, f"one step with stage{stage}_block1_add"
    assert table(resnet, parse_policy({**EVERY, "exempt": "additions"})) == expected


def test_exempt_pooling_leaves_averages_and_keeps_maxima(resnet, lenet):
    expected = rows(RESNET)
    expected["pool"] = set(), "pooling is exempt"
    assert table(resnet, parse_policy({**EVERY, "exempt": ["pooling"]})) == expected
    # The maximum ends the step of a convolution: without it nothing would be rounded between the two.
    assert table(lenet, parse_policy({**EVERY, "exempt": ["pooling"]})) == rows(LENET)


@pytest.mark.parametrize("how", ["exempt", "pattern"])
def test_the_first_and_the_last_layer_stay_float32(resnet, how):
    if how == "exempt":
        policy = parse_policy({**EVERY, "exempt": ["first", "last"]})
        reasons = "the first layer is exempt", "the last layer is exempt"
    else:
        missing = {"@first": {"biases", "activations"}, "@last": {"inputs"}}  # what they do not have
        layers = {end: dict.fromkeys(EVERY.keys() - slots, "float32") for end, slots in missing.items()}
        policy = parse_policy({**EVERY, "layers": layers})
        reasons = ("float32 in the policy",) * 2
    expected = rows(RESNET)
    expected["conv1"] = set(), "one step with norm1"
    expected["logits"] = set(), reasons[1]
    assert table(resnet, policy) == expected
    [site] = [s for s in resolve(resnet, policy) if (s.layer, s.slot) == ("conv1", "weights")]
    assert (site.setting, site.reason) == (None, reasons[0])


def test_the_reason_is_given_for_every_slot(lenet):
    policy = parse_policy({"weights": "fixed(8,6)", "exempt": "last"})
    found = {(s.layer, s.slot): s.reason for s in resolve(lenet, policy)}
    assert len(found) == len(lenet.layers) * len(SLOTS)
    assert found["conv1", "weights"] == ""
    assert found["conv1", "biases"] == "float32 in the policy"
    assert found["pool1", "weights"] == "has none"
    assert found["conv2", "inputs"] == "does not read the images"
    assert found["flatten", "gradients"] == "nothing to round"
    assert found["pool1", "optimizer_state"] == "has no variables"
    assert found["logits", "weights"] == "the last layer is exempt"


def test_patterns_by_name_class_and_place(resnet):
    policy = parse_policy(
        {
            "weights": "fixed(8,6)",
            "layers": {
                "class:Conv*": {"weights": "fixed(6,4)"},
                "stage2*": {"weights": "fixed(5,3)"},
                "class:BatchNormalization": {"weights": "float32", "biases": "float16"},
                "@last": {"weights": "fixed(3,1)"},
                "*_conv2": {"weights": "fixed(4,2)"},  # later wins
            },
        }
    )
    found = {name: {s: str(v) for s, v in slots.items()} for name, slots in sites(resnet, policy).items()}
    assert found["conv1"] == found["stage1_block1_conv1"] == {"weights": "fixed(6,4)"}
    assert found["stage2_block1_conv1"] == {"weights": "fixed(5,3)"}
    assert found["stage2_block1_conv2"] == found["stage1_block1_conv2"] == {"weights": "fixed(4,2)"}
    assert found["norm1"] == found["stage2_block1_norm1"] == {"biases": "float16"}
    assert found["logits"] == {"weights": "fixed(3,1)"}
    assert "pool" not in found


def test_the_names_stay_in_a_quantised_model(resnet):
    policy = parse_policy({**EVERY, "accumulators": "float32"})
    assert layer_names(apply(resnet, policy)) == layer_names(resnet)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("cnov1", "'cnov1' matches no layer; did you mean 'conv1'"),
        ("class:Conv3D", "'class:Conv3D' matches no layer; did you mean 'class:Conv2D'"),
        ("class:conv2d", "matches no layer; did you mean 'class:Conv2D'"),  # classes are written as they are
        ("Conv1", "matches no layer; did you mean 'conv1'"),
        ("@frist", "'@frist' matches no layer"),
        ("", "matches no layer"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(lenet, pattern, message):
    with pytest.raises(PrecisionError, match=message):
        resolve(lenet, parse_policy({"layers": {pattern: "float16"}}))


def test_first_and_last_need_a_layer_with_weights():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Activation("relu", name="a")(inputs))
    for pattern in ("@first", "@last"):
        with pytest.raises(PrecisionError, match=f"'{pattern}' matches no layer"):
            resolve(model, parse_policy({"layers": {pattern: "float16"}}))
    exempt = parse_policy({"activations": "float16", "exempt": ["first", "last"]})
    assert set(sites(model, exempt)) == {"a"}


def test_a_sequential_model_has_the_sites_of_a_functional_one():
    chain = [layers.Dense(4, name="a"), layers.ReLU(name="b"), layers.Dense(2, name="c")]
    model = keras.Sequential([keras.Input((3,)), *chain])
    policy = parse_policy(EVERY)
    assert {name: set(slots) for name, slots in sites(model, policy).items()} == {
        "a": {"weights", "biases", "inputs", "gradients", "optimizer_state", "accumulators"},
        "b": {"activations", "gradients"},
        "c": {"weights", "biases", "activations", "gradients", "optimizer_state", "accumulators"},
    }


# What a wrapped layer keeps


def dense_and_norm(seed=0):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((6,))
    x = layers.Dense(5, use_bias=False, name="dense")(x)
    x = layers.BatchNormalization(momentum=0.5, name="norm")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


COARSE = parse_policy({"weights": "fixed(4,2)", "biases": "fixed(5,3)"})


def batch(n=32):
    return np.random.default_rng(0).normal(1, 1, (n, 6)).astype(np.float32)


@pytest.mark.parametrize("frozen", [(), ("dense",), ("norm",), ("norm", "logits")])
def test_frozen_layers_are_rounded_like_the_others_and_keep_their_values(frozen):
    free, model = dense_and_norm(), dense_and_norm()
    for name in frozen:
        model.get_layer(name).trainable = False
    expected = apply(free, COARSE)(batch(), training=False)
    quantised = apply(model, COARSE)
    np.testing.assert_array_equal(quantised(batch(), training=False), expected)

    quantised.compile("sgd", "mse", jit_compile=False)
    before = {v.path: v.numpy() for layer in quantised.layers[1:] for v in layer.layer.variables}
    quantised.train_on_batch(batch(), np.ones((32, 3), np.float32))
    for name in ("dense", "norm", "logits"):
        for variable in quantised.get_layer(name).layer.variables:
            same = np.array_equal(variable.numpy(), before[variable.path])
            assert same == (name in frozen), variable.path


def test_a_layer_frozen_after_it_was_wrapped():
    quantised = apply(dense_and_norm(), COARSE)
    for layer in quantised._flatten_layers():
        layer.trainable = not isinstance(layer, layers.BatchNormalization | layers.Dense)
    before = [v.numpy() for v in quantised.get_layer("norm").layer.variables]
    kernel = quantised.get_layer("dense").layer.kernel.numpy()
    plain = dense_and_norm()
    expected = apply(plain, COARSE)(batch(), training=False)
    np.testing.assert_array_equal(quantised(batch(), training=True), expected)  # with its moving statistics
    for variable, value in zip(quantised.get_layer("norm").layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    np.testing.assert_array_equal(quantised.get_layer("dense").layer.kernel.numpy(), kernel)


def test_statistics_are_those_of_what_flows_through_the_rounded_network():
    quantised = apply(dense_and_norm(), COARSE)
    dense = quantised.get_layer("dense").layer
    x = batch() @ parse("fixed(4,2)").quantize(dense.kernel.numpy())
    for step in (1, 2):
        quantised(batch(), training=True)
        left = 0.5**step
        norm = quantised.get_layer("norm").layer
        np.testing.assert_allclose(norm.moving_mean.numpy(), (1 - left) * x.mean(0), rtol=1e-4)
        np.testing.assert_allclose(norm.moving_variance.numpy(), left + (1 - left) * x.var(0), rtol=1e-4)


def test_a_shared_layer_is_rounded_at_each_use():
    keras.utils.set_random_seed(0)
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, shared(shared(inputs)))
    quantised = apply(model, parse_policy({"weights": "fixed(5,3)", "activations": "fixed(6,3)"}))
    assert [layer.name for layer in quantised.layers if isinstance(layer, Quantized)] == ["shared"]
    w, a = (
        parse("fixed(5,3)").quantize(model.get_layer("shared").kernel.numpy()),
        parse("fixed(6,3)").quantize,
    )
    x = a(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    np.testing.assert_array_equal(quantised(x), a(a(x @ w) @ w))
    assert len(quantised.trainable_variables) == 2


def test_a_layer_that_draws_noise_goes_on_drawing():
    inputs = keras.Input((50,))
    model = keras.Model(inputs, layers.GaussianNoise(1.0, seed=3, name="noise")(inputs))
    quantised = apply(model, parse_policy({"activations": "fixed(8,4)"}))
    x = np.zeros((1, 50), np.float32)
    first, second = (quantised(x, training=True).numpy() for _ in range(2))
    assert (first != second).mean() > 0.8
    np.testing.assert_array_equal(first, parse("fixed(8,4)").quantize(model(x, training=True)))
    np.testing.assert_array_equal(quantised(x, training=False), x)


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """Multiplies by one number, and counts its calls."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        self.calls.assign_add(1.0)
        return x * self.factor


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_a_layer_of_the_user_with_a_single_number(per):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Scale(name="own")(inputs))
    model.get_layer("own").factor.assign(0.7)
    quantised = apply(
        model, parse_policy({"weights": {"format": "int(4,symmetric=true)", "scaling": "pow2", "per": per}})
    )
    np.testing.assert_array_equal(quantised(np.ones((2, 3), np.float32)), np.full((2, 3), np.float32(0.75)))
    calls = quantised.get_layer("own").layer.calls
    before = float(calls.numpy())
    quantised(np.ones((2, 3), np.float32))
    assert float(calls.numpy()) == before + 1


@pytest.mark.parametrize("weights", ["fixed(8,6)", {"format": "int(8)", "scaling": "real", "per": "channel"}])
def test_blocks_of_a_gradient_run_along_the_sum_however_the_weight_is_scaled(weights):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(6, use_bias=False, name="dense")(inputs))
    f = parse("mxfp4_e2m1(block=4)")
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    upstream = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)

    def gradient(policy):
        quantised = apply(model, parse_policy(policy))
        with tf.GradientTape() as tape:
            y = quantised(x)
        kernel = quantised.get_layer("dense").layer.kernel.value
        return tape.gradient(y, kernel, tf.constant(upstream)).numpy()

    # What flows back is rounded at the output first, in blocks of channels. What stops where a weight was
    # clipped has no part in the scale of its block.
    passed = gradient({"weights": weights}) != 0
    exact = np.where(passed, x.T @ f.quantize(upstream), np.float32(0))
    rounded = gradient({"weights": weights, "gradients": f.name})
    np.testing.assert_array_equal(rounded, f.quantize(exact, axis=0))
    assert (rounded != f.quantize(exact, axis=1)).any()
