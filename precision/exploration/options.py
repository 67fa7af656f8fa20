"""The options of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precision.analysis.search import OBJECTIVES
from precision.errors import PrecisionError, unknown

METHODS = ("greedy", "nsga2")
IMAGES = 5000
NSGA2_TRIALS = 200


@dataclass(frozen=True)
class SearchOptions:
    """What is searched, and how.

    Attributes:
        tolerance: percentage points of accuracy that may be lost; of a regression, per cent by which the RMSE
            may rise.
        objective: one of ``OBJECTIVES``.
        method: one of ``METHODS``.
        images: training images that decide, and as many others that check; fewer if there are fewer.
        trials: evaluations at most; None for as many as greedy takes, and ``NSGA2_TRIALS``.
        seed: of NSGA-II.

    >>> import precision
    >>> precision.SearchOptions(tolerance=0.5, objective="energy").method
    'greedy'
    """

    tolerance: float = 1.0
    objective: str = "memory"
    method: str = "greedy"
    images: int = IMAGES
    trials: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise unknown("objective", self.objective, OBJECTIVES)
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if not 0 <= self.tolerance <= 100:
            raise PrecisionError(
                f"--tolerance is in percentage points, from 0 to 100, but got {self.tolerance}"
            )
        for name in ("images", "trials"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PrecisionError(f"--{name} must be a whole number above 0, but got {value}")

    @property
    def limit(self) -> int | None:
        """The evaluations that there may be; None for as many as it takes."""
        return NSGA2_TRIALS if self.trials is None and self.method == "nsga2" else self.trials

    @property
    def method_in_words(self) -> str:
        """The method, for a report."""
        return "greedy" if self.method == "greedy" else f"NSGA-II, {self.limit} evaluations, seed {self.seed}"

    def words(self, policies: Sequence[str]) -> list[str]:
        """Return the options as the words of a command that repeats the search."""
        words = [
            f"--tolerance={self.tolerance:g}",
            f"--objective={self.objective}",
            f"--method={self.method}",
        ]
        words += [f"--images={self.images}"]
        words += [] if self.trials is None else [f"--trials={self.trials}"]
        words += [f"--seed={self.seed}"] if self.method == "nsga2" else []
        return [f"--policies={','.join(policies)}", *words] if policies else words
