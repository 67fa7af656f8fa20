"""What a slot of a policy can say, and that it comes back from plain data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.formats import parse
from precision.quantization import Policy, Setting, parse_policy
from precision.quantization.policy.settings import Defaults, Scaling, parse_setting
from precision.registry import OBSERVERS

HERE = ("activations",)
INT8 = {"format": "int(8)", "scaling": "real"}


def setting(**options):
    return parse_setting(options, HERE)


# What is read


def test_a_text_is_the_format_alone():
    assert parse_setting("fixed(8,4)", HERE) == Setting(parse("fixed(8,4)"))
    assert setting(format="fixed(8,4)", scaling="none") == Setting(parse("fixed(8,4)"))


def test_every_key():
    found = setting(
        format="int(8)",
        rounding="stochastic(8)",
        scaling="real",
        per="channel",
        zero_point=True,
        dynamic=False,
        observer="percentile",
        percentile=99,
    )
    scaling = Scaling("real", "channel", True, False, "percentile", 99.0)
    assert found == Setting(parse("int(8)"), "stochastic(random_bits=8)", scaling)
    assert found.scaled and found.per_channel and found.calibrated


def test_what_is_not_said():
    assert setting(**INT8) == Setting(parse("int(8)"), "nearest", Scaling("real"))
    assert Scaling("real") == Scaling("real", "tensor", False, None, "minmax", 99.9)
    unsaid = {"zero_point": None, "dynamic": None}  # as YAML reads 'dynamic:' with nothing behind it
    assert setting(**INT8, **unsaid) == setting(**INT8)


def test_a_dynamic_range_needs_no_calibration():
    assert setting(**INT8).calibrated
    assert setting(**INT8, dynamic=False).calibrated
    assert not setting(**INT8, dynamic=True).calibrated
    assert not setting(format="int(8)").calibrated


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fixed(8,auto)", "fixed(8,0)"),
        (" fixed( 8 , auto ) ", "fixed(8,0)"),
        ("ufixed(5,auto)", "ufixed(5,0)"),
        ("fixed(8,auto,symmetric=true)", "fixed(8,0,symmetric=True)"),
    ],
)
def test_auto_is_a_power_of_two_for_each_tensor(text, name):
    found = parse_setting(text, HERE)
    assert found == Setting(parse(name), "nearest", Scaling("pow2"))
    options = {"per": "channel", "observer": "mse"}
    assert setting(format=text, **options) == setting(format=name, scaling="pow2", **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"format": "int(8)", "scaling": "pow2"}, "block(int(8),32)"),
        ({"format": "int(8)", "scaling": "real", "block": 16}, "block(int(8),16,scale=float32)"),
        ({"format": "nf4", "scaling": "real", "block": 64}, "block(nf4,64,scale=float32)"),
        ({"format": "fixed(6,auto)", "block": 4}, "block(fixed(6,0),4)"),
        (
            {"format": "int(8)", "scaling": "pow2", "observer": "minmax", "zero_point": False},
            "block(int(8),32)",
        ),
    ],
)
def test_a_scale_per_block_is_a_block_format(options, name):
    assert setting(**options, per="block") == Setting(parse(name))


def test_float32_is_no_rounding_in_any_mode():
    assert parse_setting("float32", HERE) is None
    assert setting(format="float32", rounding="stochastic") is None
    policy = parse_policy({"weights": "float16", "rounding": "stochastic", "layers": {"logits": "float32"}})
    assert policy.for_layer("logits") == {}
    assert parse_policy({"weights": "float32", "rounding": "stochastic"}).is_float32


def test_the_rounding_of_the_policy_is_for_slots_without_their_own():
    policy = parse_policy(
        {
            "weights": "fixed(8,6)",
            "activations": {"format": "fixed(8,6)", "rounding": "floor"},
            "rounding": "odd",
            "layers": {"a": {"weights": "fixed(4,3)", "activations": {**INT8, "rounding": "nearest"}}},
        }
    )
    assert {s: v.rounding for s, v in policy.slots.items()} == {"weights": "odd", "activations": "floor"}
    assert {s: v.rounding for s, v in policy.for_layer("a").items()} == {
        "weights": "odd",
        "activations": "nearest",
    }


def test_the_calibration_of_the_policy_is_for_slots_without_their_own():
    policy = parse_policy(
        {
            "weights": {**INT8, "observer": "mse"},
            "activations": INT8,
            "inputs": {**INT8, "percentile": 99},
            "biases": {**INT8, "dynamic": True},
            "layers": {"a": {"activations": {**INT8, "observer": "entropy"}}},
            "calibration": {"images": 64, "percentile": 99.5},
        }
    )
    observers = {s: (v.scaling.observer, v.scaling.percentile) for s, v in policy.slots.items()}
    assert observers == {
        "weights": ("mse", 99.9),
        "activations": ("percentile", 99.5),
        "inputs": ("percentile", 99.0),
        "biases": ("minmax", 99.9),  # dynamic
    }
    assert policy.for_layer("a")["activations"].scaling.observer == "entropy"
    assert policy.images == 64
    assert parse_policy({"activations": INT8}).images == 512


def test_a_whole_policy_may_be_one_setting():
    policy = parse_policy({**INT8, "observer": "mse", "calibration": {"images": 9}})
    assert policy.slots == dict.fromkeys(
        ("weights", "biases", "activations", "inputs"), setting(**INT8, observer="mse")
    )
    assert policy.images == 9
    assert parse_policy("fixed(8,auto)").slots["inputs"] == parse_setting("fixed(8,auto)", HERE)


def test_accumulators():
    def read(spec):
        return parse_policy({"accumulators": spec}).slots["accumulators"]

    assert read("float16") == Accumulator(parse("float16"))
    assert read(
        {"format": "float16", "every": 4, "products": "bfloat16", "rounding": "floor"}
    ) == Accumulator(parse("float16"), 4, parse("bfloat16"), "floor")
    assert read("float32") is None  # summed as the computer does
    assert read({"format": "float32", "every": 1}) == Accumulator(parse("float32"))
    assert read({"format": "float32", "products": "float16"}) == Accumulator(
        parse("float32"), 1, parse("float16")
    )


# Texts


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "fixed(8,4)"}, "fixed(8,4)"),
        ({"format": "fixed(8,4)", "rounding": "floor"}, "fixed(8,4) floor"),
        ({"format": "fixed(8,auto)"}, "fixed(8,0) 2^k per tensor minmax"),
        ({**INT8, "per": "channel", "observer": "mse"}, "int(8) scale per channel mse"),
        ({**INT8, "zero_point": True, "dynamic": True}, "int(8) affine scale per tensor dynamic"),
        ({**INT8, "percentile": 99.99, "observer": "percentile"}, "int(8) scale per tensor percentile 99.99"),
    ],
)
def test_how_it_is_shown(options, text):
    assert str(setting(**options)) == text


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("fixed(8,4)", "weights fixed(8,4), biases fixed(8,4), activations fixed(8,4), inputs fixed(8,4)"),
        ({"weights": "float16", "layers": {"a*": "fixed(8,6)", "b": {"weights": "float32"}}},
         "weights float16, a*: fixed(8,6), b: weights float32"),
        ({"inputs": "float16", "exempt": ["last", "first"], "fold_batch_norm": True},
         "inputs float16, exempt first last, batch norm folded"),
        ({}, "float32"),
    ],
)  # fmt: skip
def test_how_a_policy_is_shown(spec, text):
    assert str(parse_policy(spec)) == text


# Plain data and back

FORMATS = (
    "int(8)",
    "uint(4)",
    "int(8,symmetric=True)",
    "fixed(8,4)",
    "float8_e4m3fn(overflow=saturate)",
    "posit(8,1)",
    "nf4",
)
AFFINE = ("int(8)", "uint(4)", "fixed(8,0)")
MODES = ("nearest", "stochastic", "stochastic(random_bits=8)", "floor", "nearest_away")


@st.composite
def mappings(draw, dynamic=(True, False, None), per=("tensor", "channel", "block")):
    """Options of a slot that do not contradict each other."""
    spec = {"format": draw(st.sampled_from([*FORMATS, "mxfp8_e4m3"]))}
    kind = draw(st.sampled_from(["none", "pow2", "real", "auto"]))
    spec |= draw(st.fixed_dictionaries({}, optional={"rounding": st.sampled_from(MODES)}))
    if kind == "none":  # which integers have to say
        return spec | ({"scaling": "none"} if "int(" in spec["format"] else {})
    spec["format"] = "fixed(6,auto)" if kind == "auto" else draw(st.sampled_from(FORMATS))
    spec |= {} if kind == "auto" else {"scaling": kind}
    spec["per"] = draw(st.sampled_from(per))
    if spec["per"] == "block":
        return spec | draw(st.fixed_dictionaries({}, optional={"block": st.integers(1, 64)}))
    if kind == "real" and draw(st.booleans()):
        spec |= {"format": draw(st.sampled_from(AFFINE)), "zero_point": True}
    range_ = draw(st.sampled_from(dynamic))
    spec |= {} if range_ is None and draw(st.booleans()) else {"dynamic": range_}
    if not range_ and draw(st.booleans()):
        spec["observer"] = draw(st.sampled_from(list(OBSERVERS)))
        if spec["observer"] == "percentile":
            spec["percentile"] = draw(st.floats(50, 100, exclude_min=True))
    return spec


def through_json(data):
    return json.loads(json.dumps(data, allow_nan=False))


@given(spec=mappings(), rounding=st.sampled_from(MODES), observer=st.sampled_from(list(OBSERVERS)))
def test_a_setting_comes_back_from_plain_data(spec, rounding, observer):
    found = parse_setting(spec, HERE, Defaults(rounding, observer))
    data = through_json(found.to_json(rounding))
    for other in OBSERVERS:  # what is written does not depend on the rest of a policy, but for the rounding
        assert parse_setting(data, HERE, Defaults(rounding, other, 77.0)) == found
    assert parse_setting(data, HERE, Defaults(rounding)).to_json(rounding) == data


SLOTS = st.fixed_dictionaries(
    {},
    optional={
        "weights": mappings() | st.just("float32"),
        "biases": mappings(per=("tensor", "block")),
        "activations": mappings(),
        "inputs": mappings() | st.just("float16"),
        "gradients": mappings(dynamic=(True,), per=("tensor", "block")),
        "accumulators": st.sampled_from(["float16", "float32", {"format": "float32", "every": 3}]),
    },
)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "rounding": st.sampled_from(MODES),
        "layers": st.dictionaries(st.sampled_from(["a*", "ab", "@last", "class:Dense"]), SLOTS, max_size=3),
        "exempt": st.lists(st.sampled_from(["first", "last", "additions", "pooling"]), max_size=3),
        "fold_batch_norm": st.booleans(),
        "calibration": st.fixed_dictionaries(
            {}, optional={"images": st.integers(1, 99), "observer": st.sampled_from(list(OBSERVERS))}
        ),
    },
)


@given(slots=SLOTS, rest=POLICIES)
def test_a_policy_comes_back_from_plain_data(slots, rest):
    policy = parse_policy({**slots, **rest})
    data = through_json(policy.to_json())
    again = Policy.from_json(data)
    assert again.to_json() == data
    if policy.is_float32:
        assert data == {}
        return
    for name in ("a", "ab", "b"):
        assert again.for_layer(name) == policy.for_layer(name)
    assert (again.exempt, again.fold_batch_norm) == (policy.exempt, policy.fold_batch_norm)
    assert again.calibrated == policy.calibrated
    assert again.images == policy.images or not policy.calibrated


def test_the_plain_data_of_equal_policies_is_equal():
    same = [
        {"activations": INT8},
        {"activations": {**INT8, "per": "tensor", "zero_point": False, "observer": "minmax"}},
        {"weights": "float32", "activations": INT8, "exempt": []},
        {"activations": {"scaling": "real", "format": " int( 8 )"}, "calibration": {"images": 512}},
    ]
    assert len({json.dumps(parse_policy(spec).to_json(), sort_keys=True) for spec in same}) == 1
