"""The answer: per architecture, the smallest format that is shown to be near enough to the baseline."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from precision.analysis.differences import blocks, rows_of
from precision.analysis.evidence import evidence, shown, wanted

COLUMNS_OF_CHOICE = [
    *("dataset", "training", "method", "architecture", "verdict", "policy"),
    *("accuracy_mean", "baseline_accuracy_mean", "accuracy_difference_mean", "accuracy_difference_ci95"),
    "untouched_accuracy_mean",
    *("accuracy_difference_low", "accuracy_difference_high"),
    *("pairs", "weight_bits", "activation_bits", "weight_bytes", "compression", "sentence"),
]


def points(tolerance: float) -> str:
    """Return ``"1 percentage point"`` or ``"0.5 percentage points"``."""
    return f"{tolerance:g} percentage point{'' if tolerance == 1 else 's'}"


def _described(row: pd.Series) -> str:
    """Return accuracy and difference of one format in words."""
    difference = 100 * row["accuracy_difference_mean"]
    return f"{100 * row['accuracy_mean']:.2f} % ({difference:+.2f} points; {evidence(row)})"


def _smaller(compared: pd.DataFrame, reference: pd.Series) -> pd.DataFrame:
    """Return the formats smaller than the baseline, smallest first, with their ``loss`` in percentage points.

    Activation bits are unknown where layers differ: such a format comes last among equal weight bytes.
    """
    table = compared[compared["failed"] == 0].assign(
        # A loss of exactly the tolerance is within it, whatever the last binary digit says.
        loss=lambda rows: (-100 * rows["accuracy_difference_mean"]).round(9),
        width=lambda rows: rows["activation_bits"].fillna(float("inf")),
    )
    lighter = table["weight_bytes"] < reference["weight_bytes"]
    equal = table["weight_bytes"] == reference["weight_bytes"]
    narrower = table["width"] < reference["activation_bits"]
    smaller = table[(lighter | (equal & narrower)).fillna(False)]
    return smaller.sort_values(["weight_bytes", "width", "loss"], kind="stable")


def _chosen(cells: pd.DataFrame, baseline: str, tolerance: float) -> dict[Hashable, Any]:
    """Return verdict, sentence and row of the chosen format among the formats of one architecture."""
    name = cells["architecture"].iloc[0]
    if (cells["policy"] != baseline).all():
        return {
            "verdict": "no baseline",
            "sentence": f"{name}: the grid has no {baseline} that was trained likewise, to compare with.",
        }
    reference = cells[cells["policy"] == baseline].iloc[0]
    if reference["n"] == 0:
        status = "no accuracy" if reference["status"] == "ok" else reference["status"]
        why = f"{baseline} has no result ({status})"
        return {"verdict": "no baseline", "sentence": f"{name}: {why}, so no format can be compared with it."}
    found: dict[Hashable, Any] = {
        "baseline_accuracy_mean": reference["accuracy_mean"],
        "untouched_accuracy_mean": reference["untouched_accuracy_mean"],
    }
    compared = cells[(cells["policy"] != baseline) & (cells["pairs"] > 0)]
    if compared.empty:
        sentence = f"{name}: no format but {baseline} has a result."
        return {**found, "verdict": "no result", "sentence": sentence}

    smaller = _smaller(compared, reference)
    within = smaller[smaller["loss"] <= tolerance]
    if within.empty:
        sentence = f"{name}: no smaller format stays within {points(tolerance)} of {baseline}"
        sentence += f" ({100 * reference['accuracy_mean']:.2f} %)"
        if len(smaller):
            closest = smaller.sort_values("loss", kind="stable").iloc[0]
            sentence += f"; the closest is {closest['policy']} with {_described(closest)}"
        return {**found, "verdict": "none", "sentence": sentence + "."}
    near = [row for _, row in within.iterrows()]
    best = next((row for row in near if shown(row, tolerance)), None)
    if best is None:
        best = near[0]
        sentence = (
            f"{name}: no smaller format is shown to stay within {points(tolerance)} of {baseline}; the best "
            f"candidate is {best['policy']} with {_described(best)}: {wanted(best, tolerance)}."
        )
        return {**best.to_dict(), **found, "verdict": "not shown", "sentence": sentence}
    sentence = (
        f"{name}: {best['policy']} is the smallest format shown to stay within {points(tolerance)} of "
        f"{baseline}: {_described(best)}, weights {best['compression']:.1f} times smaller than in float32."
    )
    if near[0]["policy"] != best["policy"]:
        smallest = near[0]
        sentence += (
            f" The smaller {smallest['policy']} is not shown to, with {_described(smallest)}: "
            f"{wanted(smallest, tolerance)}."
        )
    return {**best.to_dict(), **found, "verdict": "found", "sentence": sentence}


def smallest_within_tolerance(summary: pd.DataFrame, baseline: str, tolerance: float) -> pd.DataFrame:
    """Return one row per (dataset, training, method, architecture): the smallest format near the baseline.

    Smallest is by bytes of weights, then by bits of activations, then by accuracy. Near is a difference
    whose 95 % interval loses at most ``tolerance`` percentage points: the interval over seeds, or with one
    seed over the test images. A format with a failed run is never chosen, nor one that is as large as
    the baseline. ``verdict`` is ``found``; ``not shown``, with the best candidate, where only means are
    within the tolerance; ``none`` where no mean is; ``no baseline`` or ``no result``. ``sentence`` says it in
    words, with what would show the candidate to be near.

    >>> import precision
    >>> from precision.analysis import smallest_within_tolerance, summary
    >>> table = summary(precision.load_results("grid.yaml"))
    >>> smallest_within_tolerance(table, "float32", tolerance=2)[["verdict", "policy"]].values.tolist()
    [['not shown', 'fixed8']]
    """
    rows = []
    for block in blocks(summary, baseline):
        # A summary has no seeds: one stands for all of them.
        cells = rows_of(summary.assign(seed=0), block, baseline)
        compared = cells[cells["policy"] != baseline]
        for architecture in (cells if compared.empty else compared)["architecture"].unique():
            choice = _chosen(cells[cells["architecture"] == architecture], baseline, tolerance)
            rows.append(choice | {**block._asdict(), "architecture": architecture})
    return pd.DataFrame(rows, columns=COLUMNS_OF_CHOICE)
