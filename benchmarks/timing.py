"""Paired timing: two things in turn, again and again, so that a drift of the machine hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: what was compared with what, and whether the limit holds.

    Attributes:
        ratio: median over rounds; ``low`` and ``high`` are its quartiles.
        limit: what the project promises; ``at_least`` says in which direction. None where another
            library is timed for comparison.
    """

    name: str
    peer: str
    ratio: float
    low: float
    high: float
    limit: float | None
    at_least: bool
    detail: str

    @property
    def holds(self) -> bool:
        if self.limit is None:
            return True
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    def cells(self) -> list[str]:
        sign = ">=" if self.at_least else "<="
        return [
            self.name,
            self.peer,
            f"{self.ratio:.3g} ({self.low:.3g} to {self.high:.3g})",
            "" if self.limit is None else f"{sign} {self.limit:g}",
            "" if self.limit is None else "yes" if self.holds else "NO",
            self.detail,
        ]


HEADER = ["what", "against", "ratio (quartiles)", "promised", "kept", "medians"]


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def paired(
    ours: Callable[[], object], peer: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of both, measured in turn after a warm-up of each."""
    ours(), peer()
    times = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    return [a for a, _ in times], [b for _, b in times]


def row(
    name: str,
    peer_name: str,
    ours: list[float],
    peer: list[float],
    limit: float | None,
    *,
    rate: bool,
    unit: float = 1e3,
) -> Row:
    """Return the row of paired times: as a ratio of rates (peer / ours) or of times (ours / peer)."""
    ratios = [b / a if rate else a / b for a, b in zip(ours, peer, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    detail = f"{statistics.median(ours) * unit:.3g} ms, {peer_name} {statistics.median(peer) * unit:.3g} ms"
    return Row(name, peer_name, statistics.median(ratios), low, high, limit, rate, detail)
