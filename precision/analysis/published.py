"""Figures of another work beside ours, and whether ours are as near as was said before they were measured."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from precision.analysis.selected import Selected, cell_name
from precision.tasks import CLASSIFICATION

Kind = Literal["accuracy", "difference"]
Bound = Literal["within", "at_least", "at_most"]


@dataclass(frozen=True)
class PublishedFigure(Selected):
    """One figure of another work: the labels of our cells, of which the most accurate stands beside it.

    Attributes:
        value: in percent; of a ``difference`` to the baseline in percentage points.
        kind: what it is of.
        margin: percentage points that ours may be away from it.
        bound: ``within`` the margin on both sides, or ``at_least`` or ``at_most`` the figure, but for it.
        name: what the figure is called; the labels of our cell where it is empty.

    >>> from precision.analysis import PublishedFigure
    >>> PublishedFigure(policy=["posit8*"], value=98.0, margin=5.0).words()
    'policy posit8*'
    """

    value: float = math.nan
    kind: Kind = "accuracy"
    margin: float = 0.0
    bound: Bound = "within"
    name: str = ""


@dataclass(frozen=True)
class Published:
    """Figures of another work, printed beside ours.

    Attributes:
        accuracy: maps an architecture to a policy to the published test accuracy in percent.
        margin: percentage points that ours may be away from these; None where nothing was said.
        figures: others, each with a margin of its own.

    >>> from precision.analysis import Published
    >>> Published("a paper", "other training", {"lenet": {"fixed8": 98.5}}).accuracy["lenet"]
    {'fixed8': 98.5}
    """

    source: str
    note: str
    accuracy: Mapping[str, Mapping[str, float]]
    margin: float | None = None
    figures: Sequence[PublishedFigure] = ()

    def checked(self) -> Iterator[PublishedFigure]:
        """Yield every figure that has a margin."""
        if self.margin is not None:
            for architecture, row in self.accuracy.items():
                for policy, value in row.items():
                    yield PublishedFigure(
                        architecture=[architecture], policy=[policy], value=value, margin=self.margin
                    )
        yield from self.figures


@dataclass(frozen=True)
class Comparison:
    """A published figure beside ours.

    Attributes:
        cell: the labels of ours, or of what was looked for.
        ours: in the unit of the figure, mean over seeds; NaN where there is none.
        half: half the 95 % interval of ours, NaN where it is not known.
        runs: seeds behind ours.
        status: ``pass``, ``fail``, or why there is nothing to compare.
    """

    figure: PublishedFigure
    cell: str
    ours: float
    half: float
    runs: int
    status: str

    @property
    def passed(self) -> bool:
        """Whether ours is within the margin; what has no result is not."""
        return self.status == "pass"


def compared(published: Published, summary: pd.DataFrame) -> list[Comparison]:
    """Return every figure with a margin beside ours.

    Args:
        summary: of ``Results.summary``.
    """
    rows = summary.to_dict("records")
    return [
        _comparison(figure, [row for row in rows if figure.admits(row)]) for figure in published.checked()
    ]


def _comparison(figure: PublishedFigure, rows: Sequence[Mapping[Hashable, Any]]) -> Comparison:
    column = CLASSIFICATION.score if figure.kind == "accuracy" else CLASSIFICATION.difference
    found = [row for row in rows if not pd.isna(row[f"{column}_mean"])]
    if not found:
        why = f"no result ({rows[0]['status']})" if rows else "no such cell"
        return Comparison(figure, figure.words(), math.nan, math.nan, 0, why)
    best = max(found, key=lambda row: float(row[f"{CLASSIFICATION.score}_mean"]))
    ours, half = (100 * float(best[f"{column}_{part}"]) for part in ("mean", "ci95"))
    status = "pass" if holds(figure, ours) else "fail"
    return Comparison(figure, cell_name(best), ours, half, int(best["n"]), status)


def holds(figure: PublishedFigure, ours: float) -> bool:
    """Return whether a number, in the unit of the figure, is as near to it as its margin and bound ask for.

    >>> from precision.analysis.published import PublishedFigure, holds
    >>> figure = PublishedFigure(value=97.2, margin=0.5)
    >>> holds(figure, 96.7), holds(figure, 97.8)
    (True, False)
    """
    away = round(ours - figure.value, 9)
    return (figure.bound == "at_least" or away <= figure.margin) and (
        figure.bound == "at_most" or away >= -figure.margin
    )
