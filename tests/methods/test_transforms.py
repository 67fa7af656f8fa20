"""Transforms of a policy under every method that rounds a trained network."""

import numpy as np
import pytest
from tiny import registered

from precision import plugins
from precision.deploy.packed.file import unpack_model
from precision.errors import PrecisionError
from precision.formats import parse
from precision.methods import low_precision, qat
from precision.methods.restored import Restoring, exported, packed
from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import apply, parse_policy
from precision.quantization.calibration.calibrator import calibration_images
from precision.quantization.transforms.folding import fold
from precision.registry import METHODS, TRANSFORMS
from precision.trial import Choice, Training, Trial

FIXED = {**dict.fromkeys(["weights", "activations", "inputs"], "fixed(8,4)"), "biases": "fixed(16,8)"}
CHANGED = {**FIXED, "fold_batch_norm": True, "transforms": ["darker"], "calibration": {"images": 30}}


@pytest.fixture(scope="module")
def seen():
    """What the transform ``darker`` was given, in turn; it scales the logits by the mean of the images."""
    calls = []

    @TRANSFORMS.register("darker")
    def darker(network, images):
        calls.append(images)
        logits = network.get_layer("logits")
        logits.set_weights([w * images.mean() for w in logits.get_weights()])
        return network

    with registered():
        yield calls
    TRANSFORMS.remove("darker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seen):
    """A folder with the trained baseline."""
    path = tmp_path_factory.mktemp("weights")
    METHODS["float32"](trial("fixed(8,4)").baseline, bench(path))
    return path


def bench(folder, kind=Workbench):
    return kind(None, lambda trial_id: folder / f"{trial_id}.weights.h5")


def trial(policy, method="ptq", **options):
    return Trial(
        Choice("digits", {"train_size": 400, "test_size": 40}),
        Choice("tiny"),
        Choice(method, options),
        parse_policy(policy).to_json(),
        Training(epochs=1, learning_rate=0.01),
        0,
    )


def test_what_is_rounded_is_the_folded_and_transformed_baseline(folder, seen):
    here, one = bench(folder), trial(CHANGED)
    baseline = here.baseline(one)
    before = [w.copy() for w in baseline.get_weights()]
    model = METHODS["ptq"](one, here).predictor.model
    images = calibration_images(here.dataset(one.dataset), 30, one.seed)
    assert np.array_equal(seen[-1], images) and images.dtype == np.float32
    by_hand = fold(baseline).model
    logits = by_hand.get_layer("logits")
    logits.set_weights([w * images.mean() for w in logits.get_weights()])
    wanted = apply(by_hand, parse_policy(FIXED))
    assert np.array_equal(model(images), wanted(images))
    assert all(np.array_equal(a, b) for a, b in zip(before, baseline.get_weights(), strict=True))


def test_a_worker_tells_policies_with_other_transforms_apart(folder, seen):
    policies = [
        CHANGED,
        {**CHANGED, "transforms": []},
        {**CHANGED, "transforms": ["darker", "darker"]},
        {**CHANGED, "calibration": {"images": 4}},
        {**CHANGED, "fold_batch_norm": False},
        CHANGED,
    ]
    warm, images = bench(folder), bench(folder).dataset(trial(FIXED).dataset).x_test[:10] / np.float32(255)
    found = []
    for policy in policies:
        found.append(np.asarray(METHODS["ptq"](trial(policy), warm).predictor.model(images)))
    cold = np.asarray(METHODS["ptq"](trial(policies[3]), bench(folder)).predictor.model(images))
    assert np.array_equal(found[0], found[-1]) and np.array_equal(found[3], cold)
    assert all((a != b).any() for i, a in enumerate(found[:5]) for b in found[:i])
    count = len(seen)
    METHODS["ptq"](trial(CHANGED), warm)
    assert len(seen) == count  # the last one is kept


def test_integers_are_those_of_the_transformed_network(folder, seen):
    emulated = run_trial(trial(CHANGED), bench(folder))
    integers = run_trial(trial({**CHANGED, "fold_batch_norm": False}, "integer"), bench(folder))
    assert (integers.predictions == emulated.predictions).all() and len(set(emulated.predictions)) > 3
    assert integers.metrics["loss"] == emulated.metrics["loss"]


def test_training_begins_with_the_transformed_network(folder, seen):
    one = trial(CHANGED, "qat", start="baseline", epochs=1)
    source, _ = bench(folder).start(one, parse_policy(CHANGED), "baseline")
    plain, _ = bench(folder).start(one, parse_policy({**CHANGED, "transforms": []}), "baseline")
    factor = seen[-1].mean()
    for a, b in zip(
        source.get_layer("logits").get_weights(), plain.get_layer("logits").get_weights(), strict=True
    ):
        assert np.array_equal(a, b * factor)


@pytest.mark.parametrize("method", [qat, low_precision])
def test_a_start_from_scratch_is_refused(method, seen):
    policy = parse_policy({"weights": "fixed(8,6)", "transforms": ["darker", "equalize"]})
    with pytest.raises(PrecisionError, match="darker and equalize would have no effect; use start: baseline"):
        method.check(policy, {"start": "scratch"})
    method.check(policy, {"start": "baseline"})


def test_the_exported_network_is_the_transformed_one(folder, seen):
    one = trial(CHANGED)
    result, restoring = run_trial(one, bench(folder)), bench(folder, Restoring)
    network, codes = exported(result, restoring), packed(result, restoring)
    source = bench(folder).source(one, parse_policy(CHANGED))
    for a, b in zip(network.get_weights(), source.get_weights(), strict=True):
        assert np.array_equal(a, b)
    f, kernel = parse("fixed(8,4)"), network.get_layer("logits").kernel.numpy()
    unpacked = unpack_model(network, codes, "codes")
    assert np.array_equal(unpacked.get_layer("logits").kernel, f.quantize(kernel))


PLUGIN = """\
from precision.deploy.predictor import KerasPredictor
from precision.methods.outcome import Outcome
from precision.quantization import Policy
from precision.registry import METHODS


@METHODS.register("own")
def own(trial, bench):
    policy = Policy.from_json(trial.policy)
    network = bench.source(trial, policy)
    BODY
    return Outcome(KerasPredictor(bench.quantised(trial, policy), policy), None, timing="emulated")
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "network.set_weights([2 * w for w in network.get_weights()])",
            "must not change the network that the",
        ),
        (
            "return Outcome(network, None, timing='native')",
            "must give its Outcome a Predictor, .* a Functional",
        ),
        (
            "return Outcome(KerasPredictor(network), None, timing='quick')",
            "must give its Outcome a timing 'native' or 'emulated', but gave 'quick'",
        ),
    ],
)
@pytest.mark.parametrize("policy", [FIXED, CHANGED], ids=["baseline", "transformed"])
def test_a_method_of_a_plugin_that_does_what_it_must_not(
    folder, seen, tmp_path, monkeypatch, policy, body, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(PLUGIN.replace("BODY", body))
    here = bench(folder)
    try:
        plugins.load(["own.py"])
        with pytest.raises(PrecisionError, match=rf"own\.py:7: method 'own' {message}"):
            run_trial(trial(policy, "own"), here)
    finally:
        plugins.load([])
    # Whatever it did to the network, the next trial of this worker starts from the trained one.
    found, wanted = (run_trial(trial(policy), each) for each in (here, bench(folder)))
    assert found.metrics["loss"] == wanted.metrics["loss"]


def test_a_file_of_a_model_has_no_images(folder, seen):
    from precision.deploy.packed.file import pack_model

    network = bench(folder).baseline(trial(FIXED))
    with pytest.raises(PrecisionError, match=r"by darker, which look at training images.*precision export"):
        pack_model(network, parse_policy(CHANGED))
