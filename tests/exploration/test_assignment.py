import glob
import itertools

import keras
import numpy as np
import pytest

import architectures
from precision.analysis.search import OBJECTIVES
from precision.errors import PrecisionError
from precision.exploration.assignment import Assignments, units
from precision.measure.counted.activations import activations
from precision.measure.counted.cost import layer_costs
from precision.measure.counted.energy import energy
from precision.measure.counted.packed import weight_memory
from precision.measure.counted.products import bit_operations
from precision.quantization import apply, parse_policy
from precision.quantization.sites import sites
from precision.quantization.transforms.folding import fold

POLICIES = {
    "wide": parse_policy({"weights": "fixed(12,8)", "biases": "float16", "activations": "fixed(12,6)"}),
    "scaled": parse_policy(
        {
            "weights": {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"},
            "activations": "fixed(6,3)",
            "inputs": "ufixed(6,6)",
        }
    ),
    "float8": parse_policy("float8_e4m3fn(overflow=saturate)"),
}


def test_units_of_a_chain():
    assert units(architectures.build("lenet")) == {
        "conv1": ["input", "conv1", "pool1"],
        "conv2": ["conv2", "pool2", "flatten"],
        "dense1": ["dense1"],
        "dense2": ["dense2"],
        "logits": ["logits"],
    }


def test_units_of_branches():
    model = architectures.build("resnet", depth=8)
    found = units(model)
    assert list(found) == [
        layer.name for layer in model.layers if "conv" in layer.name or layer.name == "logits"
    ]
    assert found["stage1_block1_conv2"] == [
        "stage1_block1_conv2",
        "stage1_block1_norm2",
        "stage1_block1_add",
        "stage1_block1_relu2",
        "stage2_block1_shortcut",
    ]
    assert sorted(itertools.chain(*found.values())) == sorted(layer.name for layer in model.layers)


def test_what_comes_before_the_first_kernel_belongs_to_it():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(0.5, name="rescaling"),
            keras.layers.Conv2D(2, 3, name="conv"),
        ]
    )
    (layers,) = units(model).values()
    assert layers[-2:] == ["rescaling", "conv"]


def test_a_branch_without_kernels_belongs_to_the_first_unit():
    inputs = keras.Input((6, 6, 2))
    a = keras.layers.Conv2D(2, 3, padding="same", name="conv")(inputs)
    b = keras.layers.AveragePooling2D(3, strides=1, padding="same", name="smooth")(inputs)
    both = keras.layers.Add(name="add")([a, b])
    found = units(keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(both)))
    assert set(found["conv"]) >= {"conv", "smooth", "add", "pool"}


def test_a_network_without_a_kernel():
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    with pytest.raises(PrecisionError, match="no layer with a kernel"):
        units(model)


@pytest.fixture(scope="module")
def resnet():
    return architectures.build("resnet", depth=8, width=0.25)


@pytest.mark.parametrize("seed", range(6))
def test_a_mixed_policy_gives_each_unit_its_own(resnet, seed):
    made = Assignments(resnet, POLICIES)
    assignment = tuple(np.random.default_rng(seed).integers(0, 3, len(made.units)).tolist())
    policy = made.policy(assignment)
    expected = {}
    for (_, layers), choice in zip(made.units.items(), assignment, strict=True):
        own = sites(resnet, list(POLICIES.values())[choice])
        expected |= {layer: own[layer] for layer in layers if layer in own}
    assert sites(resnet, policy) == expected
    assert made.bytes(assignment) == weight_memory(resnet, policy).bytes
    assert made.energy(assignment) == pytest.approx(energy(resnet, policy).total_pj, rel=1e-12)
    assert made.activations(assignment) == activations(resnet, policy).peak
    own = sites(resnet, policy)
    bops = sum(bit_operations(cost, own) for cost in layer_costs(resnet))
    assert made.bops(assignment) == pytest.approx(bops, rel=1e-12)
    rows = made.rows(assignment)
    assert sum(row.energy for row in rows) == pytest.approx(made.energy(assignment), rel=1e-12)
    assert [row.policy for row in rows] == [list(POLICIES)[choice] for choice in assignment]
    data = policy.to_json()
    assert parse_policy({**data, "layers": dict(data["layers"])}) == policy


def test_a_uniform_assignment_computes_as_its_policy(resnet):
    made = Assignments(resnet, POLICIES)
    images = np.random.default_rng(0).uniform(size=(4, 28, 28, 1)).astype(np.float32)
    for label, assignment in zip(POLICIES, made.uniform, strict=True):
        if POLICIES[label].calibrated:
            continue
        ours = apply(resnet, made.policy(assignment))(images).numpy()
        np.testing.assert_array_equal(ours, apply(resnet, POLICIES[label])(images).numpy())
        assert made.bytes(assignment) == weight_memory(resnet, POLICIES[label]).bytes


def test_folded_networks_have_no_normalisations(resnet):
    policies = {
        name: parse_policy({"weights": f"fixed({bits},{bits - 1})", "fold_batch_norm": True})
        for name, bits in (("a", 8), ("b", 4))
    }
    folded = fold(resnet).model
    made = Assignments(folded, policies)
    policy = made.policy((0,) * 7 + (1,))
    assert policy.fold_batch_norm
    assert not any("norm" in pattern for pattern, _ in policy.layers)


def test_names_that_look_like_patterns():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="a[1]"), keras.layers.Dense(2, name="a1")]
    )
    made = Assignments(model, {"x": parse_policy("fixed(8,6)"), "y": parse_policy("fixed(4,3)")})
    policy = made.policy((1, 0))
    assert [pattern for pattern, _ in policy.layers] == [glob.escape("a[1]"), "a1"]
    found = sites(model, policy)
    assert (str(found["a[1]"]["weights"]), str(found["a1"]["weights"])) == ("fixed(4,3)", "fixed(8,6)")


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"fold_batch_norm": True}, "fold_batch_norm"),
        ({"exempt": ["additions"]}, "exempt"),
    ],
)
def test_policies_that_cannot_be_mixed(resnet, more, key):
    policies = {"a": parse_policy("fixed(8,6)"), "b": parse_policy({"weights": "fixed(4,3)", **more})}
    with pytest.raises(PrecisionError, match=f"one '{key}', but the policies a and b"):
        Assignments(resnet, policies)


def test_images_of_calibration_matter_only_where_there_is_calibration(resnet):
    scaled = {"weights": "fixed(8,6)", "activations": {"format": "int(8)", "scaling": "real"}}
    policies = {
        "a": parse_policy("fixed(8,6)"),
        "b": parse_policy({**scaled, "calibration": {"images": 64}}),
    }
    made = Assignments(resnet, policies)
    assert made.policy((0,) * 8).images == made.policy((1,) * 8).images == 64
    policies["c"] = parse_policy({**scaled, "calibration": {"images": 32}})
    with pytest.raises(PrecisionError, match="calibration images"):
        Assignments(resnet, policies)


def test_the_energy_of_an_unknown_kind_is_not_known():
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm")])
    made = Assignments(model, {"a": parse_policy("fixed(8,6)"), "b": parse_policy("fixed(4,3)")})
    assert not made.counted
    assert np.isnan(made.rows((0,))[0].energy)
    assert made.bytes((1,)) < made.bytes((0,))
    for objective in OBJECTIVES:
        if objective != "memory":
            with pytest.raises(PrecisionError, match="of layer 'lstm' is not known"):
                made.cost(objective)((0,))
