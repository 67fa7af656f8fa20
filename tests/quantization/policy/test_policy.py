import pytest

from precision.errors import PrecisionError
from precision.quantization import Policy, parse_policy


def texts(policy, layer):
    return {slot: setting.to_json() for slot, setting in policy.for_layer(layer).items()}


def test_a_text_is_for_all_slots():
    assert texts(parse_policy("fixed(8,4)"), "any") == dict.fromkeys(
        ("weights", "biases", "activations", "inputs"), "fixed(8,4)"
    )


def test_unnamed_slots_stay_float32():
    assert texts(parse_policy({"weights": "fixed(8,6)"}), "conv1") == {"weights": "fixed(8,6)"}


def test_a_later_pattern_wins():
    policy = parse_policy(
        {
            "weights": "float16",
            "layers": {
                "conv*": {"weights": "fixed(8,6)"},
                "conv2": {"weights": "fixed(4,3)"},
                "logits": "float32",
            },
        }
    )
    assert texts(policy, "conv1") == {"weights": "fixed(8,6)"}
    assert texts(policy, "conv2") == {"weights": "fixed(4,3)"}
    assert texts(policy, "dense1") == {"weights": "float16"}
    assert texts(policy, "logits") == {}


@pytest.mark.parametrize(
    "spec",
    [
        "float32",
        "fixed(8,4)",
        {"weights": "fixed( 8,6)", "rounding": "stochastic"},
        {"activations": "float16", "layers": {"b*": "float32", "a*": {"inputs": "fixed(8,7)"}}},
    ],
)
def test_plain_data_and_back(spec):
    policy = parse_policy(spec)
    data = policy.to_json()
    assert Policy.from_json(data).to_json() == data
    for name in ("a1", "b1", "c1"):
        assert Policy.from_json(data).for_layer(name) == policy.for_layer(name)


@pytest.mark.parametrize("spec", ["float32", {"weights": "float32"}, {"layers": {"a": "float32"}}, {}])
def test_float32_in_every_spelling_is_the_same(spec):
    assert parse_policy(spec).is_float32
    assert parse_policy(spec).to_json() == {}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"weigths": "float16"}, "unknown slot 'weigths'; did you mean 'weights'"),
        ({"weights": "flaot16"}, "did you mean 'float16'"),
        ({"rounding": "up"}, "unknown rounding 'up'"),
        ({"layers": ["a"]}, "layers must map a pattern"),
        ({"layers": {"a": {"wheights": "float16"}}}, "unknown slot 'wheights'"),
        (8, "a format is a text"),
    ],
)
def test_refusals(spec, message):
    with pytest.raises(PrecisionError, match=message):
        parse_policy(spec)


@pytest.mark.parametrize("name", ["block[0]", "conv*", "a?", "[x]", "block[[]0]"])
def test_a_name_with_the_letters_of_wildcards_is_a_pattern_of_its_own(name):
    policy = parse_policy({"weights": "fixed(8,6)", "layers": {name: "float16"}})
    policy.check_layers([name])
    assert str(policy.for_layer(name)["weights"]) == "float16"


def test_a_bracket_is_escaped_by_a_bracket():
    layers = {"block[0]": "float16", "block[[]1]": "bfloat16"}
    policy = parse_policy({"weights": "fixed(8,6)", "layers": layers})
    found = {
        name: str(policy.for_layer(name)["weights"]) for name in ("block[0]", "block0", "block[1]", "block1")
    }
    assert found == {
        "block[0]": "float16",  # by its name
        "block0": "float16",  # by the wildcard
        "block[1]": "bfloat16",
        "block1": "fixed(8,6)",
    }


def test_a_pattern_must_match_a_layer():
    with pytest.raises(PrecisionError, match="'cnov\\*' matches no layer"):
        parse_policy({"layers": {"cnov*": "float16"}}).check_layers(["conv1", "logits"])
