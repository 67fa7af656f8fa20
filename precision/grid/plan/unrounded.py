"""What a policy without any rounding is under a method: the float32 training that formats are compared with.

A method that goes on training has trained for longer than the baseline. What its rounding costs shows beside
a float32 network that goes on likewise: by as many epochs, at the same rate, over the images in the same
order.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from architectures.given import is_pretrained
from precision.registry import METHODS
from precision.trial import FLOAT32, Choice, Trial

_OF_FLOAT32 = ("epochs", "learning_rate", "freeze_batch_norm")  # options of methods that mean the same there


def unrounded(method: Choice) -> Choice:
    """Return the method that a policy without rounding stands for: the baseline, or a training of its own.

    A method says how it trains by its options: one without ``epochs`` trains nothing. From ``scratch``, with
    the epochs and the rate of the grid, its float32 training is the baseline.
    """
    options = method.options
    if computes_itself(method):
        return method
    if not _trains(method):
        return FLOAT32
    start = start_of(method)
    given = {name: options[name] for name in _OF_FLOAT32 if options.get(name) not in (None, False)}
    if start != "baseline" and not given:
        return FLOAT32
    return Choice(FLOAT32.name, {"start": start, **given})


def computes_itself(method: Choice) -> bool:
    """Return whether a method has a way of its own to compute float32."""
    return getattr(METHODS[method.name], "rounds_nothing", False)


def start_of(method: Choice) -> Any:
    """Return what a method begins with: ``baseline`` or ``scratch``; one without the option, the baseline."""
    return method.options.get("start", _defaults(method.name).get("start", "baseline"))


def needs_baseline(trial: Trial) -> bool:
    """Return whether a trial starts from the trained float32 network."""
    return bool(start_of(trial.method) == "baseline")


def epochs_of(trial: Trial) -> int:
    """Return how many epochs a trial trains; 0 for a method that trains nothing."""
    options = trial.method.options
    if not _trains(trial.method):
        return 0
    if trial.method == FLOAT32 and _comes_trained(trial):
        return 0
    return int(options.get("epochs") or trial.training.epochs)


def epochs_before(trial: Trial) -> int:
    """Return how many epochs a network has been trained for already when the training of a trial begins."""
    return trial.training.epochs if needs_baseline(trial) and not _comes_trained(trial) else 0


def _comes_trained(trial: Trial) -> bool:
    return is_pretrained(trial.architecture.name, trial.architecture.options)


def _trains(method: Choice) -> bool:
    defaults = _defaults(method.name)
    return "epochs" in defaults and method.options.get("epochs", defaults["epochs"]) != 0


@functools.cache
def _defaults_of(method: Any) -> dict[str, Any]:
    return {name: option.default for name, option in inspect.signature(method).parameters.items()}


def _defaults(name: str) -> dict[str, Any]:
    return _defaults_of(METHODS[name])
