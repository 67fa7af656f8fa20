"""The float32 cells that a reader needs beside rounded ones, added where a grid does not name them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from precision.grid.plan.cell import Cell
from precision.grid.plan.unrounded import needs_baseline, unrounded
from precision.trial import FLOAT32, Trial

Labels = tuple[Any, ...]


def add_controls(
    cells: dict[Labels, Cell],
    baseline: str,
    included: Collection[Labels],
    excluded: Callable[[Cell], bool],
) -> None:
    """Add the float32 trainings that cells are compared with, and the baselines before them.

    Args:
        cells: of a grid, by their labels; changed in place.
        baseline: the policy that others are compared with; without rounding.
        included: labels of the cells that ``include`` names, whatever is excluded.
        excluded: whether the grid leaves a cell out.
    """
    trials = {cell.trial.id for cell in cells.values() if cell.policy == baseline}
    for cell in list(cells.values()):
        for beside in _beside(cell, baseline):
            there = beside.labels in cells or (not beside.control and beside.trial.id in trials)
            if not there and (cell.labels in included or not excluded(beside)):
                cells[beside.labels] = beside


def _beside(cell: Cell, baseline: str) -> list[Cell]:
    """Return the cell that a rounded one is compared with, and the one that both go on from, if any."""
    trial = cell.trial
    if not cell.control or not trial.policy:
        return []
    control = trial.baseline.continued(unrounded(trial.method))
    found = [_float32(cell, baseline, cell.method, control, cell.control)]
    if needs_baseline(trial):
        found.append(_float32(cell, baseline, FLOAT32.name, trial.baseline, ""))
    return found


def _float32(cell: Cell, policy: str, method: str, trial: Trial, control: str) -> Cell:
    repeats = tuple(trial.repeated(number) for number in range(1, len(cell.repeats) + 1))
    return replace(cell, policy=policy, method=method, trial=trial, repeats=repeats, control=control)
