"""From a stored trial to what can be explained: its network with switches, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.data import Dataset
from precision.errors import PrecisionError
from precision.exploration.explain.served import check
from precision.grid import Store
from precision.grid.plan.unrounded import needs_baseline, unrounded
from precision.methods.restored import Restoring, evaluated
from precision.methods.training import prepare
from precision.quantization import Policy
from precision.quantization.layers.flat import address
from precision.quantization.model import wrapped
from precision.quantization.switched import switched
from precision.trial import FLOAT32, Trial, TrialResult


@dataclass(frozen=True)
class Subject:
    """The network of a trial.

    Attributes:
        model: with switches, compiled.
        errors: layer, slot and kind of each that has a switch.
        before: what the baseline predicted of every test image, in the form that is stored; None where there
            is no baseline, and what rounding loses is all that can be told.
        baseline: which one that is, in words.
    """

    trial: Trial
    dataset: Dataset
    model: Any
    errors: tuple[tuple[str, str, str], ...]
    before: np.ndarray | None
    baseline: str


def subject(result: TrialResult, bench: Restoring, store: Store) -> Subject:
    """Return the network of a stored trial, ready to have its errors switched.

    Raises:
        PrecisionError: for a trial that evaluated something else, or whose weights are gone.
    """
    from precision.deploy.predictor import KerasPredictor

    trial = result.trial
    check(trial)
    predictor = evaluated(result, bench)
    if not isinstance(predictor, KerasPredictor) or not wrapped(predictor.model):
        raise PrecisionError(
            f"trial {trial.id} of method {trial.method.name} evaluated no network in which layers are rounded"
        )
    dataset = bench.dataset(trial.dataset)
    before, words = _before(trial, bench, store, dataset)
    errors = switched(predictor.model)
    prepare(predictor.model)
    return Subject(trial, dataset, predictor.model, tuple(errors), before, words)


def _before(trial: Trial, bench: Restoring, store: Store, dataset: Dataset) -> tuple[np.ndarray | None, str]:
    """Return what the float32 network predicted that a trial is compared with, and which that is."""
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.evaluation import evaluate

    control = unrounded(trial.method)
    wanted = [(trial.baseline, "the float32 network")]
    if control != FLOAT32:
        words = f"the float32 network that went on training ({control.words})"
        wanted.insert(0, (trial.baseline.continued(control), words))
    for other, name in wanted:
        found = store.load(other.id)
        if found is None or found.status != "ok":
            continue
        try:
            return store.predictions(other.id), name
        except (OSError, PrecisionError):
            continue
    if not needs_baseline(trial):
        return None, "its own network without rounding, as the store has no float32 network"
    model = bench.baseline(trial)
    prepare(model)
    judged = evaluate(KerasPredictor(model), dataset.x_test, dataset.y_test, dataset.asks)
    return judged.predictions, "the float32 network"


def settings_of(model: Any) -> dict[tuple[str, str], str]:
    """Return by layer and slot how a network that is switched rounds, in words."""
    return {
        (address(layer), slot): str(setting)
        for layer in wrapped(model)
        for slot, setting in {**layer.settings, **getattr(layer.through, "settings", {})}.items()
        if setting is not None
    }


def in_words(trial: Trial) -> tuple[str, str]:
    """Return what a trial is about: data, network, method and seed; and its policy."""
    words = (trial.dataset.words, trial.architecture.words, trial.method.words)
    return f"{', '.join(words)}, seed {trial.seed}", str(Policy.from_json(trial.policy))
