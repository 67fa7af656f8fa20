"""Runs aggregated over seeds: one row per cell (summary), or architectures by policies (pivot)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from precision.analysis.columns import ALONE, CELL, CHANGED, COLUMNS, OPTIONAL, SUMMARY_COLUMNS, UNRUN
from precision.analysis.differences import Block, rows_of
from precision.analysis.seeds import Combined, combined
from precision.analysis.statistics import estimate
from precision.metrics import METRICS, Statistic
from precision.tasks import TASKS, Task, of_all

_SCORED = tuple({task.score: task for task in TASKS.values()}.values())
_OF_PIVOT = (*CELL, "control", "status")
GROUP = ["dataset", "architecture", "policy", "method", "training"]


def outcome(statuses: Iterable[str]) -> str:
    """Return ``ok`` if any run is, otherwise the most frequent way to fail, or else skipped or pending."""
    counts = Counter(statuses)
    if "ok" in counts:
        return "ok"
    ended = {status: number for status, number in counts.items() if status not in UNRUN}
    if not ended:
        return next((status for status in UNRUN if status in counts), "")
    return max(ended, key=lambda status: ended[status])


def _first(column: np.ndarray) -> Any:
    """Return the first known value: for columns that are the same in every seed of a cell."""
    return next((value for value in column if pd.notna(value) and value != ""), None)


class _Runs:
    """The runs of one cell, all its seeds: its columns as arrays, of all or of those that are ok."""

    def __init__(self, columns: Mapping[str, np.ndarray], rows: np.ndarray) -> None:
        self._columns, self._rows = columns, rows
        self._ok = rows[columns["status"][rows] == "ok"]

    def all(self, name: str) -> np.ndarray:
        """Return a column of every run."""
        return self._columns[name][self._rows]

    def ok(self, name: str) -> np.ndarray:
        """Return a column of the runs that are ok."""
        return self._columns[name][self._ok]


def _columns_of(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of a frame as arrays: numbers as float64, NaN where there is none."""
    return {
        name: frame[name].to_numpy("float64", na_value=np.nan)
        if COLUMNS[name].dtype in ("Int64", "float64")
        else frame[name].to_numpy(object)
        for name in COLUMNS
    }


def _summarised(runs: _Runs) -> dict[str, Any]:
    """Return the row of the summary for the runs of one cell."""
    statuses, task = list(runs.all("status")), of_all(runs.all("task"))
    machines = list(dict.fromkeys(runs.ok("machine")))
    row = {
        "task": _first(runs.all("task")),
        "n": estimate(runs.ok(task.score)).n,
        "failed": sum(status not in ("ok", *UNRUN) for status in statuses),
        "skipped": statuses.count("skipped"),
        "pending": statuses.count("pending"),
        "status": outcome(statuses),
        "test_images": _first(runs.all("test_images")),
        "pairs": estimate(runs.ok(task.difference)).n,
        "control": _first(runs.all("control")),
        "timing": _first(runs.all("timing")),
        "machine": "several" if len(machines) > 1 else "".join(machines),
        CHANGED: estimate(runs.ok(CHANGED)).mean,
        ALONE: estimate(runs.ok(ALONE)).mean,
        "pareto": False,
        "shown": False,
        "verdict": "",
    }
    for one in _SCORED:
        row |= _paired(runs, one, row["test_images"])
    for metric in METRICS.values():
        comparable = len(machines) == 1 or not metric.of_machine
        for statistic in metric.summary:
            row[metric.column_of(statistic)] = _statistic(runs, metric.name, statistic, comparable)
    return row


def _paired(runs: _Runs, task: Task, images: float | None) -> dict[str, float]:
    """Return what compares the score of a task with that of the baseline."""
    differences = runs.ok(task.difference)
    known = ~np.isnan(differences)
    differences, shared = differences[known], runs.ok(task.shared)[known]
    if len(differences) == 1:
        error = float(runs.ok(task.error)[known][0])
        freedom = math.nan if images is None or math.isnan(error) else images - 1
        found = Combined(float(differences[0]), error, freedom)
        half, ends = math.nan, tuple(float(runs.ok(name)[known][0]) for name in task.ends)
    else:
        common = float(shared.mean()) if len(shared) else math.nan  # NaN where one is
        found = combined(differences, common, math.inf if images is None else images)
        half = found.half() if len(differences) > 1 else math.nan
        ends = (found.mean - half, found.mean + half)
    return {
        f"{task.difference}_mean": found.mean,
        f"{task.difference}_ci95": half,
        **dict(zip(task.ends, ends, strict=True)),
        task.error: found.error,
        task.freedom: found.freedom,
        f"{task.untouched}_mean": estimate(runs.all(task.untouched)).mean,
    }


def _statistic(runs: _Runs, name: str, statistic: Statistic, comparable: bool) -> float | None:
    """Return a statistic of one column over the seeds; None where there is none.

    Args:
        comparable: whether the values may be put together in a mean.
    """
    if statistic == "first":
        return _first(runs.all(name))
    if statistic == "largest":
        known = runs.ok(name)
        return float(np.nanmax(known)) if not np.isnan(known).all() else None
    return getattr(estimate(runs.ok(name)), statistic) if comparable else None


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per (dataset, architecture, policy, method, training) with ``SUMMARY_COLUMNS``.

    Takes a frame from ``with_differences``. Means are over the runs that are ok; the number of others
    stands in ``failed`` and ``pending``. Rows keep the order of the grid.

    >>> import precision
    >>> from precision.analysis import summary
    >>> summary(precision.load_results("grid.yaml"))[["policy", "n"]].values.tolist()
    [['float32', 2], ['fixed8', 2], ['fixed4', 2]]
    """
    frame = with_tasks(frame)
    columns = _columns_of(frame)
    cells: dict[Any, Any] = frame.groupby(GROUP, sort=False).indices
    order = sorted(cells, key=lambda key: cells[key][0])
    rows = [dict(zip(GROUP, key, strict=True)) | _summarised(_Runs(columns, cells[key])) for key in order]
    table = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    for name, column in SUMMARY_COLUMNS.items():
        if column.dtype == "str":
            table[name] = table[name].fillna("").astype("str")
        else:
            table[name] = table[name].astype(column.dtype)
    for _, same in table.groupby(["dataset", "architecture", "method", "training"], sort=False):
        task = of_all(same["task"])
        gains = same.assign(gain=task.sign * same[f"{task.score}_mean"])
        table.loc[same.index, "pareto"] = pareto_front(gains, "weight_bytes", "gain")
    return table


def with_tasks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the columns of every task, of which one may have none."""
    missing = [name for name in OPTIONAL if name not in frame]
    return frame.assign(**{name: "" if COLUMNS[name].dtype == "str" else np.nan for name in missing})


def pivot(
    frame: pd.DataFrame,
    value: str,
    *,
    dataset: str,
    method: str,
    training: str = "",
    baseline: str = "float32",
) -> pd.DataFrame:
    """Return one table: architectures as rows, policies as columns, both in grid order.

    Each policy has the columns ``mean``, ``n``, ``std``, ``ci95`` (half width of the 95 % t-interval),
    ``failed`` and ``status``, so that ``table[policy].loc[architecture]`` is one cell. A cell that the
    grid does not have has ``status`` empty. The baseline policy is always a column if it was run.

    Args:
        frame: rows of results; only runs that are ok enter the numbers.
        value: the column to aggregate over seeds.
        dataset: which dataset.
        method: which method; the baseline run under another method is included.
        training: which training.
        baseline: the policy that the others are compared with.

    >>> import precision
    >>> from precision.analysis import pivot
    >>> frame = precision.load_results("grid.yaml")
    >>> table = pivot(frame, "accuracy", dataset="digits", method="ptq")
    >>> table["fixed8"].loc["mlp", "mean"].round(2).item()
    0.96
    """
    frame = frame[list(dict.fromkeys([*(n for n in _OF_PIVOT if n in frame), value]))]
    rows = rows_of(frame, Block(dataset, training, method), baseline)
    rows = rows[["architecture", "policy", "status", value]]
    architectures = [name for name in frame["architecture"].unique() if (rows["architecture"] == name).any()]
    policies = [name for name in frame["policy"].unique() if (rows["policy"] == name).any()]
    cells = rows.groupby(["architecture", "policy"], sort=False).indices
    statuses, values = rows["status"].to_numpy(object), rows[value].to_numpy("float64", na_value=np.nan)
    nothing = np.zeros(0, np.intp)
    columns: dict[tuple[str, str], list[Any]] = {}
    for policy in policies:
        found = [cells.get((name, policy), nothing) for name in architectures]
        estimates = [estimate(values[cell][statuses[cell] == "ok"]) for cell in found]
        for statistic in ("mean", "n", "std", "ci95"):
            columns[policy, statistic] = [getattr(item, statistic) for item in estimates]
        columns[policy, "failed"] = [
            sum(status not in ("ok", *UNRUN) for status in statuses[cell]) for cell in found
        ]
        columns[policy, "status"] = [outcome(statuses[cell]) for cell in found]
    table = pd.DataFrame(columns, index=pd.Index(architectures, name="architecture"))
    table.columns = pd.MultiIndex.from_tuples(columns, names=["policy", "statistic"])
    return table


def pareto_front(frame: pd.DataFrame, cost: str, gain: str) -> pd.Series:
    """Mark the rows that no other row beats: none costs as little and gains as much, and more in one.

    Rows that lack either value are not on the front.

    >>> import pandas as pd
    >>> from precision.analysis import pareto_front
    >>> frame = pd.DataFrame({"bits": [4, 8, 16], "accuracy": [0.5, 0.9, 0.9]})
    >>> pareto_front(frame, "bits", "accuracy").tolist()
    [True, True, False]
    """
    costs, gains = frame[cost].astype("float64"), frame[gain].astype("float64")
    front = []
    for own_cost, own_gain in zip(costs, gains, strict=True):
        as_good = (costs <= own_cost) & (gains >= own_gain)
        better = as_good & ((costs < own_cost) | (gains > own_gain))
        front.append(pd.notna(own_cost) and pd.notna(own_gain) and not better.any())
    return pd.Series(front, index=frame.index, dtype="bool")
