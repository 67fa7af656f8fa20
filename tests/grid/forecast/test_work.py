"""What makes a trial longer, and what does not."""

import pytest

from precision.data import Extent
from precision.grid.forecast.rounding import rounding
from precision.grid.forecast.work import work
from precision.quantization import parse_policy
from precision.trial import Choice, Training, Trial

SIZE = {"macs": 5_000_000, "values": 40_000, "parameters": 400_000, "layers": 8}
IMAGES = Extent(60_000, 10_000, (28, 28, 1), 10)


def trial(method="float32", policy=None, options=None, **training):
    resolved = parse_policy(policy).to_json() if policy else {}
    return Trial(
        Choice("mnist"), Choice("lenet"), Choice(method, options or {}), resolved, Training(**training), 0
    )


def both(one, extent=IMAGES, **size):
    found = work(one, extent, {**SIZE, **size})
    return found.train, found.rest


def test_it_grows_with_images_epochs_and_the_network():
    train, rest = both(trial(epochs=3))
    for longer in (
        both(trial(epochs=6)),
        both(trial(epochs=3), Extent(120_000, 20_000, (28, 28, 1), 10)),
        both(trial(epochs=3), macs=10_000_000, values=80_000),
    ):
        assert longer[0] == pytest.approx(2 * train, rel=0.15)
        assert longer[1] > rest
    assert both(trial(epochs=3, batch_size=16))[0] > 1.5 * train  # a step has costs of its own


def test_what_is_only_rounded_trains_nothing_and_evaluates_once():
    train, rest = both(trial("ptq", "fixed(8,4)", epochs=3))
    assert train == 0.0
    assert 0 < rest < both(trial(epochs=3))[1]
    calibrated = {"activations": {"format": "int(8)", "scaling": "real"}, "calibration": {"images": 50_000}}
    fixed = both(trial("ptq", {"activations": "fixed(8,4)"}))[1]
    assert both(trial("ptq", calibrated))[1] > 2 * fixed


def test_epochs_of_the_method_count():
    assert both(trial("qat", "fixed(8,4)", {"epochs": 2}, epochs=9)) == both(
        trial("qat", "fixed(8,4)", epochs=2)
    )


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        ("float32", "fixed(8,4)"),
        ("fixed(8,4)", "nf4"),
        ("fixed(8,4)", "mxfp8_e4m3"),
        ("fixed(8,4)", {"activations": "fixed(8,4)", "rounding": "stochastic"}),
    ],
)
def test_some_families_cost_more(cheap, dear):
    assert both(trial("qat", dear))[0] > both(trial("qat", cheap))[0]


def test_rounded_sums_cost_most():
    plain, sums = ({"activations": "float16", **more} for more in ({}, {"accumulators": "float16"}))
    assert both(trial("ptq", sums))[1] > 5 * both(trial("ptq", plain))[1]


def test_a_family_is_told_in_words():
    policy = parse_policy(
        {"weights": {"format": "int(8)", "scaling": "real"}, "activations": "nf4", "layers": {"a": "bfp(8)"}}
    )
    text = trial(policy=None).policy_text
    assert rounding(text).family == "float32"
    resolved = Trial(Choice("a"), Choice("b"), Choice("ptq"), policy.to_json(), Training(), 0).policy_text
    assert rounding(resolved).family == "block codebook lattice real scale"


@pytest.mark.parametrize("missing", [{"extent": None, "size": SIZE}, {"extent": IMAGES, "size": {}}])
def test_without_counts_epochs_are_all(missing):
    found = work(trial(epochs=4), **missing)
    assert (found.train, found.rest, found.counted) == (4.0, 1.0, False)
