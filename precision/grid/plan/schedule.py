"""The order in which trials run."""

from __future__ import annotations

from collections.abc import Iterable

from precision.grid.plan.cell import Cell
from precision.grid.plan.unrounded import needs_baseline
from precision.trial import Trial


def schedule(cells: Iterable[Cell]) -> list[Trial]:
    """Return the trials behind cells, each once and each after the baseline that it starts from.

    Trials of one data set and architecture stand together, so that a worker meets them warm.

    >>> from precision.grid import expand, load_grid, schedule
    >>> [trial.method.name for trial in schedule(expand(*load_grid("grid.yaml")))]
    ['float32', 'ptq', 'ptq', 'float32', 'ptq', 'ptq']
    """
    groups: dict[tuple[str, str], dict[str, Trial]] = {}
    for trial in (trial for cell in cells for trial in cell.trials()):
        group = groups.setdefault((trial.dataset.text, trial.architecture.text), {})
        if needs_baseline(trial):
            group.setdefault(trial.baseline.id, trial.baseline)
        group.setdefault(trial.id, trial)
    ordered: list[Trial] = []
    for group in groups.values():  # one baseline after another, so that each is loaded once
        ranks: dict[str, int] = {}
        for trial in group.values():
            ranks.setdefault(trial.baseline.id, len(ranks))
        ordered += sorted(group.values(), key=lambda trial: ranks[trial.baseline.id])
    return ordered
