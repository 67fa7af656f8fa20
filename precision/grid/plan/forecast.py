"""How long trials will take, from the results of similar ones that a store has."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from precision.grid.plan.schedule import needs_baseline
from precision.trial import Choice, Trial

Summary = Mapping[str, Any]
LEVELS = (
    "the same data, network, method, options and runtime",
    "the same data, network and method",
    "the same network and method, and another number of images",
    "the same method, and a similar network",
)


@dataclass
class Forecast:
    """What is known of the time that trials will take.

    Attributes:
        seconds: of all trials that could be estimated, one after another.
        longest: of the longest trial, with the baseline that has to be trained before it.
        unknown: how many trials are like nothing that has a result.
        bases: how many trials were estimated from what.
        foreign: whether the times are those of another machine, because there are none of this one.
    """

    seconds: float = 0.0
    longest: float = 0.0
    unknown: int = 0
    bases: Counter[str] = field(default_factory=Counter)
    foreign: bool = False

    def elapsed(self, jobs: int) -> float:
        """Return the seconds until all is done, with so many trials beside each other."""
        return max(self.seconds / jobs, self.longest)


def forecast(trials: Iterable[Trial], summaries: Iterable[Summary], machine: str) -> Forecast:
    """Return how long trials will take.

    Args:
        trials: that have no result yet.
        summaries: of the results of a store.
        machine: on which they will run; times of others count only where there are none of it.
    """
    trials = list(trials)
    useful = [summary for summary in summaries if summary["status"] == "ok" and _total(summary) is not None]
    if not useful:
        return Forecast(unknown=len(trials))
    here = [summary for summary in useful if summary["machine"] == machine]
    memory = _Memory(here or useful)
    found = Forecast(foreign=not here)
    times: dict[str, float] = {}
    for trial in trials:
        seconds, level = memory.seconds(trial)
        if seconds is None:
            found.unknown += 1
            continue
        found.bases[LEVELS[level]] += 1
        found.seconds += seconds
        times[trial.id] = seconds
    for trial in trials:
        before = times.get(trial.baseline.id, 0.0) if needs_baseline(trial) else 0.0
        found.longest = max(found.longest, times.get(trial.id, 0.0) + before)
    return found


class _Memory:
    """The results, filed under what they have in common with a trial."""

    def __init__(self, summaries: list[Summary]) -> None:
        self._filed: dict[tuple[Any, ...], list[Summary]] = defaultdict(list)
        self._images: dict[str, float] = {}
        self._known: dict[tuple[Any, ...], tuple[float | None, int]] = {}
        for summary in summaries:
            dataset = _text(summary, "dataset")
            for key in _keys(
                dataset,
                summary["dataset"],
                _text(summary, "architecture"),
                summary["architecture"],
                summary["method"],
                (_text(summary, "method"), summary["batch_size"], summary["device"], summary["threads"]),
            ):
                self._filed[key].append(summary)
            if summary["train_images"]:
                self._images[dataset] = summary["train_images"]

    def seconds(self, trial: Trial) -> tuple[float | None, int]:
        """Return the estimate for a trial, None without any, and the number of the level it is from."""
        epochs = trial.method.options.get("epochs", trial.training.epochs)
        same = (
            trial.method.text,
            trial.training.batch_size,
            trial.runtime.device,
            trial.runtime.threads,
        )
        keys = _keys(
            trial.dataset.text,
            trial.dataset.name,
            trial.architecture.text,
            trial.architecture.name,
            trial.method.name,
            same,
        )
        known = (keys[0], epochs)
        if known not in self._known:
            level = next((level for level, key in enumerate(keys) if key in self._filed), len(keys))
            estimate = None
            if level < len(keys):
                estimate = statistics.median(
                    self._scaled(summary, epochs, trial.dataset) for summary in self._filed[keys[level]]
                )
            self._known[known] = (estimate, level)
        return self._known[known]

    def _scaled(self, summary: Summary, epochs: int, dataset: Choice) -> float:
        """Return the time that a result would have taken with other epochs and another number of images."""
        total, per_epoch = _total(summary) or 0.0, summary["seconds_per_epoch"]
        if not per_epoch or summary["train_seconds"] is None:
            return total
        images = self._images.get(dataset.text) or dataset.options.get("train_size")
        factor = images / summary["train_images"] if images and summary["train_images"] else 1.0
        # What is not epochs is loading, tracing and evaluation, which take as long again.
        before = summary["method_options"].get("epochs", summary["epochs"]) * per_epoch
        return max(total - before, 0.0) + float(epochs * per_epoch * factor)


def _keys(
    dataset: str, dataset_name: str, network: str, network_name: str, method: str, same: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    """Return under what a trial is filed, from what is most to what is least like it."""
    return [
        (0, dataset, network, method, *same),
        (1, dataset, network, method),
        (2, dataset_name, network, method),
        (3, network_name, method),
    ]


def _text(summary: Summary, part: str) -> str:
    return Choice(summary[part], summary[f"{part}_options"]).text


def _total(summary: Summary) -> float | None:
    """Return the seconds of a whole trial, or of its training where no more is known."""
    seconds = summary["seconds"] if summary["seconds"] is not None else summary["train_seconds"]
    return None if seconds is None else float(seconds)
