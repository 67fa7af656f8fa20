"""The order in which trials run."""

from __future__ import annotations

from collections.abc import Iterable

from precision.grid.expression.cell import Cell
from precision.grid.expression.expand import BASELINE
from precision.registry import METHODS
from precision.trial import Trial


def needs_baseline(trial: Trial) -> bool:
    """Return whether a trial starts from the trained float32 network.

    A method says so by its option ``start``; one without it always does.
    """
    if trial.method == BASELINE:
        return False
    option = METHODS.options(trial.method.name).get("start")
    start = trial.method.options.get("start", "baseline" if option is None else option.default)
    return bool(start == "baseline")


def schedule(cells: Iterable[Cell]) -> list[Trial]:
    """Return the trials behind cells, each once and each after the baseline that it starts from.

    Trials of one data set and architecture stand together, so that a worker meets them warm.
    """
    groups: dict[tuple[str, str], dict[str, Trial]] = {}
    for trial in (trial for cell in cells for trial in cell.trials()):
        group = groups.setdefault((repr(trial.dataset), repr(trial.architecture)), {})
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
