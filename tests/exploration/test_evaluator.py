import numpy as np
import pytest

from precision.deploy.predictor import KerasPredictor
from precision.exploration.baselines import networks
from precision.exploration.evaluator import Evaluator
from precision.grid import Store, expand, load_grid
from precision.methods.evaluation import evaluate
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy

SPECS = [
    "fixed(6,4)",
    {"weights": "fixed(5,auto)", "activations": "fixed(8,auto)", "calibration": {"images": 100}},
    {"weights": {"format": "int(3)", "scaling": "real", "per": "channel"}, "inputs": "ufixed(4,4)"},
    {"activations": {"format": "int(5)", "scaling": "real", "dynamic": True}},
]


@pytest.fixture(scope="module")
def network(trained):
    store = Store(trained.parent / "runs")
    (found,) = networks(expand(*load_grid(trained)), ())
    return found, lambda: Workbench(None, store.weights)


def test_it_evaluates_what_ptq_evaluates(network):
    found, bench = network
    there = bench()
    data = there.dataset(found.trials[0].dataset)
    evaluator = Evaluator(bench(), found.trials, data.x_test, data.y_test)
    for spec in SPECS:
        policy = parse_policy(spec)
        for seed, trial in found.trials.items():
            expected = evaluate(KerasPredictor(there.quantised(trial, policy)), data.x_test, data.y_test)
            got = evaluator.judged(evaluator.logits(evaluator.model(seed, policy)))
            np.testing.assert_array_equal(got.predictions, expected.predictions, err_msg=f"{spec}")
            assert (got.accuracy, got.loss) == pytest.approx((expected.accuracy, expected.loss), rel=1e-6)


def test_a_last_batch_is_filled_up_and_cut_off(network, monkeypatch):
    found, bench = network
    data = bench().dataset(found.trials[0].dataset)
    policy = parse_policy({"activations": {"format": "int(5)", "scaling": "real", "dynamic": True}})
    monkeypatch.setattr("precision.exploration.evaluator.BATCH", 25)
    evaluator = Evaluator(bench(), found.trials, data.x_test, data.y_test)
    assert [(len(b.images), b.meant) for b in evaluator.batches] == [(25, 25), (25, 25), (25, 10)]
    logits = evaluator.logits(evaluator.model(0, policy))
    assert len(logits) == 60
    alone = Evaluator(bench(), found.trials, data.x_test[50:], data.y_test[50:])
    np.testing.assert_allclose(logits[50:], alone.logits(alone.model(0, policy)), rtol=1e-4, atol=1e-5)


def test_one_traced_model_for_policies_and_seeds_of_one_structure(network):
    found, bench = network
    data = bench().dataset(found.trials[0].dataset)
    evaluator = Evaluator(bench(), found.trials, data.x_test, data.y_test)
    models = {
        id(evaluator.model(seed, parse_policy(f"fixed({bits},{bits - 2})")))
        for bits in (4, 6, 8)
        for seed in (0, 1)
    }
    assert len(models) == 1
    model = evaluator.model(0, parse_policy("fixed(4,2)"))
    evaluator.logits(model)
    traces = model.predict_function.experimental_get_tracing_count()
    for bits in (5, 6, 7):
        evaluator.logits(evaluator.model(1, parse_policy(f"fixed({bits},2)")))
    assert model.predict_function.experimental_get_tracing_count() == traces == 1


def test_models_that_are_long_unused_are_dropped(network, monkeypatch):
    found, bench = network
    data = bench().dataset(found.trials[0].dataset)
    monkeypatch.setattr("precision.exploration.evaluator.TRACED", 2)
    evaluator = Evaluator(bench(), found.trials, data.x_test[:5], data.y_test[:5])
    first = parse_policy({"weights": "fixed(8,4)"})
    model = evaluator.model(0, first)
    evaluator.model(0, parse_policy({"biases": "fixed(8,4)"}))
    assert evaluator.model(1, first) is model  # used again, so it is not the next to go
    evaluator.model(0, parse_policy({"inputs": "fixed(8,4)"}))
    assert evaluator.model(0, first) is model
    evaluator.model(0, parse_policy({"activations": "fixed(8,4)"}))
    evaluator.model(0, parse_policy({"biases": "fixed(8,4)"}))
    assert evaluator.model(0, first) is not model


def test_float32_is_the_stored_result(network, trained):
    found, bench = network
    store = Store(trained.parent / "runs")
    for seed, trial in found.trials.items():
        data = bench().dataset(trial.dataset)
        evaluator = Evaluator(bench(), found.trials, data.x_test, data.y_test)
        got = evaluator.judged(evaluator.reference(seed))
        assert got.accuracy == store.load(trial.id).metrics["accuracy"]
        np.testing.assert_array_equal(got.predictions, store.predictions(trial.id))
