"""Whether two results of one trial are the same, number for number."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from precision.metrics import METRICS
from precision.trial import TrialResult

# Facts about how a run went, not about what came of it.
EVENTS = ("resumed_after_epoch", "checkpoint", "energy_source")
# Of an epoch, what a clock or an instrument says.
MEASURED = ("seconds", "joules")
# Of the provenance, what says nothing about where and with what a trial ran.
PASSING = ("finished", "rerun")
MISSING = "not recorded"


@dataclass(frozen=True)
class Row:
    """Something of which two results have a value each.

    Attributes:
        before, again: the values as texts that tell every bit; digests by their first digits.
        same: None where one of them has no value.
    """

    name: str
    before: str
    again: str
    same: bool | None


@dataclass(frozen=True)
class Comparison:
    """What two results of a trial have in common.

    Attributes:
        numbers: all that a trial yields and that no clock and no instrument has measured.
        surroundings: versions and machine, those alone that differ.
    """

    numbers: list[Row]
    surroundings: list[Row]

    @property
    def same(self) -> bool:
        """Whether every number is the same: what could not be compared is not."""
        return all(row.same for row in self.numbers)

    @property
    def different(self) -> list[Row]:
        """The numbers that differ."""
        return [row for row in self.numbers if row.same is False]

    @property
    def left_out(self) -> list[Row]:
        """The numbers that could not be compared, because one of the results does not have them."""
        return [row for row in self.numbers if row.same is None]


def compare(before: TrialResult, again: TrialResult) -> Comparison:
    """Compare two results of a trial, which hold their predictions."""
    numbers = [_row("status", _outcome(before), _outcome(again))]
    numbers += _rows(
        before.metrics, again.metrics, [metric.name for metric in METRICS.values() if metric.of_machine]
    )
    numbers += _rows(before.facts, again.facts, EVENTS)
    numbers += _history(before.history, again.history)
    numbers.append(_predictions(before.predictions, again.predictions))
    return Comparison(numbers, differences(before.provenance, again.provenance))


def differences(before: dict[str, str], again: dict[str, str]) -> list[Row]:
    """Return what differs of where and with what a trial ran, by two provenances."""
    return [row for row in _rows(before, again, PASSING) if not row.same]


def _outcome(result: TrialResult) -> str:
    return f"{result.status}: {result.reason}" if result.reason else result.status


def _rows(before: dict[str, Any], again: dict[str, Any], without: Collection[str]) -> list[Row]:
    names = [name for name in {**before, **again} if name not in without]
    return [_row(name, before.get(name), again.get(name)) for name in names]


def _row(name: str, before: Any, again: Any) -> Row:
    same = None if before is None or again is None else _equal(before, again)
    return Row(name, _text(before), _text(again), same)


def _history(before: list[dict[str, float]], again: list[dict[str, float]]) -> list[Row]:
    """Return a row per quantity of the history, with the first epoch in which it differs."""
    if not before and not again:
        return []
    names = (
        [name for name in {**before[0], **again[0]} if name not in ("epoch", *MEASURED)]
        if (before and again)
        else []
    )
    rows = [_row("epochs of the history", len(before), len(again))]
    for name in names:
        pairs = [(one.get(name), other.get(name)) for one, other in zip(before, again, strict=False)]
        first = next((i for i, pair in enumerate(pairs) if not _equal(*pair)), None)
        if first is None:
            label = f"{name} of epochs 1 to {len(pairs)}" if len(pairs) > 1 else f"{name} of epoch 1"
            rows.append(Row(label, _text(pairs[-1][0]), _text(pairs[-1][1]), True))
        else:
            rows.append(_row(f"{name} of epoch {first + 1}", *pairs[first]))
    return rows


def _predictions(before: np.ndarray | None, again: np.ndarray | None) -> Row:
    if before is None or again is None or before.shape != again.shape:
        texts = [MISSING if one is None else f"{len(one)} images" for one in (before, again)]
        return Row("predictions", texts[0], texts[1], None if before is None or again is None else False)
    other = (before != again) & ~((before != before) & (again != again))  # an error may be no number
    other = other.reshape(len(before), -1).any(axis=1)
    differ = int(other.sum())
    if not differ:
        return Row("predictions", f"{len(before)} images", f"{len(again)} images", True)
    image = int(other.argmax())
    what = {1: "class"}.get(before.ndim, "errors" if before.dtype.kind == "f" else "labels")
    return Row(
        f"predictions: {differ} of {len(before)} differ, first image {image}",
        f"{what} {before[image]}",
        f"{what} {again[image]}",
        False,
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)


def _text(value: Any) -> str:
    if value is None:
        return MISSING
    text = str(value)
    return f"{text[:12]}..." if _DIGEST.fullmatch(text) else text


_DIGEST = re.compile(r"[0-9a-f]{64}")
