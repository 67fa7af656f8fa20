"""What a transform may do to a network, and what is told of one that does something else."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from precision import plugins
from precision.errors import PrecisionError
from precision.quantization import Policy, parse_policy
from precision.quantization.transforms.prepared import prepared
from precision.registry import foreign

OWN = """\
import keras, numpy as np
from precision.registry import TRANSFORMS

@TRANSFORMS.register("own")
def own(network, images):
    BODY
    return network
"""
IMAGES = np.random.default_rng(0).random((12, 6), np.float32)
POLICY = {"weights": "fixed(8,6)", "transforms": ["own"]}


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    images = keras.Input((6,))
    x = layers.Dense(4, activation="relu", name="first")(images)
    return keras.Model(images, layers.Dense(3, name="logits")(x), name="small")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that makes the transform of a plugin."""
    monkeypatch.chdir(tmp_path)

    def load(*lines):
        (tmp_path / "own.py").write_text(OWN.replace("BODY", "\n    ".join(lines)))
        plugins.load(["own.py"])
        return parse_policy(POLICY)

    yield load
    plugins.load([])
    assert not foreign()


def test_nothing_is_copied_where_there_is_nothing_to_do(model):
    assert prepared(model, parse_policy("fixed(8,6)"), images=None) is model


@pytest.mark.parametrize("lines", [(), ("network = keras.models.clone_model(network)",)])
def test_a_transform_gets_a_copy_and_the_images(own, model, lines):
    policy = own(
        "weights = network.get_weights()",
        *lines,
        "network.set_weights([w + images.sum() for w in weights])",
    )
    before = model.get_weights()
    found = prepared(model, policy, lambda: IMAGES)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    for old, new in zip(before, found.get_weights(), strict=True):
        assert np.array_equal(new, old + IMAGES.sum())
    assert [layer.name for layer in found.layers] == [layer.name for layer in model.layers]


def test_one_comes_after_the_other(own, model):
    own("network.set_weights([2 * w + 1 for w in network.get_weights()])")
    policy = parse_policy({**POLICY, "transforms": ["own", "equalize", "own"]})
    seen = []
    found = prepared(model, policy, lambda: seen.append(1) or IMAGES)
    once = [2 * w + 1 for w in model.get_weights()]
    scales = np.sqrt(abs(once[0]).max(0) / abs(once[2]).max(1))
    np.testing.assert_allclose(found.layers[1].kernel, 2 * once[0] / scales + 1, rtol=1e-6)
    assert seen == [1]


SAME = "must return the network that it was given with other weights and nothing else changed, but "


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 / 0"], r"own\.py:6: transform 'own' raised ZeroDivisionError"),
        (["network = network.get_weights()"], r"own\.py:4: transform 'own' must return a Model, but it ret"),
        (["network = None"], r"own\.py:4: .*must return a Model, but it returned None"),
        (
            ["network = keras.Model(network.input, network.layers[1].output)"],
            f"{SAME}the layers are not those that it was given: 'logits' is in one of the two alone",
        ),
        (
            [
                "x = keras.layers.Dense(4, name='first')(network.input)",
                "network = keras.Model(network.input, keras.layers.Dense(3, name='logits')(x))",
            ],
            f"{SAME}its network computes something else than the layers it was given do with its weights",
        ),
        (["network.layers[1].activation = keras.activations.tanh"], f"{SAME}its network computes something"),
        (
            [
                "x = keras.layers.Dense(4, use_bias=False, name='first')(network.input)",
                "network = keras.Model(network.input, keras.layers.Dense(3, name='logits')(x))",
            ],
            rf"{SAME}the weights of 'first' have the shapes \[\(6, 4\)\], and had \[\(6, 4\), \(4,\)\]",
        ),
        (["network.layers[2].bias.assign([0, np.nan, 0])"], f"{SAME}weights of 'logits' are not finite"),
        (
            ["class Own(keras.Model):", "    pass", "network = Own()"],
            f"{SAME}a policy applies to functional and sequential Keras models, but got Own",
        ),
    ],
)
def test_what_does_more_than_change_weights_is_refused(own, model, lines, message):
    policy = own(*lines)
    with pytest.raises(PrecisionError, match=message) as caught:
        prepared(model, policy, lambda: IMAGES)
    assert re.match(r"own\.py:\d+: transform 'own' ", str(caught.value)) and "\n" not in str(caught.value)


def test_what_a_policy_says_of_them():
    policy = parse_policy({**POLICY, "transforms": ["equalize", "equalize"], "calibration": {"images": 9}})
    assert policy.to_json()["transforms"] == ["equalize"] * 2 and policy.to_json()["calibration"] == {
        "images": 9
    }
    assert Policy.from_json(policy.to_json()) == policy
    assert "transformed by equalize equalize" in str(policy)
    assert "transforms" not in parse_policy("fixed(8,6)").to_json()
    assert "calibration" not in parse_policy({**POLICY, "transforms": []}).to_json()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["equalise"], "unknown transform 'equalise'; did you mean 'equalize'"),
        ([3], "unknown transform 3"),
        ("equalize", "transforms must be a list of names, such as \\[equalize\\], but got 'equalize'"),
    ],
)
def test_what_is_no_list_of_transforms(value, message):
    with pytest.raises(PrecisionError, match=message):
        parse_policy({**POLICY, "transforms": value})
