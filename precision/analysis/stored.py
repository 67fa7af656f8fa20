"""The results of a store as a table, independent of grids: every column comes from the trials themselves."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from precision.analysis.columns import COLUMNS, OPTIONAL, Column, Columns, typed
from precision.errors import PrecisionError
from precision.grid.store import Store
from precision.metrics import METRICS
from precision.quantization import Policy
from precision.tasks import CLASSIFICATION
from precision.trial import Choice, Training, Trial, TrialResult

MORE: dict[str, Column] = {
    "repeat": Column("Int64", "counts runs of the same experiment, from 0"),
    "training.epochs": Column("Int64", "passes over the training images that were asked for", "epochs"),
    "training.batch_size": Column("Int64", "images per step", "images"),
    "training.optimizer": Column("str", "optimizer"),
    "training.learning_rate": Column("float64", "initial rate; empty for the default of the optimizer"),
    "training.schedule": Column("str", "constant or cosine"),
    "training.momentum": Column("float64", "of sgd and rmsprop"),
    "training.weight_decay": Column("float64", "weight decay"),
    "runtime.device": Column("str", "device that the grid asks for; empty when it does not"),
    "runtime.threads": Column("Int64", "threads of one operation that the grid asks for, likewise"),
    "runtime.backend": Column("str", "backend of Keras; empty for TensorFlow"),
    "timed_batches": Column("str", "sizes of batches for which the network was timed; empty for none"),
    "depends_on": Column(
        "str", "plugins and own data that the trial depends on, with the first digits of their sha256"
    ),
    "attempts": Column("Int64", "how often the trial was begun until this came of it"),
    "seconds": Column("float64", "all that the last attempt took", "s"),
    "finished": Column("str", "when the trial ended (UTC)"),
    "commit": Column("str", "commit of the code; a + marks changed files"),
    "python": Column("str", "version of Python"),
    "tensorflow": Column("str", "version of TensorFlow; empty where the trial ran on another backend"),
    "jax": Column("str", "version of JAX, where the trial ran on it"),
    "keras": Column("str", "version of Keras"),
    "data_digest": Column("str", "sha256 of the images and labels"),
    "scale": Column("str", "what is done to the numbers of the data before they enter the network"),
    "target_scale": Column("str", "what is done to the targets of a regression; empty for nothing"),
    "train_classes": Column(
        "str", "the classes or labels, and how many training images each has; or the range of the targets"
    ),
    "test_classes": Column("str", "the same of the test images"),
    "unrounded_inside": Column("str", "what layers compute inside themselves without rounding"),
    "unrounded_values": Column(
        "str", "integers, constants and variables of rounded layers that stay as they are, by the layers"
    ),
    "registers": Column(
        "str",
        "of a network of integers, by layer: the width that suffices for every image, what was seen of its "
        "sums, and the engine",
    ),
    "weights_digest": Column("str", "sha256 of the trained weights; empty when nothing was trained"),
}
"""What ``precision results`` shows beyond ``COLUMNS``: of the trial, and of how its result came about."""

_SHA256 = re.compile(r"(?:sha256 )?\b([0-9a-f]{64})\b")
_OF_TRIAL = [name for name in MORE if name in ("repeat", "timed_batches") or "." in name]
_DEPENDS = "depends_on"
_TEXTS = [
    name for name, column in MORE.items() if column.dtype == "str" and name not in (*_OF_TRIAL, _DEPENDS)
]
_OF_A_GRID = (*OPTIONAL, "repeats", "shared")
_WITHOUT_GRID = {
    "dataset": "name and options of the data set",
    "architecture": "name and options of the network",
    "policy": "format of the network, or of each of its parts",
    "method": "name and options of the method",
    "training": "the options of training that are not the default",
}

STORED_COLUMNS = Columns(
    lambda: (
        {
            name: Column("str", _WITHOUT_GRID[name]) if name in _WITHOUT_GRID else column
            for name, column in COLUMNS.items()
            if name not in _OF_A_GRID
        },
        MORE,
    )
)
"""Of results without a grid, which alone knows labels, baselines and what is not run yet."""


def stored(store: Store, ids: Collection[str] | None = None) -> pd.DataFrame:
    """Return every result of a store, with ``STORED_COLUMNS``, ordered by what the trials are.

    Args:
        ids: of the trials that are wanted; None for all.
    """
    rows = [_row(result) for result in store.results(ids).values()]
    frame = typed(pd.DataFrame(rows, columns=list(rows[0]) if rows else None), STORED_COLUMNS)
    order = ["dataset", "architecture", "training", "method", "policy", "seed", "repeat", "trial"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def more(trials: Iterable[Trial], results: Mapping[str, TrialResult]) -> pd.DataFrame:
    """Return the columns ``MORE`` of trials, one row for each; those without a result have only their own."""
    rows = [_of_trial(trial) | _of_result(results.get(trial.id)) for trial in trials]
    return typed(pd.DataFrame(rows, columns=list(MORE)), MORE)


def _row(result: TrialResult) -> dict[str, Any]:
    trial = result.trial
    metrics = result.metrics if result.status == "ok" else {}
    policy = policy_text(json.dumps(trial.policy))
    return {
        "trial": trial.id,
        "dataset": _choice(trial.dataset),
        "dataset_title": result.facts.get("dataset_title", ""),
        "task": result.facts.get("task", CLASSIFICATION.name) if result.facts else "",
        "architecture": _choice(trial.architecture),
        "policy": policy,
        "method": _choice(trial.method),
        "training": _training(trial.training),
        "seed": trial.seed,
        "status": result.status,
        "reason": result.reason,
        **METRICS.numbers(metrics),
        "timing": result.facts.get("timing", ""),
        "formats": policy,
        "energy_source": result.facts.get("energy_source", ""),
        "machine": result.provenance.get("machine", ""),
        **_of_trial(trial),
        **_of_result(result),
    }


def _of_trial(trial: Trial) -> dict[str, Any]:
    parts: dict[str, Any] = {"training": trial.training, "runtime": trial.runtime}
    latency = ", ".join(map(str, trial.latency))
    values = {"repeat": trial.repeat, "timed_batches": latency, _DEPENDS: _depends_on(trial)}
    for name in _OF_TRIAL:
        part, dot, option = name.partition(".")
        if not dot:
            continue
        values[name] = getattr(parts[part], option)
    return values


def _depends_on(trial: Trial) -> str:
    """Return what a trial depends on beyond this project: ``sixteenths 3fa9c1d2, data 77ab01c2``."""
    found = {**trial.plugins, **({} if trial.fingerprint is None else {"data": trial.fingerprint})}
    return ", ".join(f"{name} {_SHA256.sub(_first_digits, text)}" for name, text in sorted(found.items()))


def _first_digits(match: re.Match[str]) -> str:
    return match[1][:8]


def _of_result(result: TrialResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    texts = {**result.provenance, **result.facts}
    return {
        "attempts": result.attempts,
        "seconds": result.seconds,
        **{name: texts.get(name, "") for name in _TEXTS},
    }


@functools.cache
def policy_text(text: str) -> str:
    """Return the formats of a policy, given as JSON; the format alone where every part has the same."""
    data = json.loads(text)
    slots = {name: value for name, value in data.items() if name not in ("layers", "rounding")}
    plain = set(slots) == {"weights", "biases", "activations", "inputs"} and not data.get("layers")
    if plain and len({str(value) for value in slots.values()}) == 1 and isinstance(slots["weights"], str):
        rounding = data.get("rounding", "nearest")
        return slots["weights"] + ("" if rounding == "nearest" else f" {rounding}")
    try:
        return str(Policy.from_json(data))
    except PrecisionError:  # a format of a plugin that is not loaded, or a table that is gone
        return text


def _choice(choice: Choice) -> str:
    return " ".join([choice.name, *(f"{name}={value}" for name, value in choice.options.items())])


def _training(training: Training) -> str:
    default = Training()
    return " ".join(
        f"{field.name}={getattr(training, field.name)}"
        for field in fields(Training)
        if getattr(training, field.name) != getattr(default, field.name)
    )
