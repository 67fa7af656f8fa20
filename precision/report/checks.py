"""The table of published figures beside ours: which are within the margins that were said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precision.analysis.published import Bound
from precision.report.document import Cell, Column, Note, Quantity, Span, Strong, Table, Unit, Words, note

_BOUNDS: dict[Bound, str] = {"within": "", "at_least": "at least ", "at_most": "at most "}
WITHIN = """\
Margins were written down before anything was run. A figure passes where the mean of ours is no
further away than its margin; where the figure is a bound, no further on its wrong side."""


@dataclass(frozen=True)
class Check:
    """A figure of another work beside ours.

    Attributes:
        figure: what the work calls it.
        of: where ours is from.
        published: as it was published, and so ``margin``, in the unit of the table or one of its own.
        ours: likewise, None where there is none.
        spread: what stands behind ours, such as its interval.
        away: ours less the published one, None likewise.
        status: ``pass``, ``fail``, or why there is neither.
    """

    figure: str
    of: str
    published: Quantity
    bound: Bound
    ours: Quantity | None
    spread: tuple[Span, ...]
    away: Quantity | None
    margin: Quantity
    status: str


def counted(checks: Sequence[Check]) -> Note:
    """Return in one line how many figures pass."""
    passed = sum(check.status == "pass" for check in checks)
    text = f"{passed} of {len(checks)} {'figures' if len(checks) > 1 else 'figure'} within the margin"
    missing = sum(check.status not in ("pass", "fail") for check in checks)
    text += f", {missing} without a result" if missing else ""
    return note("{line}.", line=Strong(Words(text)))


def table_of_checks(checks: Sequence[Check], title: str = "") -> Table:
    """Return a row for each figure: published, ours, the difference, its margin, and whether it passes."""
    columns = ("Figure", "Ours is of", "Published", "Ours", "Difference", "Margin", "Result")
    rows = tuple(
        (
            check.figure,
            check.of,
            (Words(_BOUNDS[check.bound]), check.published),
            _ours(check),
            check.away,
            check.margin,
            Words(check.status) if check.status == "pass" else Strong(Words(check.status)),
        )
        for check in checks
    )
    return Table(tuple(Column(title) for title in columns), rows, title)


def _ours(check: Check) -> Cell:
    if check.ours is None:
        return None
    return (check.ours, *check.spread)


def percent(value: float, difference: bool = False) -> Quantity:
    """Return per cent, or percentage points with their sign."""
    return Quantity(value / 100, Unit.DIFFERENCE if difference else Unit.ACCURACY)
