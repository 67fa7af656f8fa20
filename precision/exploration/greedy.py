"""Greedy search: lower one unit after another where that saves most for the least predicted loss.

Each unit's choices are tried alone first, which predicts what they do together: the rises of the loss add up,
as in Z. Dong et al. 2019, "HAWQ" (arXiv:1905.03696), and many before it. A prediction only says what to try
next; every step is verified by an evaluation, and undone when the accuracy no longer suffices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from precision.exploration.problem import Assignment, OutOfTrials, Point, Problem, Trail

LEAST_RISE = 1e-9  # nats: a choice that raises the loss by less costs nothing
MOST_RISE = 1e9  # that of a loss that is no number


def greedy(problem: Problem, trail: Trail) -> Point | None:
    """Return the cheapest assignment found whose accuracy suffices; None when no start suffices.

    From the most expensive start: single steps down, the best ratio of saving to predicted rise first, until
    none suffices (a step that saves nothing is taken where it raises the accuracy); then exchanges, one unit
    down and another up, as long as they save anything.

    Args:
        trail: takes every evaluation, and bounds their number.
    """
    try:
        starts = [trail(start) for start in problem.uniform]
        suffice = [point for point in starts if point.feasible]
        if not suffice:
            return None
        start = max(suffice, key=lambda point: point.cost)
        rise = _sensitivities(problem, trail, start)
        current: Point | None = start
        while current is not None:
            current = _exchanged(problem, trail, _descended(problem, trail, current, rise), rise)
    except OutOfTrials:
        pass
    return trail.best


def _replaced(assignment: Assignment, unit: int, choice: int) -> Assignment:
    return (*assignment[:unit], choice, *assignment[unit + 1 :])


def _steps(problem: Problem, assignment: Assignment) -> Iterator[tuple[int, int]]:
    """Yield every change of one unit."""
    for unit, number in enumerate(problem.choices):
        yield from ((unit, choice) for choice in range(number) if choice != assignment[unit])


def _sensitivities(problem: Problem, trail: Trail, start: Point) -> list[list[float]]:
    """Return the rise of the loss for every choice of every unit, alone."""
    rise = [[0.0] * number for number in problem.choices]
    for unit, choice in _steps(problem, start.assignment):
        loss = trail(_replaced(start.assignment, unit, choice)).score.loss
        more = loss - start.score.loss
        rise[unit][choice] = more if math.isfinite(more) else MOST_RISE
    return rise


def _descended(problem: Problem, trail: Trail, current: Point, rise: list[list[float]]) -> Point:
    """Return where single steps down lead; a step that did not suffice is not tried again."""
    failed: set[tuple[int, int]] = set()
    while True:
        ranked = []
        for unit, choice in _steps(problem, current.assignment):
            saving = current.cost - problem.cost(_replaced(current.assignment, unit, choice))
            more = rise[unit][choice] - rise[unit][current.assignment[unit]]
            if (saving > 0 or (saving == 0 and more < -LEAST_RISE)) and (unit, choice) not in failed:
                ranked.append((saving / max(more, LEAST_RISE), saving, unit, choice))
        if not ranked:
            return current
        *_, unit, choice = max(ranked)
        point = trail(_replaced(current.assignment, unit, choice))
        if point.feasible and (point.cost < current.cost or point.score.error < current.score.error):
            current = point
        else:
            failed.add((unit, choice))


def _exchanged(problem: Problem, trail: Trail, current: Point, rise: list[list[float]]) -> Point | None:
    """Return a cheaper point with one unit lower and another higher; None when the likeliest ones fail."""
    ranked = []
    for unit, choice in _steps(problem, current.assignment):
        lower = _replaced(current.assignment, unit, choice)
        if problem.cost(lower) >= current.cost:
            continue
        for other, up in _steps(problem, lower):
            both = _replaced(lower, other, up)
            saves = problem.cost(lower) < problem.cost(both) < current.cost
            if other != unit and saves and both not in trail.points:
                predicted = sum(rise[u][c] for u, c in enumerate(both))
                ranked.append((predicted, problem.cost(both), both))
    for *_, assignment in sorted(ranked)[: 2 * len(problem.choices)]:
        point = trail(assignment)
        if point.feasible:
            return point
    return None
