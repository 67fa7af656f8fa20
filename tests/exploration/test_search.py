"""The searches against the enumeration of every assignment, on problems small enough for that."""

import itertools
import sys

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.exploration.greedy import greedy
from precision.exploration.nsga2 import nsga2
from precision.exploration.problem import Problem, Score, Trail

BITS = [8, 6, 5, 4, 3, 2]


def separable(seed, units=5):
    """Each unit costs its bits times its size, and each choice lowers the accuracy on its own.

    The losses halve with every bit, as the power of rounding errors does twice as fast.
    """
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 100, units)
    scale = random.uniform(0.01, 1, units)

    def drop(a):
        return sum(scale[u] * 2.0 ** -BITS[c] for u, c in enumerate(a))

    return drop, lambda a: float(sum(sizes[u] * BITS[c] for u, c in enumerate(a)))


def coupled(seed, units=4):
    """Neighbours that are both narrow cost more than the sum; the cost has products of neighbours too."""
    drop, cost = separable(seed, units)
    random = np.random.default_rng(1000 + seed)
    couple = random.uniform(-0.5, 1.5, units - 1)

    def drops(a):
        pairs = zip(couple, itertools.pairwise(a), strict=True)
        return drop(a) + sum(k * 2.0 ** -((BITS[c] + BITS[d]) / 2) * 0.2 for k, (c, d) in pairs)

    def costs(a):
        return cost(a) + sum(BITS[c] * BITS[d] for c, d in itertools.pairwise(a))

    return drops, costs


def problem(drop, cost, units, tolerance):
    calls = []

    def evaluate(a):
        calls.append(a)
        return Score(accuracy=1 - drop(a), loss=10 * drop(a))

    uniform = tuple((c,) * units for c in range(len(BITS)))
    return Problem((len(BITS),) * units, evaluate, cost, 1 - tolerance, uniform), calls


def everything(made):
    """The least cost that suffices, and the front, from all assignments."""
    trail = Trail(made)
    for assignment in itertools.product(*map(range, made.choices)):
        trail(assignment)
    return trail.best, {(p.cost, p.score.error) for p in trail.front}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("tolerance", [0.02, 0.1])
def test_greedy_comes_near_the_best_of_separable_problems(seed, tolerance):
    made, calls = problem(*separable(seed), 5, tolerance)
    trail = Trail(made)
    found = greedy(made, trail)
    assert found.score.accuracy >= made.least_accuracy
    assert len(calls) == len(set(calls)) == len(trail.points) < 200  # of 7776
    best, _ = everything(made)
    assert best.cost <= found.cost <= 1.03 * best.cost
    uniform = [p for p in map(trail, made.uniform) if p.feasible]
    assert found.cost <= min(p.cost for p in uniform)


@pytest.mark.parametrize("seed", range(8))
def test_greedy_comes_near_the_best_of_coupled_problems(seed):
    made, _ = problem(*coupled(seed), 4, 0.05)
    found = greedy(made, Trail(made))
    best, _ = everything(made)
    assert found.feasible
    assert best.cost <= found.cost <= 1.05 * best.cost


def test_greedy_undoes_a_step_that_its_prediction_called_harmless():
    """Alone each of two units may be narrow; together they break the network, which no single trial shows."""

    def drop(a):
        return 0.5 if a == (1, 1) else 0.0

    made = Problem(
        (2, 2), lambda a: Score(1 - drop(a), drop(a)), lambda a: 10.0 - 3 * a[0] - 2 * a[1], 0.99, ((0, 0),)
    )
    trail = Trail(made)
    assert greedy(made, trail).assignment == (1, 0)
    assert (1, 1) in trail.points


def test_an_exchange_undoes_a_step_that_was_too_greedy():
    """Unit 0 at its narrowest has the best ratio, and leaves no room for unit 1, which would save more."""
    costs, losses = ((20, 11, 10), (20, 12)), ((0, 0.052, 0.055), (0, 0.05))

    def drop(a):
        return losses[0][a[0]] + losses[1][a[1]]

    made = Problem(
        (3, 2),
        lambda a: Score(1 - drop(a), drop(a)),
        lambda a: costs[0][a[0]] + costs[1][a[1]],
        0.897,
        ((0, 0),),
    )
    trail = Trail(made)
    found = greedy(made, trail)
    assert not trail.points[2, 1].feasible  # where single steps end
    assert found.assignment == (1, 1) == everything(made)[0].assignment


def test_choices_without_a_finite_loss_are_tried_last():
    """A choice whose logits overflow has no loss; the others are compared as before."""
    costs = (4.0, 3.0, 2.0, 1.0)

    def score(a):
        bad = a[0] == 3 or a[1] >= 2
        return Score(0.1 if bad else 1.0, float("nan") if bad else 0.1 * sum(a))

    made = Problem((4, 4), score, lambda a: costs[a[0]] + costs[a[1]], 0.5, ((0, 0), (3, 3)))
    trail = Trail(made)
    assert greedy(made, trail).assignment == (2, 1)


def test_of_two_formats_of_one_size_the_better_one_is_taken():
    losses = ((0.0, 0.3, 0.1), (0.0, 0.1, 0.3))

    def score(a):
        loss = losses[0][a[0]] + losses[1][a[1]]
        return Score(1 - loss / 10, loss)

    made = Problem(
        (3, 3), score, lambda a: sum(2.0 if c == 0 else 1.0 for c in a), 0.9, ((0, 0), (1, 1), (2, 2))
    )
    assert greedy(made, Trail(made)).assignment == (2, 1)


@pytest.mark.parametrize("method", [greedy, lambda made, trail: nsga2(made, trail, 0)])
def test_what_cannot_be_met_is_none(method):
    made, _ = problem(*separable(0), 5, -0.5)
    assert method(made, Trail(made, 20)) is None


@pytest.mark.parametrize("trials", [7, 20, 41])
def test_searches_keep_to_their_trials(trials):
    for method in (greedy, lambda made, trail: nsga2(made, trail, 1)):
        made, calls = problem(*separable(3), 5, 0.05)
        found = method(made, Trail(made, trials))
        assert len(calls) <= trials
        assert found is not None and found.feasible


def volume(points, corner):
    """The area between points (cost, error) and a corner that all of them beat."""
    area, ceiling = 0.0, corner[1]
    for cost, error in sorted(points):
        if error < ceiling:
            area += (corner[0] - cost) * (ceiling - error)
            ceiling = error
    return area


@pytest.mark.parametrize("make", [separable, coupled])
@pytest.mark.parametrize("seed", range(3))
def test_nsga2_finds_nearly_the_whole_front(make, seed):
    made, _ = problem(*make(seed, 4), 4, 0.1)  # 1296 assignments
    trail = Trail(made, 200)
    found = nsga2(made, trail, seed)
    best, front = everything(made)
    interest = 1 - made.least_accuracy
    ours = {(p.cost, p.score.error) for p in trail.front if p.score.error <= interest}
    front = {(cost, error) for cost, error in front if error <= interest}
    corner = (max(c for c, _ in front), interest)
    assert volume(ours, corner) >= 0.95 * volume(front, corner)
    assert best.cost <= found.cost <= 1.13 * best.cost


@pytest.mark.parametrize("seed", range(3))
def test_nsga2_beats_the_uniform_formats_and_drawing_at_random(seed):
    made, _ = problem(*coupled(seed, 9), 9, 0.05)  # ten million assignments
    trail, drawn = Trail(made, 300), Trail(made, 300)
    found = nsga2(made, trail, seed)
    random = np.random.default_rng(seed)
    for assignment in (*made.uniform, *random.integers(0, len(BITS), (294, 9)).tolist()):
        drawn(tuple(assignment))
    assert found.cost < 0.9 * drawn.best.cost


def test_nsga2_repeats_itself():
    def order(seed):
        made, calls = problem(*coupled(2), 4, 0.05)
        nsga2(made, Trail(made, 60), seed)
        return calls[:60]

    assert order(7) == order(7)
    assert order(7) != order(8)


def test_nsga2_ends_when_everything_is_evaluated():
    made = Problem((2, 2), lambda a: Score(1.0, 0.0), lambda a: 1.0 + sum(a), 0.5, ((0, 0),))
    trail = Trail(made, 1000)
    assert nsga2(made, trail, 0).assignment == (0, 0)
    assert len(trail.points) <= 4


def test_without_optuna(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    made, _ = problem(*separable(0), 5, 0.1)
    with pytest.raises(PrecisionError, match=r"needs optuna.*precision\[search\].*--method greedy"):
        nsga2(made, Trail(made, 10), 0)


def test_a_score_without_a_number_is_the_worst():
    assert Score(0.5, float("nan")).error > Score(0.5, 2.0).error
    assert Score(0.5, float("inf")).error > Score(0.5, 2.0).error
    assert Score(0.6, float("inf")).error < Score(0.5, 0.1).error


def test_the_front_of_a_few_points():
    scores = {(0,): Score(0.9, 1), (1,): Score(0.8, 1), (2,): Score(0.85, 1), (3,): Score(0.9, 2)}
    costs = {(0,): 4.0, (1,): 1.0, (2,): 2.0, (3,): 3.0}
    trail = Trail(Problem((4,), scores.__getitem__, costs.__getitem__, 0.85, ()))
    for assignment in scores:
        trail(assignment)
    assert [p.assignment for p in trail.front] == [(1,), (2,), (3,), (0,)]
    assert trail.best.assignment == (2,)
