"""What is said of a number of a trial, and the register of all of them; the entries are in ``metrics``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from precision.errors import PrecisionError

Kind = Literal["quality", "counted", "modelled", "measured", "timed"]
Statistic = Literal["mean", "std", "ci95", "largest", "first"]
Better = Literal["higher", "lower", "neither"]
Dtype = Literal["float64", "Int64"]
KINDS: tuple[Kind, ...] = ("quality", "counted", "modelled", "measured", "timed")
_WORDS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "better": get_args(Better),
    "dtype": get_args(Dtype),
}


@dataclass(frozen=True)
class Metric:
    """One number of a trial.

    Attributes:
        name: in results, and of the column.
        kind: ``quality`` says how well the network does; ``counted`` follows from the trial by arithmetic;
            ``modelled`` from counts and published figures; ``measured`` is what the operating system or an
            instrument says, ``timed`` what a clock says. The last two differ from run to run: a rerun does
            not compare them. Where a trial is repeated, its times are the medians over the repeats.
        meaning: one line of explanation.
        unit: of its values.
        title: for tables and axes.
        better: which way is better.
        dtype: of the column; either may have missing values.
        summary: the statistics over seeds that summary.csv has, each with the meaning of its column; an empty
            one is that of the metric. ``first`` is for what every seed has alike; ``ci95`` is half the width
            of the 95 % interval of the mean. What is measured or timed has a mean of one machine only.
        cost: whether the report's tables of costs show it.
        computed: returns it from the other numbers of the trial, which are NaN where unknown; None where the
            trial itself tells it.
        bounds: the least and the largest value that can be.
        required: whether a trial that has it cannot leave it open; otherwise it may be NaN.
        special: whether only some trials have it; a table of results may lack its column.
        beside: of a time, the metric that says how disturbed the machine was meanwhile.
        lacking: whether a table of results may lack its column though every trial may have it.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str
    title: str
    better: Better = "neither"
    dtype: Dtype = "float64"
    summary: Mapping[Statistic, str] = field(default_factory=lambda: {"mean": "mean over seeds"})
    cost: bool = False
    computed: Callable[[Mapping[str, float]], float] | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    required: bool = False
    special: bool = False
    beside: str = ""
    lacking: bool = False

    @property
    def of_machine(self) -> bool:
        """Whether the number is of the run and its machine, rather than of the trial."""
        return self.kind in ("measured", "timed")

    def column_of(self, statistic: Statistic) -> str:
        """Return the column of summary.csv for a statistic; the first of a cost has the metric's own name."""
        plain = self.kind != "quality" and statistic == next(iter(self.summary))
        return self.name if plain else f"{self.name}_{statistic}"


class Metrics(Mapping[str, Metric]):
    """Metrics by name, ordered by kind and within a kind as they were added."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics: dict[str, Metric] = {}
        for metric in metrics:
            self.add(metric)

    def add(self, metric: Metric) -> None:
        """Take up a metric.

        Raises:
            PrecisionError: when its name is in use already or cannot be that of a column, a word is none of
                those that may stand there, and for a cost without a statistic, of which the tables would have
                nothing to show.
        """
        name = metric.name
        if not name.isidentifier():
            raise PrecisionError(f"the name of a metric is letters, digits and '_', but got {name!r}")
        if name in self._metrics:
            known = self._metrics[name].meaning
            raise PrecisionError(f"metric {name!r} is already registered ({known}); choose another name")
        if metric.cost and not metric.summary:
            raise PrecisionError(f"metric {name!r} is a cost and needs a summary, such as {{'mean': '...'}}")
        for key, words in _WORDS.items():
            if getattr(metric, key) not in words:
                raise PrecisionError(
                    f"{key} of metric {name!r} is {' or '.join(words)}, but got {getattr(metric, key)!r}"
                )
        ordered = sorted([*self.values(), metric], key=lambda one: KINDS.index(one.kind))
        self._metrics = {one.name: one for one in ordered}

    def remove(self, name: str) -> None:
        """Forget a metric."""
        del self._metrics[name]

    def of(self, *kinds: Kind) -> list[Metric]:
        """Return the metrics of these kinds."""
        return [metric for metric in self.values() if metric.kind in kinds]

    def numbers(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return every metric of a trial, NaN where unknown; numbers that are no metric are left out."""
        known = {name: found.get(name, math.nan) for name in self}
        return known | {m.name: m.computed(known) for m in self.values() if m.computed is not None}

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)
