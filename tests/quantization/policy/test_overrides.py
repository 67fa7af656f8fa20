"""What an override keeps of the setting that it replaces, and integers that have no scale anywhere."""

import keras
import pytest
import yaml

from precision.errors import LocatedError
from precision.quantization import Policy, parse_policy
from precision.quantization.policy.presets import PRESETS
from precision.quantization.sites import sites

WEIGHTS = {"format": "int(4,symmetric=true)", "scaling": "real", "per": "channel"}
AFFINE = {"format": "int(4)", "scaling": "real", "zero_point": True}
INT4 = {"weights": WEIGHTS, "activations": AFFINE, "calibration": {"images": 64, "observer": "mse"}}


def texts(policy, layer="conv"):
    return {slot: str(setting) for slot, setting in policy.for_layer(layer).items()}


def overridden(override, base=INT4, **more):
    return parse_policy({**base, **more, "layers": {"conv": override}})


@pytest.mark.parametrize(
    ("override", "weights", "activations"),
    [
        # the format alone changes, wherever there is a scale; biases and images stay float32
        ("int(8)", "int(8) scale per channel mse", "int(8) affine scale per tensor mse"),
        ({"format": "int(8)"}, "int(8) scale per channel mse", "int(8) affine scale per tensor mse"),
        ({"weights": "int(6)"}, "int(6) scale per channel mse", "int(4) affine scale per tensor mse"),
        # what is said is said
        ({"weights": {"format": "int(6)", "per": "tensor"}}, "int(6) scale per tensor mse", None),
        ({"weights": {"format": "int(6)", "observer": "minmax"}}, "int(6) scale per channel minmax", None),
        ({"weights": {"format": "int(6)", "dynamic": True}}, "int(6) scale per channel dynamic", None),
        ({"weights": {"format": "int(6)", "per": "block"}}, "block(int(6),32,scale=float32)", None),
        ({"weights": {"format": "int(6)", "rounding": "floor"}}, "int(6) scale per channel mse floor", None),
        # one that says how it is scaled says all
        ({"weights": {"format": "int(6)", "scaling": "pow2"}}, "int(6) 2^k per tensor mse", None),
        ({"weights": {"format": "int(6)", "scaling": "none"}}, "int(6)", None),
        # formats with a range of their own: so do they
        ({"weights": "fixed(8,6)"}, "fixed(8,6)", None),
        ({"weights": "fixed(8,0)"}, "fixed(8,0)", None),
        ({"weights": "fixed(8,auto)"}, "fixed(8,0) 2^k per tensor mse", None),
        ({"weights": "float8_e4m3fn"}, "float8_e4m3fn", None),
        ({"weights": "nf4"}, "nf4", None),
    ],
)
def test_an_integer_keeps_the_scaling_and_any_other_format_says_all(override, weights, activations):
    found = texts(overridden(override))
    assert found["weights"] == weights
    assert found["activations"] == (activations or "int(4) affine scale per tensor mse")
    assert set(found) == {"weights", "activations"}


def test_it_keeps_every_option():
    kept = [
        {"format": "int(4)", "scaling": "real", "observer": "percentile", "percentile": 99.0},
        {"format": "int(4)", "scaling": "real", "per": "block", "block": 16},
        {"format": "int(4)", "scaling": "pow2", "dynamic": True, "rounding": "stochastic"},
        {"format": "fixed(4,auto)", "dynamic": True},
        "fixed(4,auto)",
    ]
    expected = [
        "int(8) scale per tensor percentile 99",
        "block(int(8),16,scale=float32)",
        "int(8) 2^k per tensor dynamic stochastic",
        "int(8) 2^k per tensor dynamic",
        "int(8) 2^k per tensor minmax",
    ]
    found = [texts(overridden({"weights": "int(8)"}, {"weights": base}))["weights"] for base in kept]
    assert found == expected


def test_it_keeps_that_of_an_earlier_override_where_the_network_has_none():
    layers = {
        "conv*": {"weights": WEIGHTS},
        "dense": {"weights": "fixed(8,auto)"},  # never the same layer as conv1
        "conv1": {"weights": "int(8)"},
    }
    policy = parse_policy({"layers": layers})
    assert texts(policy, "conv1") == {"weights": "int(8) scale per channel minmax"}


def test_where_layers_would_keep_different_scalings_it_has_to_say():
    layers = {"conv*": {"weights": {**WEIGHTS, "per": "tensor"}}, "@first": {"weights": "int(8)"}}
    with pytest.raises(
        LocatedError, match="that of the whole network and others that of 'conv\\*'"
    ) as caught:
        parse_policy({**INT4, "layers": layers})
    assert caught.value.location == ("layers", "@first", "weights")
    layers["@first"] = {"weights": {"format": "int(8)", "scaling": "real"}}
    parse_policy({**INT4, "layers": layers})
    # the names of two layers never mean the same one
    parse_policy({**INT4, "layers": {"a": layers["conv*"], "b": {"weights": "int(8)"}}})


def test_the_resolved_policy_says_all_of_it():
    policy = overridden("int(8)")
    [[_, override]] = policy.to_json()["layers"]
    assert override["weights"] == {
        "format": "int(8)",
        "scaling": "real",
        "per": "channel",
        "zero_point": False,
        "observer": "mse",
    }
    assert Policy.from_json(policy.to_json()).for_layer("conv") == policy.for_layer("conv")


def test_whole_numbers_on_purpose_come_back_from_plain_data():
    policy = parse_policy({"weights": {"format": "int(8)", "scaling": "none"}})
    assert policy.to_json()["weights"] == "int(8)"  # as it always was: the identity of such a trial stays
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("spec", "location"),
    [
        ("int(8)", ()),
        ("uint(4)", ()),
        ({"format": "int(8,symmetric=true)", "rounding": "stochastic"}, ()),
        ({"weights": "int(8)"}, ("weights",)),
        ({"weights": "float16", "layers": {"a": "int(8)"}}, ("layers", "a")),
        ({**INT4, "layers": {"a": {"inputs": "int(8)"}}}, ("layers", "a", "inputs")),
        ({"layers": {"a": {"weights": "mxfp4_e2m1"}, "@first": {"weights": "int(8)"}}},
         ("layers", "@first", "weights")),
    ],
)  # fmt: skip
def test_an_integer_without_any_scale_is_refused_with_what_to_write(spec, location):
    with pytest.raises(LocatedError, match="rounds to whole numbers") as caught:
        parse_policy(spec)
    assert caught.value.location == location
    # what it says to write can be written
    advice = str(caught.value)
    written = yaml.safe_load(advice[advice.index("{") : advice.index("}") + 1])
    assert parse_policy({"weights": written}).slots["weights"].scaled


def test_what_is_to_be_written_for_gradients_and_accumulators():
    with pytest.raises(LocatedError, match="scaling: real, dynamic: true"):
        parse_policy({"gradients": "int(8)"})
    with pytest.raises(LocatedError, match=r"whole numbers.*fixed\(16,8\)"):
        parse_policy({"accumulators": "int(16)"})
    with pytest.raises(LocatedError, match="whole numbers") as caught:
        parse_policy({"accumulators": {"format": "float16", "products": "int(16)"}})
    assert caught.value.location == ("accumulators", "products")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_it_expands_to(name):
    whole = parse_policy(name)
    assert whole == parse_policy(PRESETS[name])
    assert not whole.is_float32
    # and so it is of a layer: what it does not name is float32 there
    layer = parse_policy({"weights": "float16", "biases": "float16", "layers": {"conv": name}})
    assert layer.for_layer("conv") == whole.for_layer("conv")


def test_the_presets():
    assert {name: texts(parse_policy(name)) for name in PRESETS} == {
        "int8": {
            "weights": "int(8,symmetric=True) scale per channel minmax",
            "activations": "int(8) affine scale per tensor minmax",
            "inputs": "int(8) affine scale per tensor minmax",
        },
        "int8_dynamic": {
            "weights": "int(8,symmetric=True) scale per channel minmax",
            "activations": "int(8) affine scale per tensor dynamic",
            "inputs": "int(8) affine scale per tensor dynamic",
        },
        "int4_weights": {"weights": "int(4,symmetric=True) scale per channel minmax"},
    }


def test_a_whole_layer_keeps_what_has_no_scale():
    base = {"weights": WEIGHTS, "biases": "float16", "activations": "float8_e4m3fn"}
    found = texts(overridden("int(8)", base))
    assert found == {
        "weights": "int(8) scale per channel minmax",
        "biases": "float16",
        "activations": "float8_e4m3fn",
    }
    layers = {"conv*": {"biases": "bfloat16"}, "@first": "int(8)"}
    with pytest.raises(LocatedError, match="the biases of these layers differ"):
        parse_policy({**base, "layers": layers})


def test_a_whole_layer_may_have_slots_that_round_nothing():
    """Between a convolution and its normalisation nothing is rounded, and the last layer reads no image."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(2, name="logits"),
        ]
    )
    for override in ("int(8)", "int8"):
        found = sites(model, parse_policy({**INT4, "layers": {"@first": override, "@last": override}}))
        assert str(found["conv"]["weights"]).startswith("int(8")
        assert str(found["logits"]["activations"]).startswith("int(8) affine")
