"""How long trials will take, from the results of similar ones: of a store, and of the run as it goes on."""

from __future__ import annotations

import functools
import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from precision.grid.plan.unrounded import needs_baseline
from precision.grid.store.reading import summary
from precision.trial import Choice, Trial, TrialResult

Summary = Mapping[str, Any]
LEVELS = (
    "the same data, network, method, options and runtime",
    "the same data, network and method",
    "the same network and method, and another number of images",
    "the same method, and a similar network",
    "the same method",  # this and what follows: of this run alone, which has no better yet
    "any trial",
)
OF_A_STORE = 4  # levels
RECENT = 100  # results of the run that count, of those alike


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


class Estimator:
    """Forecasts the trials that are left, at first from a store and then also from those that are done.

    The most similar results count, and among equally similar ones those of the run.

    Args:
        trials: that have no result yet.
        summaries: of the results of a store.
        machine: on which they will run; times of others count only where there are none of it.
    """

    def __init__(self, trials: Iterable[Trial], summaries: Iterable[Summary] = (), machine: str = "") -> None:
        useful = [one for one in summaries if one["status"] == "ok" and _total(one) is not None]
        here = [one for one in useful if one["machine"] == machine]
        self._foreign = bool(useful) and not here
        images: dict[str, float] = {}
        self._run = _Memory(images, len(LEVELS), RECENT)
        self._store = _Memory(images, OF_A_STORE)
        for one in here or useful:
            self._store.add(one)
        self._left = {trial.id: trial for trial in trials}

    def add(self, result: TrialResult, seconds: float) -> None:
        """Take note of a trial that is done, after so many seconds."""
        self._left.pop(result.trial.id, None)
        found = {**vars(result), "trial": result.trial.to_json(), "seconds": seconds}
        self._run.add(summary(result.trial.id, found))

    def forecast(self) -> Forecast:
        """Return what is known of the time that the trials that are left will take."""
        if not (self._run or self._store):
            return Forecast(unknown=len(self._left))
        kinds, of_trial = self._sorted
        known = [
            min(self._run.seconds(kind), self._store.seconds(kind), key=lambda found: found[0])
            for kind in kinds
        ]
        found = Forecast(foreign=self._foreign)
        left = [of_trial[name] for name in self._left]
        for number, count in Counter(number for number, _ in left).items():
            level, seconds = known[number]
            if level == len(LEVELS):
                found.unknown += count
            else:
                found.bases[LEVELS[level]] += count
                found.seconds += count * seconds
        for number, baseline in set(left):
            before = known[of_trial[baseline][0]][1] if baseline in self._left else 0.0
            found.longest = max(found.longest, known[number][1] + before)
        return found

    @functools.cached_property
    def _sorted(self) -> tuple[list[_Kind], dict[str, tuple[int, str]]]:
        """The kinds of the trials, few even of 100,000; and for each trial its kind and its baseline."""
        kinds: dict[_Kind, int] = {}
        of_trial = {
            name: (
                kinds.setdefault(_kind(trial), len(kinds)),
                trial.baseline.id if needs_baseline(trial) else "",
            )
            for name, trial in self._left.items()
        }
        return list(kinds), of_trial


class _Kind(NamedTuple):
    """Trials that take equally long, as far as one can tell, with the keys that :func:`_keys` returns."""

    keys: tuple[tuple[Any, ...], ...]
    epochs: float
    dataset: str
    train_size: float | None


class _Memory:
    """Results, filed under what they have in common with a trial.

    Args:
        images: training images of data sets, as far as they are known; it is added to.
        levels: how many of the keys of a trial a result is filed under.
        recent: how many of the results under one key count, the last ones; None means all.
    """

    def __init__(self, images: dict[str, float], levels: int, recent: int | None = None) -> None:
        self._images, self._levels = images, levels
        self._filed: dict[tuple[Any, ...], deque[Summary]] = defaultdict(lambda: deque(maxlen=recent))
        self._known: dict[_Kind, tuple[int, float]] = {}

    def __bool__(self) -> bool:
        """Whether there is any result."""
        return bool(self._filed)

    def add(self, summary: Summary) -> None:
        """File a result."""
        dataset = _text(summary, "dataset")
        keys = _keys(
            dataset,
            summary["dataset"],
            _text(summary, "architecture"),
            summary["architecture"],
            summary["method"],
            (_text(summary, "method"), summary["batch_size"], summary["device"], summary["threads"]),
        )
        for key in keys[: self._levels]:
            self._filed[key].append(summary)
        if summary["train_images"]:
            self._images[dataset] = summary["train_images"]
        self._known.clear()

    def seconds(self, kind: _Kind) -> tuple[int, float]:
        """Return the level of the results most alike and their median time; without any, the end and 0."""
        if kind not in self._known:
            level = next((n for n, key in enumerate(kind.keys) if key in self._filed), len(LEVELS))
            alike = self._filed[kind.keys[level]] if level < len(LEVELS) else ()
            seconds = statistics.median(self._scaled(one, kind) for one in alike) if alike else 0.0
            self._known[kind] = (level, seconds)
        return self._known[kind]

    def _scaled(self, summary: Summary, kind: _Kind) -> float:
        """Return the time that a result would have taken with other epochs and another number of images."""
        total, per_epoch = _total(summary) or 0.0, summary["seconds_per_epoch"]
        if not per_epoch or summary["train_seconds"] is None:
            return total
        images = self._images.get(kind.dataset) or kind.train_size
        factor = images / summary["train_images"] if images and summary["train_images"] else 1.0
        # What is not epochs is loading, tracing and evaluation, which take as long again.
        before = summary["method_options"].get("epochs", summary["epochs"]) * per_epoch
        return max(total - before, 0.0) + float(kind.epochs * per_epoch * factor)


def _kind(trial: Trial) -> _Kind:
    same = (trial.method.text, trial.training.batch_size, trial.runtime.device, trial.runtime.threads)
    dataset, network = trial.dataset, trial.architecture
    return _Kind(
        _keys(dataset.text, dataset.name, network.text, network.name, trial.method.name, same),
        trial.method.options.get("epochs", trial.training.epochs),
        dataset.text,
        dataset.options.get("train_size"),
    )


def _keys(
    dataset: str, dataset_name: str, network: str, network_name: str, method: str, same: tuple[Any, ...]
) -> tuple[tuple[Any, ...], ...]:
    """Return under what a trial is filed, from what is most to what is least like it."""
    return (
        (0, dataset, network, method, *same),
        (1, dataset, network, method),
        (2, dataset_name, network, method),
        (3, network_name, method),
        (4, method),
        (5,),
    )


def _text(summary: Summary, part: str) -> str:
    return Choice(summary[part], summary[f"{part}_options"]).text


def _total(summary: Summary) -> float | None:
    """Return the seconds of a whole trial, or of its training where no more is known."""
    seconds = summary["seconds"] if summary["seconds"] is not None else summary["train_seconds"]
    return None if seconds is None else float(seconds)
