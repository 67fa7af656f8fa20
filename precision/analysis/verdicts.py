"""What is said of the difference between a format and the baseline: five verdicts, and how they are reached.

``equivalent``: shown to lose, and to gain, less than the tolerance. ``worse``, ``better``: not so, and a
difference is shown. ``underpowered``: neither, and there are too few seeds and test images to tell: even if
there were no difference at all, four times in five this would not have been shown. ``no difference shown``:
neither.

Equivalence is shown by two one-sided tests (D. J. Schuirmann 1987, "A comparison of the two one-sided tests
procedure and the power approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680), each at
2.5 %, so that it agrees with the 95 % interval. With one seed the difference is tested by McNemar's exact
test, and a tolerance by the score test of the interval; with several seeds by Student's t on seeds and
images together.

Several formats of a network are several chances to be wrong. The p-values of a row of a table are adjusted
by the step-down of S. Holm 1979 ("A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6, 65-70), so that with 95 % none of its verdicts is false. Of the three hypotheses of
a format (no difference, a loss of the tolerance, a gain of it) at most one is true: as J. P. Shaffer 1986
("Modified sequentially rejective multiple test procedures", Journal of the American Statistical Association
81, 826-831) has it, a p-value counts as often as there are formats of which a hypothesis is left, not three
times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from precision.analysis.columns import ALONE, CHANGED
from precision.analysis.paired import exact_p, p_above, split
from precision.analysis.seeds import quantile, tail
from precision.tasks import Task, named

LEVEL = 0.05
"""Probability that a row of a table has a false verdict, at most."""
POWER = 0.8
"""Probability of showing that there is no difference where there is none, below which it is underpowered."""
FAMILY = ["dataset", "training", "method", "architecture"]
TESTS = ["p_difference", "p_loss", "p_gain"]


def judged(summary: pd.DataFrame, baseline: str, tolerance: float) -> pd.DataFrame:
    """Return a summary with its verdicts: p-values, ``compared``, ``shown`` and ``verdict``.

    Args:
        summary: of ``analysis.summary``.
        baseline: the policy that the others are compared with.
        tolerance: in percentage points of accuracy, or per cent of the RMSE.

    >>> import precision
    >>> from precision.analysis import judged, summary
    >>> table = judged(summary(precision.load_results("grid.yaml")), "float32", tolerance=2)
    >>> table[["policy", "verdict"]].values.tolist()
    [['float32', ''], ['fixed8', 'underpowered'], ['fixed4', 'underpowered']]
    """
    table = summary.reset_index(drop=True)
    compared = table[(table["policy"] != baseline) & (table["pairs"] > 0)]
    values = np.full((len(table), len(TESTS)), np.nan)
    counts = np.full(len(table), np.nan)
    rows: dict[Any, Any] = compared.to_dict("index")
    for _, family in compared.groupby(FAMILY, sort=False):
        raw = [p_values(rows[index], tolerance) for index in family.index]
        values[family.index] = adjusted(raw)
        counts[family.index] = len(family)
    verdicts = [""] * len(table)
    for index, row in rows.items():
        verdicts[index] = _verdict(row, values[index], tolerance)
    return table.assign(
        compared=pd.array(counts, dtype="Int64"),
        **dict(zip(TESTS, values.T, strict=True)),
        shown=values[:, TESTS.index("p_loss")] <= LEVEL,
        verdict=pd.array(verdicts, dtype="str"),
    )


def p_values(row: Mapping[Any, Any], tolerance: float) -> tuple[float, float, float]:
    """Return the p-values of no difference, of a loss of the tolerance and of a gain of it, for one format.

    All are for a level of 5 %: those of one side are doubled. NaN where nothing is known of the spread.
    """
    task, margin = named(row["task"]), tolerance / 100
    gain = task.sign * row[f"{task.difference}_mean"]
    if row["pairs"] == 1 and not task.relative:
        return _of_counts(row, gain, margin)
    error, freedom = row[task.error], row[task.freedom]
    if math.isnan(error):
        return (math.nan,) * 3
    ends = (gain, gain + margin, margin - gain)
    if row["pairs"] == 1:  # in the logarithm, in which the interval of a ratio is symmetric
        ratio = 1 + row[f"{task.difference}_mean"]
        if ratio <= 0:
            return (math.nan,) * 3
        error = error / ratio
        bounds = (1.0, 1 - task.sign * margin, 1 + task.sign * margin)
        logs = [math.log(ratio / bound) if bound > 0 else task.sign * math.inf for bound in bounds]
        ends = (task.sign * logs[0], task.sign * logs[1], -task.sign * logs[2])
    if error == 0:
        return float(round(gain, 11) == 0), _certain(ends[1]), _certain(ends[2])
    difference, loss, more = (2 * tail(end / error, freedom) for end in ends)
    return min(difference, 2 - difference), min(1.0, loss), min(1.0, more)


def _of_counts(row: Mapping[Any, Any], gain: float, margin: float) -> tuple[float, float, float]:
    """Return the p-values of one seed from the images on which one network alone is right, or may be."""
    images, differ = row["test_images"], row.get(ALONE)
    differ = row[CHANGED] if pd.isna(differ) else differ
    if pd.isna(images) or pd.isna(differ):
        return (math.nan,) * 3
    better, worse = split(int(differ), round(gain * int(images)))
    loss = p_above(better, worse, images, -margin)
    more = p_above(worse, better, images, -margin)
    return exact_p(better, worse), min(1.0, 2 * loss), min(1.0, 2 * more)


def _certain(distance: float) -> float:
    """Return the p of what nothing speaks against; a loss of exactly the tolerance is within it."""
    return 0.0 if round(distance, 11) >= 0 else 1.0


def adjusted(raw: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the p-values of the formats of a table, a row for each, adjusted for all of them.

    Formats without p-values do not count.

    >>> from precision.analysis.verdicts import adjusted
    >>> adjusted([(0.01, 0.5, 0.5), (0.02, 0.5, 0.5)]).tolist()
    [[0.02, 1.0, 1.0], [0.04, 1.0, 1.0]]
    """
    values = np.asarray(raw, dtype=np.float64)
    left = np.isfinite(values).sum(axis=1)  # hypotheses of each format that are not yet rejected
    found, so_far = np.full(values.shape, np.nan), 0.0
    for place in np.argsort(values, axis=None, kind="stable"):
        row, column = np.unravel_index(place, values.shape)
        if not np.isfinite(values[row, column]):
            break  # what is not known comes last
        so_far = max(so_far, min(1.0, float(values[row, column]) * int((left > 0).sum())))
        found[row, column] = so_far
        left[row] -= 1
    return found


def _verdict(row: Mapping[Any, Any], p: np.ndarray, tolerance: float) -> str:
    difference, loss, gain = p
    task = named(row["task"])
    if tolerance > 0 and loss <= LEVEL and gain <= LEVEL:
        return "equivalent"
    if difference <= LEVEL:
        return "better" if task.sign * row[f"{task.difference}_mean"] > 0 else "worse"
    return "underpowered" if is_underpowered(row, task, tolerance) else "no difference shown"


def is_underpowered(row: Mapping[Any, Any], task: Task, tolerance: float) -> bool:
    """Return whether a difference of nothing could hardly have been shown to be within the tolerance."""
    low, high = (row[end] for end in task.ends)
    if pd.isna(low) or pd.isna(row[task.freedom]):
        return True
    width, freedom = (high - low) / 2, row[task.freedom]
    usual = quantile(1 - LEVEL / 2, freedom)
    return tolerance > 0 and tolerance / 100 < width * (1 + quantile(POWER, freedom) / usual)
