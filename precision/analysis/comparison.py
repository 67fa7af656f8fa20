"""Two sets of results side by side: what changed from one to the other, and whether it is more than noise.

Runs of equal trial, or else of equal labels, are pairs, as a format and the baseline are in a report: the
difference of their scores has an interval over seeds and, where the predictions of both are stored, over
the test images. Where they are not, one seed is taken as if the two runs had been asked of other images, by
which the interval is too wide rather than too narrow. The p-values of all cells are adjusted together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from precision.analysis.columns import CELL, COLUMNS, Column, typed
from precision.analysis.differences import with_differences
from precision.analysis.images import Labels, Predictions
from precision.analysis.seeds import quantile
from precision.analysis.tables import summary
from precision.analysis.verdicts import LEVEL, adjusted, p_values
from precision.metrics import METRICS
from precision.tasks import Task, named, of_all

PLACE = CELL[:-1]
CHANGES = ("same", "within noise", "better", "worse", "not judged", "other result", "only in A", "only in B")
"""What became of a cell from A to B; ``other result`` is where only one of them has a number."""
COMPARISON_COLUMNS: dict[str, Column] = {
    **{name: COLUMNS[name] for name in PLACE},
    "task": COLUMNS["task"],
    "change": Column("str", f"from A to B: {', '.join(CHANGES)}"),
    "pairs": Column("Int64", "seeds with a result in both", "pairs"),
    "status_a": Column("str", "how the runs of A ended"),
    "status_b": Column("str", "how the runs of B ended"),
    "score_a": Column("float64", "mean accuracy, or RMSE, of the pairs in A"),
    "score_b": Column("float64", "the same in B"),
    "difference": Column("float64", "B minus A; of an RMSE B over A, minus 1", "fraction"),
    "low": Column("float64", "least end of its 95 % interval", "fraction"),
    "high": Column("float64", "its largest end", "fraction"),
    "p": Column("float64", "two-sided p of no difference, adjusted for all cells"),
    "counted": Column("str", "what else was counted or modelled otherwise, from A to B"),
    "measured": Column("str", "what was measured otherwise on the same machine, B over A"),
}


@dataclass(frozen=True)
class Side:
    """One of two sets of results.

    Attributes:
        name: where it comes from.
        frame: with the columns of ``COLUMNS``; what it lacks is empty.
        predictions, labels: as of ``with_differences``; None where none are stored.
        facts: where and with what it ran, by name.
    """

    name: str
    frame: pd.DataFrame
    predictions: Predictions | None = None
    labels: Labels | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What changed from A to B.

    Attributes:
        cells: a row for each cell of either, with ``COMPARISON_COLUMNS``.
        drops: the summary of the differences, B as the format and A as its baseline; for gates.
        facts: what differs around the runs, by name, of A and of B.
    """

    one: Side
    other: Side
    cells: pd.DataFrame
    drops: pd.DataFrame
    facts: Mapping[str, tuple[str, str]]

    def count(self, *changes: str) -> int:
        """Return how many cells changed in one of these ways."""
        return int(self.cells["change"].isin(changes).sum())


def compare(one: Side, other: Side) -> Comparison:
    """Return what changed from one set of results to another.

    >>> import precision
    >>> from precision.analysis.comparison import Side, compare
    >>> frame = precision.load_results("grid.yaml")
    >>> compare(Side("before", frame), Side("after", frame)).cells["change"].tolist()
    ['same', 'same', 'same']
    """
    a, b = (typed(side.frame, COLUMNS).drop_duplicates(CELL).reset_index(drop=True) for side in (one, other))
    a = _relabelled(a, b)
    drops = _drops(a, b, one, other)
    told = {tuple(row[name] for name in PLACE): row for row in drops.to_dict("records")}
    places = list(dict.fromkeys([*_places(a), *_places(b)]))
    groups_a, groups_b = (dict(list(side.groupby(PLACE, sort=False))) for side in (a, b))
    rows = [_row(key, groups_a.get(key), groups_b.get(key), told.get(key)) for key in places]
    p = adjusted([[row["p"]] for row in rows])[:, 0] if rows else np.zeros(0)
    for row, value in zip(rows, p, strict=True):
        row["p"] = value
        row["change"] = row["change"] or _judged(row)
    names = dict.fromkeys([*one.facts, *other.facts])
    facts = {name: (one.facts.get(name, ""), other.facts.get(name, "")) for name in names}
    different = {name: both for name, both in facts.items() if both[0] != both[1]}
    return Comparison(one, other, typed(pd.DataFrame(rows), COMPARISON_COLUMNS), drops, different)


def _places(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame[PLACE].drop_duplicates().itertuples(index=False, name=None))


def _relabelled(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return A with the labels that the same trials have in B, unless one would be taken twice."""
    labels = b[b["trial"] != ""].drop_duplicates("trial").set_index("trial")[CELL]
    known = a["trial"].isin(labels.index) & ~a["trial"].duplicated(keep=False)
    known &= ~pd.MultiIndex.from_frame(a[CELL]).isin(pd.MultiIndex.from_frame(b[CELL]))
    renamed = a.copy()
    renamed.loc[known, CELL] = labels.loc[a.loc[known, "trial"]].to_numpy()
    return a if renamed.duplicated(CELL).any() else typed(renamed, COLUMNS)


def _drops(a: pd.DataFrame, b: pd.DataFrame, one: Side, other: Side) -> pd.DataFrame:
    """Return the summary of the differences, a row for each cell with a pair."""
    keys = pd.MultiIndex.from_frame(a[CELL])
    common = keys.intersection(pd.MultiIndex.from_frame(b[CELL]))
    sides = []
    for name, side in (("A", a), ("B", b)):
        own = side[pd.MultiIndex.from_frame(side[CELL]).isin(common)]
        # Every cell is a network of its own, which has the policies A and B.
        labels = own[["policy", "method", "training"]].itertuples(index=False, name=None)
        cell = pd.Series([_BETWEEN.join(parts) for parts in labels], own.index, dtype="str")
        trial = name + own["trial"]
        sides.append(own.assign(training=cell, policy=name, method="", control="", trial=trial))
    frame = pd.concat(sides, ignore_index=True)

    def predictions(trial: str) -> np.ndarray | None:
        asked = (one if trial[0] == "A" else other).predictions
        return None if asked is None else asked(trial[1:])

    known = predictions if one.predictions is not None and other.predictions is not None else None
    right = None if other.labels is None else partial(_without_side, other.labels)
    table = summary(with_differences(frame, "A", known, right))
    table = table[table["policy"] == "B"].reset_index(drop=True)
    parts = table["training"].str.split(_BETWEEN, expand=True).reindex(columns=range(3))
    table = table.assign(policy=parts[0], method=parts[1], training=parts[2])
    if known is not None:
        return table
    return _as_of_other_images(table, frame)


def _without_side(labels: Labels, trial: str) -> np.ndarray | None:
    """Return the labels of a trial of B, of which the run of B is asked."""
    return labels(trial[1:])


_BETWEEN = "\x1f"


def _as_of_other_images(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the differences of one seed with an interval as if each run had been asked of its own images."""
    alone = (table["pairs"] == 1) & table["accuracy_difference_error"].isna() & table["accuracy_mean"].notna()
    after = table.loc[alone, "accuracy_mean"]
    before = after - table.loc[alone, "accuracy_difference_mean"]
    images = table.loc[alone, "test_images"].astype("float64")
    # One success and one failure more, so that no error is no certainty.
    shares = [(share * images + 1) / (images + 2) for share in (before, after)]
    error = sum(share * (1 - share) / images for share in shares) ** 0.5
    half = quantile(1 - LEVEL / 2, math.inf) * error
    mean = table.loc[alone, "accuracy_difference_mean"]
    ends = {"accuracy_difference_low": mean - half, "accuracy_difference_high": mean + half}
    for name, values in {**ends, "accuracy_difference_error": error}.items():
        table.loc[alone, name] = values
    return table


def _row(
    key: tuple[Any, ...],
    a: pd.DataFrame | None,
    b: pd.DataFrame | None,
    drop: Mapping[Any, Any] | None,
) -> dict[str, Any]:
    """Return a row of the comparison; its p is not adjusted yet, and its change empty where there is one."""
    row: dict[str, Any] = dict(zip(PLACE, key, strict=True)) | {"change": "", "p": math.nan}
    row["status_a"], row["status_b"] = (_ended(side) for side in (a, b))
    if a is None or b is None:
        return row | {"change": "only in B" if a is None else "only in A"}
    task = of_all([*a["task"], *b["task"]])
    row["task"] = task.name
    pairs = a.merge(b, on="seed", suffixes=("_a", "_b"))
    pairs = pairs[(pairs["status_a"] == "ok") & (pairs["status_b"] == "ok")]
    row["pairs"] = len(pairs)
    row["counted"], row["measured"] = _counted(pairs), _measured(pairs)
    if drop is None or not drop["pairs"]:
        return row | {"change": "same" if row["status_a"] == row["status_b"] else "other result"}
    row["score_a"], row["score_b"] = (float(pairs[f"{task.score}_{side}"].mean()) for side in "ab")
    row["difference"] = drop[f"{task.difference}_mean"]
    row["low"], row["high"] = (drop[end] for end in task.ends)
    if _same(pairs, task):
        return row | {"change": "same"}
    row["p"] = _p(drop, task)
    return row


def _ended(side: pd.DataFrame | None) -> str:
    if side is None:
        return ""
    counts = side["status"].value_counts(sort=False)
    return ", ".join(
        str(status) if len(counts) == 1 else f"{number} {status}" for status, number in counts.items()
    )


def _same(pairs: pd.DataFrame, task: Task) -> bool:
    """Return whether the score, and every number of quality that both have, is the same to the last digit."""
    if pairs[[f"{task.score}_a", f"{task.score}_b"]].isna().any(axis=None):
        return False
    values = ((pairs[f"{m.name}_a"], pairs[f"{m.name}_b"]) for m in METRICS.of("quality"))
    return not any(((a != b) & a.notna() & b.notna()).any() for a, b in values)


def _p(drop: Mapping[Any, Any], task: Task) -> float:
    """Return the two-sided p of no difference."""
    p = p_values(dict(drop), 1.0)[0]
    if not math.isnan(p):
        return p
    error = drop[task.error]
    if math.isnan(error) or not error:
        return math.nan
    return float(2 * special.ndtr(-abs(drop[f"{task.difference}_mean"]) / error))


def _judged(row: Mapping[str, Any]) -> str:
    if math.isnan(row["p"]):
        return "not judged"
    if row["p"] > LEVEL:
        return "within noise"
    return "better" if named(row["task"]).sign * row["difference"] > 0 else "worse"


def _counted(pairs: pd.DataFrame) -> str:
    """Return what was counted or modelled otherwise, in words."""
    found = []
    for metric in METRICS.of("counted", "modelled"):
        a, b = pairs[f"{metric.name}_a"].mean(), pairs[f"{metric.name}_b"].mean()
        if pd.notna(a) and pd.notna(b) and not math.isclose(a, b, rel_tol=1e-9):
            found.append(f"{metric.name} {a:.6g} to {b:.6g}")
    return ", ".join(found)


def _measured(pairs: pd.DataFrame) -> str:
    """Return the ratios of costs that were measured on one and the same machine, of equal timing."""
    machines = set(pairs["machine_a"]) | set(pairs["machine_b"])
    if len(machines) != 1 or (pairs["timing_a"] != pairs["timing_b"]).any():
        return ""
    found = []
    for metric in METRICS.of("measured", "timed"):
        if metric.cost:
            a, b = pairs[f"{metric.name}_a"].mean(), pairs[f"{metric.name}_b"].mean()
            if pd.notna(a) and pd.notna(b) and a:
                found.append(f"{metric.name} x {b / a:.3g}")
    return ", ".join(found)
