"""The order in which trials run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from precision.grid.plan.cell import Cell
from precision.registry import METHODS
from precision.trial import FLOAT32, Trial


def needs_baseline(trial: Trial) -> bool:
    """Return whether a trial starts from the trained float32 network.

    A method says so by its option ``start``; one without it always does.
    """
    if trial.method.name == FLOAT32.name:
        return False
    return bool(trial.method.options.get("start", _default_start(METHODS[trial.method.name])) == "baseline")


@functools.cache
def _default_start(method: Callable[..., Any]) -> Any:
    option = inspect.signature(method).parameters.get("start")
    return "baseline" if option is None else option.default


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
