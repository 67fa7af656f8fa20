"""Runs aggregated over seeds: one row per cell (summary), or architectures by policies (pivot)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from precision.analysis.columns import COLUMNS, OPTIONAL, SUMMARY_COLUMNS, UNRUN
from precision.analysis.differences import Block, rows_of
from precision.analysis.statistics import Estimate, estimate
from precision.metrics import METRICS, Statistic
from precision.tasks import TASKS, Task, of_all

GROUP = ["dataset", "architecture", "policy", "method", "training"]


def outcome(statuses: pd.Series) -> str:
    """Return ``ok`` if any run is, otherwise the most frequent way to fail, or else skipped or pending."""
    if (statuses == "ok").any():
        return "ok"
    ended = statuses[~statuses.isin(UNRUN)]
    if ended.empty:
        return next((status for status in UNRUN if (statuses == status).any()), "")
    counts = ended.value_counts(sort=False)
    return str(counts.idxmax())


def _first(column: pd.Series) -> Any:
    """Return the first known value: for columns that are the same in every seed of a cell."""
    return next((value for value in column if pd.notna(value) and value != ""), None)


def _summarised(cell: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the summary for the runs of one cell, all its seeds."""
    ok = cell[cell["status"] == "ok"]
    task = of_all(cell["task"])
    machines = ok["machine"].unique()
    row = {
        "task": _first(cell["task"]),
        "n": estimate(ok[task.score]).n,
        "failed": int((~cell["status"].isin(["ok", *UNRUN])).sum()),
        "skipped": int((cell["status"] == "skipped").sum()),
        "pending": int((cell["status"] == "pending").sum()),
        "status": outcome(cell["status"]),
        "test_images": _first(cell["test_images"]),
        "pairs": estimate(ok[task.difference]).n,
        "control": _first(cell["control"]),
        "timing": _first(cell["timing"]),
        "machine": "several" if len(machines) > 1 else "".join(machines),
        "pareto": False,
    }
    for one in TASKS.values():
        row |= _paired(cell, ok, one)
    for metric in METRICS.values():
        comparable = len(machines) == 1 or not metric.of_machine
        for statistic in metric.summary:
            row[metric.column_of(statistic)] = _statistic(cell, ok, metric.name, statistic, comparable)
    return row


def _paired(cell: pd.DataFrame, ok: pd.DataFrame, task: Task) -> dict[str, float]:
    """Return what compares the score of a task with that of the baseline."""
    difference = estimate(ok[task.difference])
    return {
        f"{task.difference}_mean": difference.mean,
        f"{task.difference}_ci95": difference.ci95,
        **_ends(ok, difference, task),
        f"{task.untouched}_mean": estimate(cell[task.untouched]).mean,
    }


def _ends(ok: pd.DataFrame, difference: Estimate, task: Task) -> dict[str, float]:
    """Return the interval of the difference: over the seeds, or of the only one over its test images."""
    if difference.n == 1:
        pair = ok[ok[task.difference].notna()].iloc[0]
        return {name: pair[name] for name in task.ends}
    ends = (difference.mean - difference.ci95, difference.mean + difference.ci95)
    return dict(zip(task.ends, ends, strict=True))


def _statistic(
    cell: pd.DataFrame, ok: pd.DataFrame, name: str, statistic: Statistic, comparable: bool
) -> float | None:
    """Return a statistic of one column over the seeds; None where there is none.

    Args:
        cell: all runs.
        ok: those with a result.
        comparable: whether the values may be put together in a mean.
    """
    if statistic == "first":
        return _first(cell[name])
    if statistic == "largest":
        return ok[name].max() if len(ok) else None
    return getattr(estimate(ok[name]), statistic) if comparable else None


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per (dataset, architecture, policy, method, training) with ``SUMMARY_COLUMNS``.

    Takes a frame from ``with_differences``. Means are over the runs that are ok; the number of others
    stands in ``failed`` and ``pending``. Rows keep the order of the grid.

    >>> import precision
    >>> from precision.analysis import summary
    >>> summary(precision.load_results("grid.yaml"))[["policy", "n"]].values.tolist()
    [['float32', 2], ['fixed8', 2], ['fixed4', 2]]
    """
    rows = []
    frame = with_tasks(frame)
    for key, cell in frame.groupby(GROUP, sort=False):
        rows.append(dict(zip(GROUP, key, strict=True)) | _summarised(cell))
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
    rows = rows_of(frame, Block(dataset, training, method), baseline)
    rows = rows[["architecture", "policy", "status", value]]
    architectures = [name for name in frame["architecture"].unique() if (rows["architecture"] == name).any()]
    policies = [name for name in frame["policy"].unique() if (rows["policy"] == name).any()]
    columns: dict[tuple[str, str], list[Any]] = {}
    for policy in policies:
        of_policy = rows[rows["policy"] == policy]
        cells = [of_policy[of_policy["architecture"] == name] for name in architectures]
        estimates = [estimate(cell.loc[cell["status"] == "ok", value]) for cell in cells]
        for statistic in ("mean", "n", "std", "ci95"):
            columns[policy, statistic] = [getattr(item, statistic) for item in estimates]
        columns[policy, "failed"] = [int((~cell["status"].isin(["ok", *UNRUN])).sum()) for cell in cells]
        columns[policy, "status"] = [outcome(cell["status"]) for cell in cells]
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
