"""The answer: per architecture, the smallest format that is shown to be near enough to the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import pandas as pd

from precision.analysis.differences import blocks, rows_of
from precision.analysis.evidence import evidence, wanted
from precision.analysis.verdicts import judged
from precision.tasks import TASKS, Task, of_all

_SCORED = tuple({task.score: task for task in TASKS.values()}.values())
COLUMNS_OF_CHOICE = [
    *("dataset", "training", "method", "architecture", "task", "verdict", "policy"),
    *(
        name
        for task in _SCORED
        for name in (
            *(f"{task.score}_mean", f"{task.baseline}_mean"),
            *(f"{task.difference}_mean", f"{task.difference}_ci95", f"{task.untouched}_mean", *task.ends),
        )
    ),
    *("pairs", "judged", "p_loss", "weight_bits", "activation_bits", "weight_bytes", "compression"),
    *("energy_times", "sentence"),
]


def _described(row: pd.Series, task: Task) -> str:
    """Return score and difference of one format in words."""
    change = task.changed(row[f"{task.difference}_mean"])
    return f"{task.said(row[f'{task.score}_mean'])} ({change}; {evidence(row)})"


def _smaller(compared: pd.DataFrame, reference: pd.Series, task: Task) -> pd.DataFrame:
    """Return the formats smaller than the baseline, smallest first, with their ``loss`` as of the tolerance.

    Activation bits are unknown where layers differ: such a format comes last among equal weight bytes.
    """
    table = compared[compared["failed"] == 0].assign(
        # A loss of exactly the tolerance is within it, whatever the last binary digit says.
        loss=lambda rows: task.loss_of(rows[f"{task.difference}_mean"]).round(9),
        width=lambda rows: rows["activation_bits"].fillna(float("inf")),
    )
    lighter = table["weight_bytes"] < reference["weight_bytes"]
    equal = table["weight_bytes"] == reference["weight_bytes"]
    narrower = table["width"] < reference["activation_bits"]
    smaller = table[(lighter | (equal & narrower)).fillna(False)]
    return smaller.sort_values(["weight_bytes", "width", "loss"], kind="stable")


def _answer(cells: pd.DataFrame, baseline: str, tolerance: float) -> dict[Hashable, Any]:
    """Return verdict, sentence and row of the chosen format among the formats of one architecture."""
    name, task = cells["architecture"].iloc[0], of_all(cells["task"])
    if (cells["policy"] != baseline).all():
        return {
            "verdict": "no baseline",
            "sentence": f"{name}: the grid has no {baseline} that was trained likewise, to compare with.",
        }
    reference = cells[cells["policy"] == baseline].iloc[0]
    if reference["n"] == 0:
        status = (
            f"no {task.title if task.relative else task.title.lower()}"
            if reference["status"] == "ok"
            else reference["status"]
        )
        why = f"{baseline} has no result ({status})"
        return {"verdict": "no baseline", "sentence": f"{name}: {why}, so no format can be compared with it."}
    found: dict[Hashable, Any] = {
        f"{task.baseline}_mean": reference[f"{task.score}_mean"],
        f"{task.untouched}_mean": reference[f"{task.untouched}_mean"],
        "task": task.name,
    }
    compared = cells[(cells["policy"] != baseline) & (cells["pairs"] > 0)]
    if compared.empty:
        sentence = f"{name}: no format but {baseline} has a result."
        return {**found, "verdict": "no result", "sentence": sentence}

    def more(row: pd.Series) -> str:
        untrained = (reference["epochs"] == 0) & (row["epochs"] == 0)
        return wanted(row, tolerance, trained=not (pd.notna(untrained) and untrained))

    smaller, near_enough = _smaller(compared, reference, task), task.tolerated(tolerance)
    within = smaller[smaller["loss"] <= tolerance]
    if within.empty:
        sentence = f"{name}: no smaller format stays within {near_enough} of {baseline}"
        sentence += f" ({task.said(reference[f'{task.score}_mean'])})"
        if len(smaller):
            closest = smaller.sort_values("loss", kind="stable").iloc[0]
            sentence += f"; the closest is {closest['policy']} with {_described(closest, task)}"
        return {**found, "verdict": "none", "sentence": sentence + "."}
    near = [row for _, row in within.iterrows()]
    best = next((row for row in near if row["shown"]), None)
    if best is None:
        best = near[0]
        sentence = (
            f"{name}: no smaller format is shown to stay within {near_enough} of {baseline}; the best "
            f"candidate is {best['policy']} with {_described(best, task)}: {more(best)}."
        )
        return {**_taken(best, reference), **found, "verdict": "not shown", "sentence": sentence}
    sentence = (
        f"{name}: {best['policy']} is the smallest format shown to stay within {near_enough} of {baseline}: "
        f"{_described(best, task)}, weights {best['compression']:.1f} times smaller than in float32"
    )
    energy = _energy_times(best, reference)
    sentence += f", {energy:.1f} times less modelled energy than {baseline}." if pd.notna(energy) else "."
    if near[0]["policy"] != best["policy"]:
        smallest = near[0]
        sentence += (
            f" The smaller {smallest['policy']} is not shown to, with {_described(smallest, task)}: "
            f"{more(smallest)}."
        )
    return {**_taken(best, reference), **found, "verdict": "found", "sentence": sentence}


def _taken(best: pd.Series, reference: pd.Series) -> dict[Hashable, Any]:
    """Return what is told of a format that is named, beside the baseline."""
    return {
        **best.to_dict(),
        "judged": best.get("verdict", ""),
        "energy_times": _energy_times(best, reference),
    }


def _energy_times(best: pd.Series, reference: pd.Series) -> float:
    """Return how many times more modelled energy the baseline takes; NaN where it is not known."""
    own, other = (row.get("energy_modelled_pj", math.nan) for row in (best, reference))
    return float(other / own) if pd.notna(own) and pd.notna(other) and own > 0 else math.nan


def smallest_within_tolerance(summary: pd.DataFrame, baseline: str, tolerance: float) -> pd.DataFrame:
    """Return one row per (dataset, training, method, architecture): the smallest format near the baseline.

    Smallest is by bytes of weights, then by bits of activations, then by the score. Near is what ``judged``
    has ``shown`` to lose less than ``tolerance`` percentage points of accuracy, or per cent of the RMSE. A
    format with a failed run is never chosen, nor one that is as large as the baseline. ``verdict`` is
    ``found``; ``not shown``, with the best candidate, where only means are within the tolerance; ``none``
    where no mean is; ``no baseline`` or ``no result``. ``judged`` is what is said of its difference;
    ``energy_times`` how many times more modelled energy the baseline takes. ``sentence`` says it in words,
    with what would show the candidate to be near.

    >>> import precision
    >>> from precision.analysis import smallest_within_tolerance, summary
    >>> table = summary(precision.load_results("grid.yaml"))
    >>> smallest_within_tolerance(table, "float32", tolerance=2)[["verdict", "policy"]].values.tolist()
    [['not shown', 'fixed8']]
    """
    return chosen(judged(summary, baseline, tolerance), baseline, tolerance)


def chosen(summary: pd.DataFrame, baseline: str, tolerance: float) -> pd.DataFrame:
    """Return :func:`smallest_within_tolerance` of a summary that ``judged`` has returned."""
    rows = []
    for block in blocks(summary, baseline):
        # A summary has no seeds: one stands for all of them.
        cells = rows_of(summary.assign(seed=0), block, baseline)
        compared = cells[cells["policy"] != baseline]
        for architecture in (cells if compared.empty else compared)["architecture"].unique():
            choice = _answer(cells[cells["architecture"] == architecture], baseline, tolerance)
            rows.append(choice | {**block._asdict(), "architecture": architecture})
    return pd.DataFrame(rows, columns=COLUMNS_OF_CHOICE)
