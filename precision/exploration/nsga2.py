"""Search for the whole trade between cost and accuracy: NSGA-II as optuna has it.

K. Deb, A. Pratap, S. Agarwal, T. Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 6(2).
"""

from __future__ import annotations

from typing import Any

from precision.errors import PrecisionError
from precision.exploration.problem import OutOfTrials, Point, Problem, Trail

POPULATION = 16
PENALTY = 1e9  # per fraction of accuracy missed
# Children are often what has been evaluated already: so many are asked for per evaluation, at most.
PATIENCE = 30


def nsga2(problem: Problem, trail: Trail, seed: int) -> Point | None:
    """Return the cheapest assignment found whose accuracy suffices; the trail then has the whole front.

    Cost and error are minimised at once. What is not accurate enough is beaten by everything that is,
    and among its like by the more accurate (the constrained domination of the paper): formats much too narrow
    would otherwise fill the front. The first generation contains the starts of the problem.

    Args:
        trail: takes every evaluation; its ``trials`` end the search.
        seed: of every random choice; equal seeds make equal searches.

    Raises:
        PrecisionError: when optuna is not installed.
    """
    optuna = _optuna()
    trials = min(trail.trials or problem.assignments, problem.assignments)
    sampler = optuna.samplers.NSGAIISampler(population_size=min(POPULATION, max(2, trials)), seed=seed)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        for start in problem.uniform:
            study.enqueue_trial({_name(unit): choice for unit, choice in enumerate(start)})
        for _ in range(PATIENCE * trials):
            if len(trail.points) >= trials:
                break
            asked = study.ask()
            assignment = tuple(
                asked.suggest_int(_name(unit), 0, number - 1) for unit, number in enumerate(problem.choices)
            )
            point = trail(assignment)
            missed = max(0.0, problem.least_accuracy - point.score.accuracy)
            study.tell(asked, [value + PENALTY * missed for value in (point.cost, point.score.error)])
    except OutOfTrials:
        pass
    finally:
        optuna.logging.set_verbosity(before)
    return trail.best


def _name(unit: int) -> str:
    return f"unit{unit}"


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise PrecisionError(
            f"--method nsga2 needs optuna, which cannot be imported ({error}); install it with "
            "pip install 'precision[search]', or take --method greedy"
        ) from None
    return optuna
