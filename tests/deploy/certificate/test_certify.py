"""A certificate counts what a run-time computes otherwise, and says where it begins."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np

from precision.arithmetic.integer.linear import Linear
from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.operations import Round
from precision.arithmetic.integer.step import Step
from precision.arithmetic.integer.values import Codes, Grid
from precision.arithmetic.products import Products
from precision.arithmetic.window import Window
from precision.deploy.certificate.certify import certify
from precision.deploy.certificate.labels import labels

IMAGES = np.random.default_rng(8).random((70, 1, 1, 6)).astype(np.float32)
GRID = Grid(1 / 255, -128, -128, 127)


def convolution(name, inputs, filters):
    w = np.random.default_rng(inputs).integers(-127, 128, (1, 1, inputs, filters)).astype(np.int32)
    table = np.outer(np.arange(-128, 128), np.arange(-127, 128)).astype(np.int32)
    window = Window((1, 1), (1, 1), (1, 1))
    return Linear(name, w, np.full(filters, 0.01), None, Products(table, -128, -127), window)


def network(rule):
    steps = (
        Step("images", Round(GRID), (-1,)),
        Step("first", convolution("first", 6, 40), (0,)),
        Step("first", Round(Grid(0.013, 3, -128, 127)), (1,)),
        Step("logits", convolution("logits", 40, 4), (2,)),
        Step("logits", Round(Grid(0.031, 0, -128, 127)), (3,)),
    )
    return IntegerNetwork(steps, rule)


@dataclass
class Fake:
    """Runs a network of its own rule, and adds to the codes of some tensors afterwards."""

    network: IntegerNetwork
    more: dict[str, int] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=lambda: {"runtime": "fake 1.0"})

    def logits(self, images):
        return self.network(images)

    def codes(self, images):
        values = self.network.values(images)
        found = {
            name: values[place].codes.astype(np.int16) for place, name in labels(self.network, values).items()
        }
        return {name: codes + self.more.get(name, 0) for name, codes in found.items()}


def classes(logits):
    return logits.reshape(len(logits), -1).argmax(axis=1)


def test_the_same_network_agrees():
    mine = network("single")
    found = certify(Fake(mine), mine, mine, classes, IMAGES, coded=60)
    assert (found.images, found.equal, found.coded, found.differing, found.first) == (70, 70, 60, 0, None)
    assert [tensor.name for tensor in found.tensors] == ["images", "first", "logits"]
    assert [tensor.codes for tensor in found.tensors] == [360, 2400, 240]
    assert found.to_json()["codes"]["reason"] == ""


def test_another_rule_is_found_where_it_rounds():
    mine, theirs = network("float"), network("litert_reference")
    found = certify(Fake(theirs), mine, mine, classes, IMAGES, coded=70)
    images, first, logits = found.tensors
    assert images.differing == 0 and first.differing == first.alone > 0 and first.largest == 1
    assert "litert_reference" in first.rules and "float" not in first.rules
    assert (
        found.first is first and "as 'litert_reference'" in found.reason and "not as 'float'" in found.reason
    )
    assert "litert_reference" in logits.rules  # given what the run-time has, it rounds so as well
    data = json.loads(json.dumps(found.to_json()))
    assert data["codes"]["first"] == "first" and data["codes"]["differing"] == found.differing
    assert data["predictions"]["images"] == 70


def test_codes_of_a_rule_of_its_own():
    mine = network("single")
    found = certify(Fake(mine, {"first": 1}), mine, mine, classes, IMAGES)
    assert [t.name for t in found.tensors if t.differing] == ["first"]
    assert found.first.rules == () and "a rule of its own" in found.reason
    assert found.first.differing == found.first.alone == found.first.codes


def test_what_a_tensor_inherits_is_not_its_own():
    """A run-time whose first layer is off by one in a code, and which goes on rightly from there."""
    mine = network("single")

    class Off(Fake):
        def codes(self, images):
            values = self.network.values(images)
            codes = values[2].codes.copy()
            codes[..., 0] += np.where(codes[..., 0] < 127, 1, -1).astype(codes.dtype)
            given = Codes(codes, values[2].grid, values[2].scale)
            after = self.network.steps[3].computes(given, rule="single")
            last = self.network.steps[4].computes(after, rule="single")
            return {"images": values[0].codes, "first": codes, "logits": last.codes}

    found = certify(Off(mine), mine, mine, classes, IMAGES)
    _, first, logits = found.tensors
    assert first.alone == first.differing == len(IMAGES)
    assert logits.differing > 0 and logits.alone == 0 and logits.why("single") == "from what it reads"


def test_without_integers_predictions_alone_are_compared():
    mine = network("float")
    found = certify(Fake(network("single")), None, mine, classes, IMAGES, batch=32)
    assert found.images == 70 and not found.tensors and "codes" not in found.to_json()


def test_labels_tell_the_steps_of_a_layer_apart():
    one = Round(GRID)
    steps = [Step("a", one, (-1,)), Step("b", one, (0,)), Step("b", one, (1,)), Step("c", one, (2,))]
    found = IntegerNetwork(steps)
    assert labels(found, found.values(IMAGES)) == {0: "images", 1: "b (Round) 1", 2: "b (Round) 2", 3: "c"}
