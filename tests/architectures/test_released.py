"""A change of a network's code makes other trials, unless it is shown here that it builds the same."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import architectures
from architectures.given import is_given
from architectures.released import code_digest, edited
from precision import plugins
from precision.registry import ARCHITECTURES

TABLE = Path(architectures.__file__).parent / "released.json"
RELEASED = json.loads(TABLE.read_text())
TOLD = ("strides", "padding", "pool_size", "activation", "use_bias", "rate", "epsilon", "momentum")
OPTIONS = {"": {}, "narrow": {"width": 0.25}, "deep": {"depth": 14}}


def structure(name):
    """Return a digest of what a network builds, with several options and images."""
    if is_given(name):  # by its file
        return None
    known = ARCHITECTURES.options(name)
    parts = []
    for options in OPTIONS.values():
        if set(options) <= set(known):
            for shape in ((28, 28, 1), (100, 100, 3) if name == "binary_cnn" else (32, 32, 3)):
                model = architectures.build(name, shape, 2 if name == "binary_cnn" else 10, **options)
                parts.append([described(layer) for layer in model.layers])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def described(layer):
    config = layer.get_config()
    told = {
        key: config[key]
        for key in (
            "strides",
            "padding",
            "pool_size",
            "activation",
            "use_bias",
            "rate",
            "epsilon",
            "momentum",
        )
        if key in config
    }
    inputs = [origin.operation.name for node in layer._inbound_nodes for origin in histories(node)]
    weights = [[variable.name, list(variable.shape)] for variable in layer.variables]
    return [type(layer).__name__, layer.name, inputs, json.loads(json.dumps(told, default=str)), weights]


def histories(node):
    return [tensor._keras_history for tensor in node.input_tensors]


@pytest.mark.parametrize("name", architectures.names())
def test_the_code_and_what_it_builds_are_those_of_the_release(name):
    found = {"code": code_digest(ARCHITECTURES.owner(name).module), "structure": structure(name)}
    released = RELEASED[name]
    assert found["structure"] == released["structure"], (
        "it builds something else, a change of what users get: raise NUMERICS_VERSION, and let "
        f"{TABLE.name} say {name!r}: {json.dumps(found)}"
    )
    assert found["code"] == released["code"], (
        f"the code has changed and builds the same: {TABLE.name} has to say {name!r}: {json.dumps(found)}"
    )


def test_every_network_is_in_the_table():
    assert set(RELEASED) == set(architectures.names())


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("    return chain(", "    # a comment\n\n    return chain(  # and another", True),
        ('"""LeNet-5: two 5x5', '"""Another word: two 5x5', True),
        ("scaled(48, width)", "scaled(40, width)", False),
        ('activation="relu"', 'activation="tanh"', False),
    ],
)
def test_an_edited_network_makes_other_trials(tmp_path, monkeypatch, old, new, same):
    """The file is edited as a user would, in a copy of the package's file that stands in its place."""
    from architectures import released

    path = Path(architectures.__file__).parent / "lenet.py"
    text = path.read_text()
    assert old in text
    copy = tmp_path / "lenet.py"
    copy.write_text(text.replace(old, new))
    usual = released._file
    monkeypatch.setattr(
        released, "_file", lambda name: copy if name == "architectures.lenet" else usual(name)
    )
    assert plugins.identities((), [(ARCHITECTURES, "mlp")]) == {}
    found = plugins.identities((), [(ARCHITECTURES, "lenet")])
    if same:
        assert found == {}
    else:
        assert re.fullmatch("edited, code [0-9a-f]{16}", found["architecture lenet"])


def test_what_a_network_imports_counts_too(tmp_path, monkeypatch):
    from architectures import released

    path = Path(architectures.__file__).parent / "_chain.py"
    copy = tmp_path / "_chain.py"
    copy.write_text(path.read_text() + "\nCHANGED = True\n")
    usual = released._file
    monkeypatch.setattr(
        released, "_file", lambda name: copy if name == "architectures._chain" else usual(name)
    )
    assert edited("lenet", "architectures.lenet") is not None
    assert (
        edited("resnet", "architectures.resnet") is None
        or "chain" in (Path(architectures.__file__).parent / "resnet.py").read_text()
    )
