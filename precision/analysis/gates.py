"""Gates: what cells of a grid have to reach, and which of them do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from precision.analysis.columns import UNRUN
from precision.analysis.evidence import within
from precision.analysis.selected import PLACE, Selected, cell_name
from precision.tasks import Task, named


@dataclass(frozen=True)
class Gate(Selected):
    """A requirement of a grid file, see ``grid.file.report.Requirement``.

    >>> from precision.analysis.gates import Gate
    >>> str(Gate(policy=["fixed8"], max_loss=1.0, shown=True))
    'policy fixed8: max_loss 1, shown'
    """

    min_accuracy: float | None = None
    max_rmse: float | None = None
    max_loss: float | None = None
    max_drop: float | None = None
    shown: bool = False

    def __str__(self) -> str:
        limits = ("min_accuracy", "max_rmse", "max_loss", "max_drop")
        asked = [f"{name} {value:g}" for name in limits if (value := getattr(self, name)) is not None]
        asked += ["shown"] if self.shown else []
        return f"{self.words() or 'every cell'}: {', '.join(asked)}"


@dataclass(frozen=True)
class Broken:
    """A gate that a cell does not pass.

    Attributes:
        gate: in words.
        cell: its labels.
        why: what it has instead.
    """

    gate: str
    cell: str
    why: str

    def __str__(self) -> str:
        return f"{self.cell}: {self.why} (required: {self.gate})"


def broken(
    gates: Iterable[Gate], summary: pd.DataFrame, baseline: str, drops: pd.DataFrame | None = None
) -> list[Broken]:
    """Return every gate that a cell does not pass; a cell that was skipped is not asked.

    Args:
        summary: of ``Results.summary``.
        baseline: the policy that is asked of no loss.
        drops: of two runs, for ``max_drop``: the cells with the same labels, and the columns of the summary
            of their difference to the other run; without it no drop is asked of.
    """
    found = []
    rows = summary.to_dict("records")
    others = {} if drops is None else {tuple(row[k] for k in PLACE): row for row in drops.to_dict("records")}
    for gate in gates:
        for row in rows:
            if not gate.admits(row) or row["status"] == "skipped":
                continue
            cell, drop = cell_name(row), others.get(tuple(row[key] for key in PLACE))
            found += [Broken(str(gate), cell, why) for why in _faults(gate, row, baseline, drop)]
    return found


def _faults(
    gate: Gate, row: Mapping[Hashable, Any], baseline: str, drop: Mapping[Hashable, Any] | None
) -> list[str]:
    """Return what keeps a cell from passing a gate, in words."""
    if row["n"] == 0:
        return [f"no result ({row['status']})"]
    incomplete = ["failed", "pending"] if row["status"] not in UNRUN else []
    faults = [f"{row[name]} of its seeds {name}" for name in incomplete if row[name]]
    task = named(row["task"])
    score = row[f"{task.score}_mean"]
    least, most = gate.min_accuracy, gate.max_rmse
    if least is not None and not task.relative and round(100 * score, 9) < least:
        faults.append(f"accuracy {100 * score:.2f} % is below {least:g} %")
    if most is not None and task.relative and score > most:
        faults.append(f"RMSE {score:.4g} is above {most:g}")
    if gate.max_loss is not None and row["policy"] != baseline:
        faults += _lost(row, task, gate.max_loss, gate.shown, f"against {baseline}")
    if gate.max_drop is not None and drop is not None:
        faults += _lost(drop, task, gate.max_drop, gate.shown, "against the other results")
    return faults


def _lost(row: Mapping[Hashable, Any], task: Task, limit: float, shown: bool, against: str) -> list[str]:
    """Return why a difference is more than a limit, or not shown to be less."""
    mean = row[f"{task.difference}_mean"]
    unit = "%" if task.relative else "points"
    if pd.isna(mean):
        return [f"no difference {against} is known"]
    if not within(mean, limit, task):
        return [f"loses {task.loss_of(mean):.2f} {unit} {against}, more than {limit:g}"]
    worst = row[task.worst]
    if shown and not within(worst, limit, task):
        most = "an unknown loss" if pd.isna(worst) else f"{task.loss_of(worst):.2f} {unit}"
        return [f"may lose {most} {against}, more than {limit:g} is not excluded"]
    return []
