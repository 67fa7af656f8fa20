"""Run one trial from its description to its result."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from precision.data import Dataset
from precision.errors import short
from precision.measure.machine import calibration
from precision.measure.machine.calibration import milliseconds
from precision.measure.machine.sampler import Sampler
from precision.methods.outcome import TIMINGS, Outcome
from precision.methods.workbench import Workbench
from precision.registry import METHODS
from precision.tasks import CLASSIFICATION
from precision.trial import Trial, TrialResult

if TYPE_CHECKING:  # it imports Keras
    from precision.deploy.predictor import Predictor
    from precision.measure.counted.trial import Counts


def run_trial(trial: Trial, bench: Workbench) -> TrialResult:
    """Train and evaluate as the trial says; a training that diverged is a result, an error is raised.

    See ``deploy.predictor`` for what a method hands back to be evaluated.
    """
    from precision.deploy.predictor import Watching
    from precision.methods.evaluation import evaluate
    from precision.methods.latency import latencies

    machine = calibration.of_process()
    method = METHODS[trial.method.name]
    alone = bool(getattr(method, "alone", False))
    with Sampler(tell=bench.sample, peaks=alone) as sampler:
        bench.joules = sampler.meter.joules
        bench.forget_calibration()
        try:
            outcome = method(trial, bench, **trial.method.options)
        finally:
            whole = METHODS.owner(trial.method.name).builtin or bench.unchanged()
        _check(trial.method.name, outcome, whole)
        dataset = bench.dataset(trial.dataset)
        looks = [machine.look()]
        tested = evaluate(outcome.predictor, dataset.x_test, dataset.y_test, dataset.asks, bench.joules)
        looks.append(machine.look())
    counts = _counts(outcome.predictor)
    result = TrialResult(
        trial,
        "ok",
        predictions=tested.predictions,
        by_class=tested.by_class,
        samples=sampler.samples(),
    )
    if tested.reason:
        result.status, result.reason = "diverged", tested.reason
    if outcome.trained is not None:
        result.history = outcome.trained.history
        if outcome.trained.diverged_in is not None:
            result.status = "diverged"
            result.reason = f"the loss was no longer finite in epoch {outcome.trained.diverged_in}"
    result.metrics = {
        **tested.metrics,
        **({"macro_auc": _mean(tested.by_class["auc"])} if tested.by_class else {}),
        "inference_images_per_second": tested.images_per_second,
        "peak_memory_bytes": (sampler.peak or math.nan) if alone else math.nan,
        "measured_train_joules": math.nan if outcome.trained is None else outcome.trained.joules,
        "measured_image_joules": tested.joules,
        **_training_times(outcome),
        **_sizes(outcome.predictor),
        **_training_memory(trial, outcome),
        **counts.numbers,
        "train_images": len(dataset.x_train),
        "test_images": len(dataset.x_test),
    }
    result.facts = {
        "dataset_title": dataset.title,
        "timing": outcome.timing,
        "energy_source": sampler.meter.source,
        "data_digest": dataset.digest(),
        "scale": dataset.reading,
        "train_classes": dataset.counts("train"),
        "test_classes": dataset.counts("test"),
        **_asked(dataset),
        **_unrounded(outcome.predictor),
        **_lost(bench.lost),
        **counts.facts,
        **outcome.facts,
    }
    if isinstance(outcome.predictor, Watching):
        numbers, facts = outcome.predictor.observed()
        result.metrics |= numbers
        result.facts |= {name: short(text, 2000) for name, text in facts.items()}
    if outcome.trained is not None:
        result.facts |= {"weights_digest": outcome.predictor.digest(), **outcome.trained.facts}
    if trial.latency:  # last, so that whatever it draws and notes changes no number
        result.batches = latencies(outcome.predictor, dataset.x_test, trial.latency)
        looks.append(machine.look())
    result.metrics |= _latency(result.batches) | {
        "train_loop_ms": milliseconds(outcome.trained.looks if outcome.trained else ()),
        "inference_loop_ms": milliseconds(looks),
        "best_loop_ms": milliseconds([machine.best]),
    }
    return result


def _mean(areas: np.ndarray) -> float:
    """Return the mean over the classes that have images, NaN without any."""
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if len(known) else math.nan


def _latency(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return what the calls with one image say."""
    one = [row for row in rows if row["batch"] == 1]
    return {"latency_ms": one[0]["median_ms"], "latency_p95_ms": one[0]["p95_ms"]} if one else {}


def _asked(dataset: Dataset) -> dict[str, str]:
    """Return the task, where it is not the usual one, and what was done to its targets."""
    task = {} if dataset.asks is CLASSIFICATION else {"task": dataset.task}
    return task | ({"target_scale": dataset.target_scaling} if dataset.target_scaling else {})


def _check(name: str, outcome: object, whole: bool) -> None:
    """Refuse what a method of a plugin must not do."""
    from precision.deploy.predictor import Predictor

    if not isinstance(outcome, Outcome):
        raise METHODS.error(name, f"must return an Outcome, but it returned {outcome!r}")
    if not isinstance(outcome.predictor, Predictor):
        kind = type(outcome.predictor).__name__
        raise METHODS.error(
            name,
            f"must give its Outcome a Predictor, such as KerasPredictor(model, policy), but gave a {kind}",
        )
    if outcome.timing not in TIMINGS:
        words = " or ".join(map(repr, TIMINGS))
        raise METHODS.error(name, f"must give its Outcome a timing {words}, but gave {outcome.timing!r}")
    if not whole:
        raise METHODS.error(
            name,
            "must not change the network that the workbench gives it, from which other trials start too, but "
            "it changed the weights; change a copy, such as keras.models.clone_model(network)",
        )


def _unrounded(predictor: Predictor) -> dict[str, str]:
    """Return what the policy of a network does not reach, where there is any such thing."""
    from precision.deploy.predictor import KerasPredictor
    from precision.quantization.sites import unreached, untouched

    if not isinstance(predictor, KerasPredictor) or predictor.network is None:
        return {}
    network, policy = predictor.network, predictor.policy
    texts = {
        "unrounded_inside": [f"{name}: {what}" for name, what in unreached(network, policy).items()],
        "unrounded_values": [f"{', '.join(n)}: {what}" for what, n in untouched(network, policy).items()],
    }
    return {fact: short("; ".join(parts), 500) for fact, parts in texts.items() if parts}


def _lost(found: dict[str, str]) -> dict[str, str]:
    """Return which negative values a format does not have, where there are any."""
    text = "; ".join(f"{name}: {what}" for name, what in found.items())
    return {"lost_negatives": short(text, 500)} if found else {}


def _training_times(outcome: Outcome) -> dict[str, float]:
    if outcome.trained is None:
        return {"epochs": 0, "train_seconds": math.nan, "seconds_per_epoch": math.nan}
    seconds = [row["seconds"] for row in outcome.trained.history]
    return {
        "epochs": len(seconds),
        "train_seconds": outcome.trained.seconds,
        "seconds_per_epoch": statistics.median(seconds[1:] or seconds),  # the first also builds the graph
    }


def _counts(predictor: Predictor) -> Counts:
    """Return what one inference computes and holds; nothing where a predictor does not say."""
    from precision.deploy.predictor import Counting
    from precision.measure.counted.trial import UNKNOWN

    return predictor.counts() if isinstance(predictor, Counting) else UNKNOWN


def _training_memory(trial: Trial, outcome: Outcome) -> dict[str, float]:
    """Return what training kept beside the network, where a Keras model was trained."""
    from precision.deploy.predictor import KerasPredictor

    predictor = outcome.predictor
    if outcome.trained is None or not isinstance(predictor, KerasPredictor):
        return {"gradient_bytes": math.nan, "optimizer_bytes": math.nan}
    from precision.measure.counted.training import states_of, training_memory
    from precision.methods.training import optimizer_of

    network = predictor.model if predictor.network is None else predictor.network
    states = states_of(optimizer_of(trial.training, steps=1))
    kept = training_memory(network, predictor.model, predictor.policy, states)
    return {"gradient_bytes": kept.gradients, "optimizer_bytes": kept.optimizer}


def _sizes(predictor: Predictor) -> dict[str, float]:
    memory = predictor.memory()
    return {
        "parameters": memory.parameters,
        "weight_bits": memory.bits,
        "weight_bytes": memory.bytes,
        "float32_weight_bytes": memory.float32_bytes,
        "activation_bits": predictor.activation_bits(),
    }
