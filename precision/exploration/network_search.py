"""Search one network: evaluations are stored as they come, and what was found is checked on other images."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console

from precision.analysis.search import SEARCH_COLUMNS, Found
from precision.data import Dataset
from precision.exploration.assignment import Assignments, alike
from precision.exploration.baselines import Network
from precision.exploration.evaluator import Evaluator
from precision.exploration.greedy import greedy
from precision.exploration.journal import Journal, Row
from precision.exploration.nsga2 import nsga2
from precision.exploration.options import SearchOptions
from precision.exploration.problem import Assignment, Point, Problem, Score, Trail
from precision.grid import Store
from precision.grid.execution.provenance import provenance
from precision.grid.progress.steps import Steps
from precision.measure.counted.energy_table import EnergyTable
from precision.measure.machine.environment import together
from precision.methods.workbench import Workbench
from precision.quantization import Policy

VERSION = 1  # raised by hand when a change of the code changes the numbers
_WORST = 1e6  # as a share: a rise of the RMSE beyond which nothing is worse
_STREAM = 0x5EA7C4  # sets the choice of images apart from all other random numbers


class Search:
    """The search of one network, all its seeds at once.

    Args:
        network: with the policies that are the choices of every unit.
        label: a name for the policy to be found.
        table: energies of operations, from which the energy is modelled.
    """

    def __init__(
        self,
        network: Network,
        label: str,
        settings: SearchOptions,
        bench: Workbench,
        store: Store,
        table: EnergyTable,
    ) -> None:
        self._network, self._label, self._settings, self._store = network, label, settings, store
        self._labels = (network.dataset, network.architecture, network.training)
        first, trial = next(iter(network.trials.items()))
        dataset = bench.dataset(trial.dataset)
        deciding, checking = _parts(dataset, settings.images)
        self._evaluators = {
            part: Evaluator(
                bench, network.trials, dataset.x_train[chosen], dataset.y_train[chosen], task=dataset.asks
            )
            for part, chosen in (("deciding", deciding), ("checking", checking))
            if len(chosen)
        }
        self._counts = {"deciding": len(deciding), "checking": len(checking)}
        source = self._evaluators["deciding"].source(first, alike(network.policies))
        self._assignments = Assignments(source, network.policies, table)
        self._task = dataset.asks
        self._rows: dict[str, Row] = {}
        self._journal: Journal | None = None

    def run(self, console: Console) -> Found:
        """Search, and return what was found."""
        about = {
            "version": VERSION,
            "trials": {str(seed): trial.id for seed, trial in self._network.trials.items()},
            "images": self._settings.images,
            "plugins": {
                k: v for policy in self._network.policies.values() for k, v in policy.plugins().items()
            },
        }
        first, *_ = trials = list(self._network.trials.values())
        more = {
            "content": [trial.to_json() for trial in trials],
            "environment": together([provenance(first)]),
        }
        with Journal(self._store.root, "search", about, more) as self._journal:
            self._rows = {row["key"]: row for row in self._journal.rows}
            return self._found(console)

    def _found(self, console: Console) -> Found:
        settings, assignments = self._settings, self._assignments
        float32 = self._score(None, "deciding")
        cost = assignments.cost(settings.objective)
        problem = Problem(
            choices=(len(assignments.labels),) * len(assignments.units),
            evaluate=lambda assignment: self._score(assignment, "deciding"),
            cost=cost,
            # A loss of exactly the tolerance is within it, whatever the last binary digit says.
            least_accuracy=float32.accuracy - settings.tolerance / 100 - 1e-12,
            uniform=assignments.uniform,
        )
        with Steps(_expected(problem, settings), console) as steps:
            trail = Trail(problem, settings.limit, self._watch(steps, float32))
            if settings.method == "greedy":
                chosen = greedy(problem, trail)
            else:
                chosen = nsga2(problem, trail, settings.seed)
            suffice = [p for p in map(trail.points.get, assignments.uniform) if p is not None and p.feasible]
            uniform = min(suffice, key=lambda point: (point.cost, point.score.error), default=None)
            checks = self._checks(chosen, uniform)
        return Found(
            title=", ".join(part for part in self._labels if part),
            frame=self._frame(trail, float32, chosen),
            label=self._label,
            policy=assignments.policy(chosen.assignment).to_json() if chosen else None,
            units=tuple(assignments.rows(chosen.assignment)) if chosen else (),
            uniform=assignments.labels[uniform.assignment[0]] if uniform else "",
            checks=checks,
            check_images=self._counts["checking"],
            missing=self._network.missing,
            environment=self._journal.about.get("environment", {}) if self._journal else {},
        )

    def _watch(self, steps: Steps, float32: Score) -> Callable[[Point], None]:
        def watch(point: Point) -> None:
            change = self._task.sign * (point.score.accuracy - float32.accuracy)
            steps.step(f"{self._network.name}: cost {point.cost:,.0f}, {self._task.changed(change)}")

        return watch

    def _checks(self, chosen: Point | None, uniform: Point | None) -> dict[str, float]:
        """Return scores on the images that were not used for the choice."""
        if not self._counts["checking"]:
            return {}
        points = {"float32": None, "found": chosen, "uniform": uniform}
        return {
            name: self._value(point.assignment if point else None, "checking")
            for name, point in points.items()
            if point or name == "float32"
        }

    def _score(self, assignment: Assignment | None, part: str) -> Score:
        """Return what the search compares, see ``Score``, of a part of the images; None is float32."""
        value, loss = self._value(assignment, part), float(np.mean(self._row(assignment, part)["loss"]))
        if not self._task.relative:
            return Score(value, loss)
        exact = self._value(None, part)
        rise = self._task.differs(value, exact) if exact else 0.0 if value == exact else _WORST
        return Score(1 - min(rise, _WORST), loss)

    def _value(self, assignment: Assignment | None, part: str) -> float:
        """Return the mean score over seeds."""
        return float(np.mean(self._row(assignment, part)[self._task.score]))

    def _row(self, assignment: Assignment | None, part: str) -> Row:
        """Return scores and losses of each seed, evaluated where they are not stored."""
        policy = Policy() if assignment is None else self._assignments.policy(assignment)
        content = json.dumps({"part": part, "policy": policy.to_json()}, sort_keys=True)
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        if key not in self._rows:
            evaluator = self._evaluators[part]
            judged = []
            for seed in self._network.trials:
                if assignment is None:
                    judged.append(evaluator.judged(evaluator.reference(seed)))
                else:
                    judged.append(evaluator.judged(evaluator.logits(evaluator.model(seed, policy))))
            row: Row = {
                "key": key,
                "part": part,
                "assignment": "" if assignment is None else self._assignments.text(assignment),
                self._task.score: [one.metrics[self._task.score] for one in judged],
                "loss": [one.loss for one in judged],
            }
            assert self._journal is not None
            self._journal.append(row)
            self._rows[key] = row
        return self._rows[key]

    def _frame(self, trail: Trail, float32: Score, chosen: Point | None) -> pd.DataFrame:
        assignments, front = self._assignments, {point.assignment for point in trail.front}
        labels = dict(zip(("dataset", "architecture", "training"), self._labels, strict=True))
        rows, task = [], self._task
        for point in sorted(trail.points.values(), key=lambda p: (p.cost, p.score.error)):
            same = len(set(point.assignment)) == 1 and point.assignment in assignments.uniform
            rows.append(
                {
                    **labels,
                    "policy": assignments.labels[point.assignment[0]] if same else "",
                    "assignment": assignments.text(point.assignment),
                    "weight_bytes": int(assignments.bytes(point.assignment)),
                    "peak_activation_bytes": assignments.activations(point.assignment)
                    if assignments.counted
                    else None,
                    "bops": assignments.bops(point.assignment) if assignments.counted else math.nan,
                    "energy_pj": assignments.energy(point.assignment) if assignments.counted else math.nan,
                    "task": task.name,
                    task.score: self._value(point.assignment, "deciding"),
                    task.baseline: self._value(None, "deciding"),
                    task.lost: 100 * (float32.accuracy - point.score.accuracy),
                    "loss": point.score.loss,
                    "baseline_loss": float32.loss,
                    "images": self._counts["deciding"],
                    "seeds": len(self._network.trials),
                    "feasible": point.feasible,
                    "front": point.assignment in front,
                    "chosen": chosen is not None and point.assignment == chosen.assignment,
                }
            )
        return pd.DataFrame(rows, columns=list(SEARCH_COLUMNS))


def _parts(dataset: Dataset, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which training images decide and which check: drawn once, the same in every search."""
    order = np.random.default_rng(_STREAM).permutation(len(dataset.x_train))
    return order[:images], order[images : 2 * images]


def _expected(problem: Problem, settings: SearchOptions) -> int:
    """Return about how many evaluations a search takes."""
    units, choices = len(problem.choices), problem.choices[0]
    greedily = choices + units * (choices - 1) + 4 * units
    return min(problem.assignments, greedily if settings.limit is None else settings.limit)
