"""How long trials will take: their work, at the speed of the trials like them that have a result here."""

from __future__ import annotations

import functools
import math
import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from precision.errors import PrecisionError
from precision.grid.forecast.rounding import rounding
from precision.grid.forecast.work import Work
from precision.grid.plan.unrounded import needs_baseline
from precision.grid.store.reading import summary
from precision.trial import Trial, TrialResult

Summary = Mapping[str, Any]
LEVELS = (
    "results of the same data, network, method, formats and runtime",
    "results of the same data, network and method",
    "results of the same network and method on other data",
    "results of the same method and family of formats on other networks",
    "results of the same method on other networks",
    "results of other methods",
    "the speed of this machine",
)
# Between the estimate divided by this and multiplied by this the true time is expected, by the level.
FACTORS = (1.4, 1.5, 1.7, 1.8, 2.0, 2.0, 2.0)
OF_ITS_OWN = 2  # levels, of which each has one network and one data set
RECENT = 100  # results that count, of those alike
WEIGHT = 5.0  # seconds of results that the speed of the machine counts for
UNKNOWN_SPEED = 3.0  # the factor where this machine was not measured


@dataclass
class Forecast:
    """What is known of the time that trials will take.

    Attributes:
        seconds: of all trials that could be estimated, one after another.
        low, high: between which they lie.
        longest: of the longest trial, with the baseline that has to be trained before it.
        unknown: how many trials are like nothing that has a result, and cannot be counted.
        bases: how many trials were estimated from what.
    """

    seconds: float = 0.0
    low: float = 0.0
    high: float = 0.0
    longest: float = 0.0
    unknown: int = 0
    bases: Counter[str] = field(default_factory=Counter)

    def elapsed(self, jobs: int) -> float:
        """Return the seconds until all is done, with so many trials beside each other."""
        return max(self.seconds / jobs, self.longest)

    def between(self, jobs: int) -> tuple[float, float]:
        """Return the bounds of :meth:`elapsed`."""
        share = self.elapsed(jobs) / self.seconds if self.seconds else 1.0
        return self.low * share, self.high * share


class Estimator:
    """Forecasts the trials that are left, at first from a store and then also from those that are done.

    A result tells how much longer than its work a trial took, its training and the rest of it each. The most
    similar results count, and among equally similar ones those of the run.

    Args:
        trials: that have no result yet.
        work: of a trial, see ``forecast.work``.
        summaries: of results of this machine; the times of others say nothing of it.
        speed: seconds that this machine takes for one second of work; None where it was not measured.
        beside: times as long as these tell a trial takes because of others that run beside it; what is done
            in the run has met them.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        work: Callable[[Trial], Work],
        summaries: Iterable[Summary] = (),
        speed: float | None = None,
        beside: float = 1.0,
    ) -> None:
        self._work, self._speed, self._beside = work, speed, beside
        self._run, self._store = _Memory((speed or 1.0) * beside), _Memory(speed or 1.0)
        for one in summaries:
            self._add(self._store, one)
        self._left = {trial.id: trial for trial in trials}

    def add(self, result: TrialResult, seconds: float) -> None:
        """Take note of a trial that is done, after so many seconds."""
        self._left.pop(result.trial.id, None)
        found = {**vars(result), "trial": result.trial.to_json(), "seconds": seconds}
        self._add(self._run, summary(result.trial.id, found))

    def _add(self, memory: _Memory, one: Summary) -> None:
        if one["status"] != "ok":
            return
        trial = Trial.from_json(one["trial"])
        # Of another grid, perhaps, with a format or a method of a plugin that is not loaded now.
        with suppress(PrecisionError):
            memory.add(_kind(trial, self._work(trial)), one["train_seconds"], one["seconds"])

    def forecast(self) -> Forecast:
        """Return what is known of the time that the trials that are left will take."""
        kinds, of_trial = self._sorted
        known = [self._seconds(kind) for kind in kinds]
        found = Forecast()
        left = [of_trial[name] for name in self._left]
        for number, count in Counter(number for number, _ in left).items():
            level, seconds, factor = known[number]
            if level == len(LEVELS):
                found.unknown += count
                continue
            found.bases[LEVELS[level]] += count
            found.seconds += count * seconds
            found.low += count * seconds / factor
            found.high += count * seconds * factor
        for number, baseline in set(left):
            before = known[of_trial[baseline][0]][1] if baseline in self._left else 0.0
            found.longest = max(found.longest, known[number][1] + before)
        return found

    def _seconds(self, kind: _Kind) -> tuple[int, float, float]:
        """Return the level that most of the time is known by, the time, and its uncertainty as a factor."""
        parts = []
        for part, work in (("train", kind.work.train), ("rest", kind.work.rest)):
            level, ratio = self._run.ratio(kind, part)
            stored, told = self._store.ratio(kind, part)
            if stored < level:
                level, ratio = stored, told * self._beside
            if work and level == len(LEVELS):
                return level, 0.0, 1.0
            parts.append((work * ratio, level))
        seconds, level = sum(share for share, _ in parts), max(parts)[1]
        measured = self._speed is not None or level < len(LEVELS) - 1
        return level, seconds, FACTORS[level] if measured else UNKNOWN_SPEED

    @functools.cached_property
    def _sorted(self) -> tuple[list[_Kind], dict[str, tuple[int, str]]]:
        """The kinds of the trials, few even of 100,000; and for each trial its kind and its baseline."""
        kinds: dict[_Kind, int] = {}
        of_trial = {
            name: (
                kinds.setdefault(_kind(trial, self._work(trial)), len(kinds)),
                trial.baseline.id if needs_baseline(trial) else "",
            )
            for name, trial in self._left.items()
        }
        return list(kinds), of_trial


class _Kind(NamedTuple):
    """Trials that take equally long, as far as one can tell; the keys go from most to least alike."""

    keys: tuple[tuple[Any, ...], ...]
    work: Work


def _kind(trial: Trial, work: Work) -> _Kind:
    dataset, network, method = trial.dataset.text, trial.architecture.text, trial.method.name
    family = rounding(trial.policy_text).family
    runtime = trial.runtime
    same = (trial.method.text, trial.training.batch_size, runtime.device, runtime.threads, runtime.backend)
    keys = (
        (0, dataset, network, family, *same),
        (1, dataset, network, method),
        (2, network, method),
        (3, method, family),
        (4, method),
        (5,),
    )
    return _Kind(keys if work.counted else keys[:OF_ITS_OWN], work)


class _Memory:
    """How much longer than their work results took, filed under what they have in common with a trial.

    Args:
        speed: of this machine, the ratio of those of which nothing else is known.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._filed: dict[tuple[Any, ...], deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=RECENT)
        )
        self._known: dict[tuple[_Kind, str], tuple[int, float]] = {}

    def add(self, kind: _Kind, train: float | None, total: float | None) -> None:
        """File the seconds of the training and of a whole trial; None is unknown."""
        self._known.clear()
        spent: dict[str, float | None] = {"train": train, "rest": None}
        if total is not None and train is None and kind.work.train:  # only the whole is known
            share = kind.work.train / (kind.work.train + kind.work.rest)
            spent = {"train": total * share, "rest": total * (1 - share)}
        elif total is not None:
            spent["rest"] = max(total - (train or 0.0), 0.0)
        for part, seconds in spent.items():
            work = getattr(kind.work, part)
            if work and seconds is not None:
                for key in kind.keys:
                    self._filed[(part, *key)].append((seconds, work))

    def ratio(self, kind: _Kind, part: str) -> tuple[int, float]:
        """Return the level of the results most alike, and how much longer than their work they took.

        Without any it is the speed of the machine; of what is not counted, the end of the levels.
        """
        if (kind, part) not in self._known:
            self._known[kind, part] = self._ratio(kind, part)
        return self._known[kind, part]

    def _ratio(self, kind: _Kind, part: str) -> tuple[int, float]:
        for level, key in enumerate(kind.keys):
            if alike := self._filed.get((part, *key)):
                if level < OF_ITS_OWN:
                    return level, statistics.median(seconds / work for seconds, work in alike)
                # A short trial says little of a long one: what was long counts most.
                spent, works = (math.fsum(column) for column in zip(*alike, strict=True))
                return level, (spent + WEIGHT * self._speed) / (works + WEIGHT)
        return (len(LEVELS) - 1, self._speed) if kind.work.counted else (len(LEVELS), 0.0)
