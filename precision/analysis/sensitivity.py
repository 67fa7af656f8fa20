"""Sensitivities: what rounding one slot of one layer alone costs, over seeds."""

from __future__ import annotations

import pandas as pd

from precision.analysis.columns import Column
from precision.tasks import TASKS

NETWORK = ["dataset", "architecture", "training"]

SENSITIVITY_COLUMNS: dict[str, Column] = {
    "dataset": Column("str", "label of the dataset in the grid"),
    "architecture": Column("str", "label of the architecture in the grid"),
    "training": Column("str", "the training options that vary in the grid; empty when none does"),
    "seed": Column("Int64", "seed of the float32 network"),
    "policy": Column("str", "label of the policy whose format is tried"),
    "layer": Column("str", "the only layer that is rounded"),
    "kind": Column("str", "class of the layer"),
    "slot": Column("str", "the only slot of it that is rounded"),
    "setting": Column("str", "how it is rounded"),
    "images": Column("Int64", "test images", "images"),
    "task": Column("str", "what the network is asked"),
    "accuracy": Column("float64", "images answered correctly", "fraction"),
    "baseline_accuracy": Column("float64", "the same of the float32 network", "fraction"),
    "accuracy_loss": Column("float64", "baseline_accuracy minus accuracy", "percentage points"),
    "rmse": Column("float64", "of a regression: RMSE on the test images", "target"),
    "baseline_rmse": Column("float64", "the same of the float32 network", "target"),
    "rmse_rise": Column("float64", "rmse over baseline_rmse, minus 1", "per cent"),
    "loss": Column("float64", "mean of what training minimises", "nat"),
    "baseline_loss": Column("float64", "the same of the float32 network", "nat"),
    "tensor_sqnr": Column(
        "float64", "power of the rounded tensor over the power of its rounding error; inf without error", "dB"
    ),
    "logits_sqnr": Column(
        "float64", "power of the float32 logits over the power of their change; inf without change", "dB"
    ),
}


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means over seeds: one row per network, slot, layer and policy, in order of first appearance.

    The columns ``accuracy_loss``, ``rmse_rise``, ``loss``, ``baseline_loss``, ``tensor_sqnr`` and
    ``logits_sqnr`` are means (of decibels as they are; one infinite value makes an infinite mean), ``n`` is
    the number of seeds. ``lost`` is the one of the first two that the task of the network has.
    """
    each = list(dict.fromkeys(task.lost for task in TASKS.values()))
    rows = rows.assign(lost=rows[each].bfill(axis="columns").iloc[:, 0])
    keys = [*NETWORK, "slot", "layer", "kind", "policy"]
    means = [*each, "lost", "loss", "baseline_loss", "tensor_sqnr", "logits_sqnr"]
    groups = rows.groupby(keys, sort=False)
    table = groups[means].mean()
    table["n"] = groups.size()
    return table.reset_index()


def pivot_layers(table: pd.DataFrame, slot: str, value: str) -> pd.DataFrame:
    """Return one slot of one network as a table: layers as rows, policies as columns, as in ``by_layer``."""
    own = table[table["slot"] == slot]
    wide = own.pivot(index="layer", columns="policy", values=value)
    return wide.loc[own["layer"].unique(), own["policy"].unique()]


def worst(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """Return the rows of ``by_layer`` that lose most, the worst first, at most so many per policy.

    What loses nothing is left out.
    """
    bad = table[table["lost"] > 0].sort_values("lost", ascending=False, kind="stable")
    return bad.groupby([*NETWORK, "policy"], sort=False).head(count)
