"""The identity of a trial: stored results are found by it, so that it never changes by accident."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from precision.trial import FLOAT32, NUMERICS_VERSION, Choice, ResolvedPolicy, Runtime, Training, Trial

EXAMPLES = {
    ("8ca0dba32349", "8ca0dba32349"): Trial(Choice("mnist"), Choice("lenet"), FLOAT32, {}, Training(), 0),
    ("008bef4b1822", "a48aa44a8e95"): Trial(
        Choice("mnist", {"train_size": 6000, "classes": [3, 5]}),
        Choice("vgg", {"width": 0.5}),
        Choice("qat", {"start": "scratch", "epochs": 2}),
        {"weights": "fixed(8,6)", "layers": [["conv*", {"weights": "fixed(6,5)"}]], "rounding": "stochastic"},
        Training(epochs=7, learning_rate=1e-3, optimizer="sgd", momentum=0.9),
        3,
    ),
    ("fd049e7b9495", "33cc58d9d497"): Trial(
        Choice("npz", {"path": "a/b.npz", "test_fraction": 0.25}),
        Choice("resnet", {"depth": 8}),
        Choice("ptq"),
        {
            "weights": {"format": "int(8)", "scaling": "real"},
            "layers": [],
            "rounding": "nearest",
            "calibration": {"images": 512},
        },
        Training(schedule="cosine", weight_decay=1e-4),
        1,
        fingerprint="ab" * 32,
        plugins={"takum8": "cd" * 32},
    ),
    ("bd36d59188af", "2b3594f05b41"): Trial(
        Choice("digits", {"label": "é", "resize": (32, 32)}),
        Choice("mlp"),
        Choice("native"),
        {"weights": "float16"},
        Training(),
        2**31 - 1,
        runtime=Runtime("gpu", None),
        repeat=2,
    ),
    ("ddc1d8a23f9e", "128f063f252a"): Trial(
        Choice("digits"),
        Choice("mlp"),
        Choice("native"),
        {"weights": "float16"},
        Training(),
        5,
        runtime=Runtime(None, 4),
    ),
}


def plainly(trial, numerics):
    """The definition: the hash of the whole as JSON with sorted keys."""
    data = asdict(trial)
    if data["runtime"]["backend"] is None:
        del data["runtime"]["backend"]
    runtime = {"device": None, "threads": None}
    for name, default in (("plugins", {}), ("runtime", runtime), ("repeat", 0), ("latency", ())):
        if data[name] == default:
            del data[name]
    if trial.fingerprint is not None:
        options = data["dataset"]["options"]
        data["dataset"]["options"] = {k: v for k, v in options.items() if not k.endswith("path")}
    content = json.dumps({"numerics": numerics, **data}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


@pytest.mark.parametrize(("ids", "trial"), EXAMPLES.items(), ids=[ids[0] for ids in EXAMPLES])
def test_the_id_is_the_hash_of_the_content(ids, trial):
    assert (trial.identity(2), trial.baseline.identity(2)) == ids
    assert trial.identity(2) == plainly(trial, 2)
    assert trial.id == plainly(trial, NUMERICS_VERSION)
    assert Trial.from_json(json.loads(json.dumps(trial.to_json()))).id == trial.id


def test_a_shared_baseline_is_the_one_that_the_property_makes():
    baseline = next(iter(EXAMPLES.values()))
    rounded = baseline.rounded(Choice("ptq"), ResolvedPolicy({"weights": "float16"}, {"x": "y"}), {})
    made = replace(rounded)
    assert rounded == made
    assert rounded.baseline is baseline
    assert (made.id, made.baseline, made.baseline.id) == (rounded.id, baseline, baseline.id)
    again = rounded.repeated(2)
    assert again == replace(rounded, repeat=2)
    assert again.baseline == replace(again).baseline == baseline
    assert baseline.baseline == baseline
    assert baseline.repeated(1).baseline == baseline


def test_what_is_timed_is_part_of_the_identity_where_it_is_asked_for():
    plain = Trial(Choice("mnist"), Choice("lenet"), Choice("ptq"), {"weights": "float16"}, Training(), 0)
    timed = replace(plain, latency=(1, 8))
    assert len({plain.id, timed.id, replace(plain, latency=(1,)).id}) == 3
    assert timed.baseline.latency == (1, 8) and timed.repeated(1).latency == (1, 8)
    resolved = ResolvedPolicy({"weights": "float16"})
    assert timed.baseline.rounded(Choice("ptq"), resolved, {}).id == timed.id
    for trial in (plain, timed):
        read = Trial.from_json(json.loads(json.dumps(trial.to_json())))
        assert read == trial and read.id == trial.id
    assert "latency" not in plain.to_json()
