"""Train the network of a trial, whatever the method made of it, and keep its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from precision.methods.training import Trained, train
from precision.methods.workbench import Workbench
from precision.trial import Trial


def fit(
    trial: Trial,
    bench: Workbench,
    model: Any,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    before_epoch: Callable[[int], None] = lambda epoch: None,
    change: Callable[[Any], Any] = lambda optimizer: optimizer,
    compiled: bool = False,
) -> Trained:
    """Train a Keras model in place on the data of a trial, keep its weights, and return how it went.

    It goes on from the checkpoint of the trial, if there is one. On a workbench that restores, it reads the
    weights that the training had ended with.

    Args:
        epochs, learning_rate: instead of those of the trial's training; None leaves them.
        before_epoch, change, compiled: as of :func:`training.train`.
    """
    if bench.restores:
        model.load_weights(bench.weights(trial.id))
        return Trained([], None)
    training = replace(
        trial.training,
        epochs=epochs or trial.training.epochs,
        learning_rate=learning_rate or trial.training.learning_rate,
    )
    trained = train(
        model,
        bench.dataset(trial.dataset),
        training,
        trial.seed,
        bench.augmentation(trial.dataset),
        bench.report,
        before_epoch,
        change,
        compiled,
        bench.checkpoint(trial),
        bench.joules,
    )
    bench.save(trial, model)
    return trained
