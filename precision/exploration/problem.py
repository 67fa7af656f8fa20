"""The search for a format per layer as a plain problem: units, choices, a measured score and a known cost.

Nothing here knows of networks: a problem is a function of an assignment, and a search is a sequence of
assignments to evaluate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

Assignment = tuple[int, ...]  # for every unit the number of its choice


@dataclass(frozen=True)
class Score:
    """What an evaluation measures: accuracy as a fraction, and the mean loss that training minimises.

    Of a regression the first is 1 less the rise of the RMSE, as a share of that of float32.
    """

    accuracy: float
    loss: float

    @property
    def error(self) -> float:
        """Fraction of wrong answers; of two equal ones the smaller loss counts as the smaller error."""
        loss = min(self.loss, 1e3) if not math.isnan(self.loss) else 1e3
        return 1 - self.accuracy + 1e-9 * loss


@dataclass(frozen=True)
class Problem:
    """A choice for each unit, at least cost, with an accuracy that suffices.

    Attributes:
        choices: how many choices every unit has.
        evaluate: measures an assignment; slow.
        cost: of an assignment; quick. Any positive number, less is better.
        least_accuracy: that suffices, a fraction.
        uniform: assignments to begin with, for example the same format everywhere.
    """

    choices: tuple[int, ...]
    evaluate: Callable[[Assignment], Score]
    cost: Callable[[Assignment], float]
    least_accuracy: float
    uniform: tuple[Assignment, ...]

    @property
    def assignments(self) -> int:
        """How many assignments there are."""
        return math.prod(self.choices)


@dataclass(frozen=True)
class Point:
    """An evaluated assignment."""

    assignment: Assignment
    score: Score
    cost: float
    feasible: bool


class OutOfTrials(Exception):  # noqa: N818 - it ends a search as planned
    """No evaluation is left."""


@dataclass
class Trail:
    """Every assignment that a search has evaluated, each once.

    Attributes:
        trials: how many evaluations there may be; None for any number.
        watch: called with each new point.
    """

    problem: Problem
    trials: int | None = None
    watch: Callable[[Point], None] = lambda point: None
    points: dict[Assignment, Point] = field(default_factory=dict)

    def __call__(self, assignment: Assignment) -> Point:
        """Return the point of an assignment, evaluating it when it is new.

        Raises:
            OutOfTrials: when it is new and no evaluation is left.
        """
        if assignment not in self.points:
            if self.trials is not None and len(self.points) >= self.trials:
                raise OutOfTrials
            score = self.problem.evaluate(assignment)
            feasible = score.accuracy >= self.problem.least_accuracy
            point = Point(assignment, score, self.problem.cost(assignment), feasible)
            self.points[assignment] = point
            self.watch(point)
        return self.points[assignment]

    @property
    def best(self) -> Point | None:
        """The cheapest point whose accuracy suffices, of equal ones the more accurate; None without any."""
        found = [point for point in self.points.values() if point.feasible]
        return min(found, key=lambda point: (point.cost, point.score.error), default=None)

    @property
    def front(self) -> list[Point]:
        """The points that no other beats in both cost and error, cheapest first."""
        return list(_front(self.points.values()))


def _front(points: Iterable[Point]) -> Iterator[Point]:
    least = math.inf
    for point in sorted(points, key=lambda point: (point.cost, point.score.error)):
        if point.score.error < least:
            least = point.score.error
            yield point
