"""Sensitivities: what rounding one slot of one layer alone costs, over seeds."""

from __future__ import annotations

import pandas as pd

from precision.analysis.columns import Column

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
    "accuracy": Column("float64", "images classified correctly", "fraction"),
    "baseline_accuracy": Column("float64", "the same of the float32 network", "fraction"),
    "accuracy_loss": Column("float64", "baseline_accuracy minus accuracy", "percentage points"),
    "loss": Column("float64", "mean cross-entropy", "nat"),
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

    The columns ``accuracy_loss``, ``loss``, ``baseline_loss``, ``tensor_sqnr`` and ``logits_sqnr`` are means
    (of decibels as they are; one infinite value makes an infinite mean), ``n`` is the number of seeds.
    """
    keys = [*NETWORK, "slot", "layer", "kind", "policy"]
    means = ["accuracy_loss", "loss", "baseline_loss", "tensor_sqnr", "logits_sqnr"]
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
    """Return the rows of ``by_layer`` that lose most accuracy, the worst first, at most so many per policy.

    What loses nothing is left out.
    """
    bad = table[table["accuracy_loss"] > 0].sort_values("accuracy_loss", ascending=False, kind="stable")
    return bad.groupby([*NETWORK, "policy"], sort=False).head(count)
