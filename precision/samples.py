"""What is sampled while a trial runs: series over time, bounded in number, as plain data.

Samples are taken at a fixed pace. When there are ``MOST`` of them, each two that follow each other become
one, and from then on each stands for twice as many looks. Where the largest value is what one wants to know,
as of memory, the larger of two survives; of the others their mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

MOST = 2000
"""Samples that are kept of one trial, at most; an even number."""


@dataclass(frozen=True)
class Quantity:
    """Something that is sampled.

    Attributes:
        title: for tables and axes.
        unit: of its values.
        meaning: one line of explanation.
        largest: whether the largest of several looks stands for all of them, rather than their mean.
    """

    title: str
    unit: str
    meaning: str
    largest: bool = False


QUANTITIES: dict[str, Quantity] = {
    "cpu_percent": Quantity(
        "Processor use of the process",
        "%",
        "processor time of the trial's process over the time that passed; 100 is one core all the time, so "
        "that two busy cores are 200",
    ),
    "machine_cpu_percent": Quantity(
        "Processor use of the machine",
        "%",
        "share of the time in which the processors of the whole machine were busy, for whomever; 100 is "
        "every core all the time. In a container the machine is the host",
    ),
    "memory_bytes": Quantity(
        "Resident memory",
        "byte",
        "resident set of the trial's process as the operating system sees it: the runtime, the data and the "
        "model together",
        largest=True,
    ),
    "threads": Quantity("Threads", "threads", "threads of the trial's process, idle ones included", True),
    "temperature_celsius": Quantity(
        "Temperature",
        "°C",
        "the hottest sensor of the processor; where none is the processor's, the hottest of the machine",
        largest=True,
    ),
    "cpu_watts": Quantity(
        "Power of the processor",
        "W",
        "mean power of all processor packages by their energy counters (RAPL), for whomever they work",
    ),
    "gpu_percent": Quantity(
        "GPU use",
        "%",
        "share of the time in which a kernel ran on the GPU, for whomever; the mean over the GPUs that the "
        "trial sees",
    ),
    "gpu_memory_bytes": Quantity(
        "GPU memory",
        "byte",
        "memory of the GPUs that is taken, by whomever; a framework takes most of it at once",
        largest=True,
    ),
    "gpu_watts": Quantity(
        "Power of the GPU", "W", "power of the GPUs that the trial sees, for whomever they work"
    ),
}
"""By name, in the order in which they are shown."""


@dataclass(frozen=True)
class Samples:
    """The series of one trial.

    Attributes:
        seconds: since the trial began, shape (n,), never falling: the end of what each sample stands for.
        series: by the name of a quantity its values, shape (n,), NaN where it was not told.
        ended: by the name of a quantity why it has no value, or none from some time on.
    """

    seconds: np.ndarray
    series: Mapping[str, np.ndarray]
    ended: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seconds)

    def mean(self, name: str) -> float:
        """Return the mean of a series over its samples; NaN without any."""
        known = self._known(name)
        return float(known.mean()) if len(known) else math.nan

    def peak(self, name: str) -> float:
        """Return the largest value of a series; NaN without any."""
        known = self._known(name)
        return float(known.max()) if len(known) else math.nan

    def thinned(self, most: int) -> Samples:
        """Return at most so many samples: each of equally many that follow each other, joined as they are."""
        size = math.ceil(len(self) / most)
        if size < 2:
            return self
        starts = np.arange(0, len(self), size)
        ends = np.minimum(starts + size, len(self)) - 1
        return Samples(
            self.seconds[ends],
            {name: _joined(values, starts, QUANTITIES[name].largest) for name, values in self.series.items()},
            self.ended,
        )

    def _known(self, name: str) -> np.ndarray:
        values = self.series.get(name, np.empty(0))
        return values[np.isfinite(values)]


def _joined(values: np.ndarray, starts: np.ndarray, largest: bool) -> np.ndarray:
    """Return one value for each part of a series: its largest or its mean, NaN where nothing was told."""
    told = np.isfinite(values)
    counts = np.add.reduceat(told.astype(np.float64), starts)
    if largest:
        values = np.maximum.reduceat(np.where(told, values, -np.inf), starts)
        return np.where(counts > 0, values, np.nan)
    totals = np.add.reduceat(np.where(told, values, 0.0), starts)
    return np.divide(totals, counts, out=np.full(len(starts), np.nan), where=counts > 0)


def combined(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return what several looks give as one: of each quantity the largest or the mean of what was told."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if math.isfinite(value):
                found.setdefault(name, []).append(value)
    return {
        name: max(values) if QUANTITIES[name].largest else sum(values) / len(values)
        for name, values in found.items()
    }


class Recorder:
    """Takes any number of looks and keeps at most ``most`` samples, halving their number when it is full.

    How many looks a sample stands for follows from their number alone.

    Args:
        most: samples, an even number.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._stride = 1  # looks that one sample stands for
        self._looks = 0  # in the sample that is still open
        self._seconds: list[float] = []
        self._columns = {name: _Column(quantity.largest) for name, quantity in QUANTITIES.items()}

    def add(self, seconds: float, row: Mapping[str, float]) -> None:
        """Take one look; what it does not tell is absent or NaN."""
        if self._looks == 0:
            self._seconds.append(seconds)
            for column in self._columns.values():
                column.open()
        self._seconds[-1] = seconds
        for name, value in row.items():
            self._columns[name].add(value)
        self._looks = (self._looks + 1) % self._stride
        if self._looks == 0 and len(self._seconds) == self._most:
            self._seconds = self._seconds[1::2]
            for column in self._columns.values():
                column.halve()
            self._stride *= 2

    def samples(self, ended: Mapping[str, str]) -> Samples:
        """Return what was kept; quantities of which nothing was told are left out."""
        series = {name: column.values() for name, column in self._columns.items()}
        told = {name: values for name, values in series.items() if np.isfinite(values).any()}
        return Samples(np.array(self._seconds, np.float64), told, dict(ended))


class _Column:
    """The samples of one quantity: what they sum to and of how many looks, or the largest value."""

    def __init__(self, largest: bool) -> None:
        self._largest = largest
        self._totals: list[float] = []
        self._counts: list[int] = []

    def open(self) -> None:
        self._totals.append(0.0)
        self._counts.append(0)

    def add(self, value: float) -> None:
        if math.isfinite(value):
            self._totals[-1] = self._joined(self._totals[-1], self._counts[-1], value, 1)
            self._counts[-1] += 1

    def halve(self) -> None:
        pairs = zip(*(iter(zip(self._totals, self._counts, strict=True)),) * 2, strict=True)
        joined = [(self._joined(*one, *other), one[1] + other[1]) for one, other in pairs]
        self._totals, self._counts = [total for total, _ in joined], [count for _, count in joined]

    def values(self) -> np.ndarray:
        totals, counts = np.array(self._totals), np.array(self._counts)
        divisors = np.where(counts > 0, 1 if self._largest else counts, np.nan)
        return totals / divisors

    def _joined(self, one: float, count: int, other: float, further: int) -> float:
        if not self._largest:
            return one + other
        return max(one, other) if count and further else one + other  # one of them is nothing, and 0
