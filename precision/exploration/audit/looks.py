"""Compare rounded networks with the float32 one on as few test images as it takes.

The images are taken in one random order. A format that certainly loses more than the tolerance on the first
ones is given up there; whatever is said to be safe was evaluated on all. The first looks are strict, 99.9 %,
and the last one is at 95 % as ever, after J. Haybittle 1971, "Repeated assessment of results in clinical
trials of cancer treatment", British Journal of Radiology 44, 793-797.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import numpy as np

from precision.analysis.evidence import within
from precision.analysis.paired import USUAL, of_counts

LOOKS = (1000, 2000, 4000)  # images
STRICT = 3.290526731491926  # standard errors of a two-sided 99.9 % interval


@dataclass(frozen=True)
class Counts:
    """What two networks say about the same images.

    Attributes:
        images: how many.
        right, baseline_right: on how many the rounded, and the float32 network is right.
        better, worse: on how many only the rounded, or only the float32 network is right.
        differ: on how many they do not say the same class.
    """

    images: int
    right: int
    baseline_right: int
    better: int
    worse: int
    differ: int

    @classmethod
    def of(cls, rounded: np.ndarray, exact: np.ndarray, labels: np.ndarray) -> Counts:
        """Count over classes (N,) that the two networks say, and the right ones."""
        right, baseline = rounded == labels, exact == labels
        numbers = (right, baseline, right & ~baseline, baseline & ~right, rounded != exact)
        return cls(len(labels), *(int(mask.sum()) for mask in numbers))

    def __add__(self, other: Counts) -> Counts:
        """Return the counts over the images of both."""
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def ends(self, z: float) -> tuple[float, float]:
        """Return the interval of the accuracy of the rounded network minus that of the other, fractions."""
        found = of_counts(self.differ, self.better - self.worse, self.images, z)
        return found.low, found.high

    def to_json(self) -> dict[str, int]:
        """Return the counts as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Look:
    """How far one format was compared, and what is known of it.

    Attributes:
        whole: whether on all test images.
        low, high: interval of the difference: 95 % on all images, 99.9 % before.
        shown: whether the difference is shown to be within the tolerance, on all images.
        lost: whether it is shown to be beyond.
    """

    counts: Counts
    whole: bool
    low: float
    high: float
    shown: bool
    lost: bool


def look(counts: Counts, total: int, tolerance: float) -> Look:
    """Return what counts over the first of ``total`` images say; the tolerance is in percentage points."""
    whole = counts.images >= total
    low, high = counts.ends(USUAL if whole else STRICT)
    return Look(counts, whole, low, high, whole and within(low, tolerance), not within(high, tolerance))


def sizes(total: int) -> list[int]:
    """Return after how many images one looks, the last of them all."""
    return [*(size for size in LOOKS if size < total), total]


@dataclass(frozen=True)
class Rung:
    """A format of the ladder of one target.

    Attributes:
        label: of its policy.
        weight_bytes: of all its variables, packed.
        activation_bits: of an activation; NaN where layers differ.
        about: what else a report says of it, by the names of columns.
    """

    label: str
    weight_bytes: int
    activation_bits: float
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def size(self) -> tuple[float, float]:
        """By which formats are ordered, as ``analysis.smallest_within_tolerance`` orders them."""
        bits = self.activation_bits
        return self.weight_bytes, math.inf if math.isnan(bits) else bits


Compare = Callable[[Rung, int], Iterator[Counts]]
"""Yields the counts of a rung at each look, up to so many images."""


def climb(
    rungs: Sequence[Rung], total: int, tolerance: float, compare: Compare
) -> Iterator[tuple[Rung, Look]]:
    """Yield each rung of a ladder with what is known of it, the smallest first.

    A format that is larger than one that is shown to be safe has a first look only; one of which nothing is
    known is left out.
    """
    found: tuple[float, float] | None = None
    for rung in sorted(rungs, key=lambda rung: rung.size):
        needed = found in (None, rung.size)  # of formats of one size the more accurate one is to be named
        seen = None
        for counts in compare(rung, total if needed else sizes(total)[0]):
            seen = look(counts, total, tolerance)
            if seen.lost:
                break
        if seen is None:
            continue
        if seen.shown and found is None:
            found = rung.size
        yield rung, seen
