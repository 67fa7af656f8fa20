"""What a search hands to its report: the policy found, and every assignment that was evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from precision.analysis.columns import Column

SEARCH_COLUMNS: dict[str, Column] = {
    "dataset": Column("str", "label of the dataset in the grid"),
    "architecture": Column("str", "label of the architecture in the grid"),
    "training": Column("str", "the training options that vary in the grid; empty when none does"),
    "policy": Column("str", "label of the policy that every unit has; empty for a mixed assignment"),
    "assignment": Column("str", "the policy of every unit"),
    "weight_bytes": Column("Int64", "size of the stored variables in their own formats", "byte"),
    "peak_activation_bytes": Column(
        "Int64", "most that activations of one image take at once, in their own formats", "byte"
    ),
    "bops": Column("float64", "bit operations of one inference", "bit^2"),
    "energy_pj": Column(
        "float64", "modelled energy of one inference (a model, see precision.measure.counted.energy)", "pJ"
    ),
    "task": Column("str", "what the networks are asked"),
    "accuracy": Column("float64", "training images answered correctly, mean over seeds", "fraction"),
    "baseline_accuracy": Column("float64", "the same of the float32 networks", "fraction"),
    "accuracy_loss": Column("float64", "baseline_accuracy minus accuracy", "percentage points"),
    "rmse": Column("float64", "of a regression: RMSE on the training images, mean over seeds", "target"),
    "baseline_rmse": Column("float64", "the same of the float32 networks", "target"),
    "rmse_rise": Column("float64", "rmse over baseline_rmse, minus 1", "per cent"),
    "loss": Column("float64", "mean of what training minimises, mean over seeds", "nat"),
    "baseline_loss": Column("float64", "the same of the float32 networks", "nat"),
    "images": Column("Int64", "training images that decide", "images"),
    "seeds": Column("Int64", "float32 networks that decide", "networks"),
    "feasible": Column("bool", "the score is within the tolerance"),
    "front": Column("bool", "no other evaluated assignment costs as little and is as good"),
    "chosen": Column("bool", "the assignment found: the cheapest within the tolerance"),
}


class Unit(NamedTuple):
    """What one unit has under an assignment: its policy, values stored as weights, MACs and modelled pJ."""

    name: str
    policy: str
    weights: int
    macs: int
    energy: float


class Objective(NamedTuple):
    """What a search may make least: its column, and in words what is least and what an amount is of."""

    column: str
    least: str
    amount: str


OBJECTIVES = {
    "memory": Objective("weight_bytes", "weight memory", "of weights"),
    "energy": Objective("energy_pj", "modelled energy", "of modelled energy"),
    "activations": Objective("peak_activation_bytes", "activation memory at once", "of activations at once"),
    "bops": Objective("bops", "bit operations", "bit operations"),
}


@dataclass(frozen=True)
class Found:
    """What a search found for one network.

    Attributes:
        title: its labels in the grid.
        frame: every evaluated assignment, with ``SEARCH_COLUMNS``.
        label: a name for the policy.
        policy: the policy as plain data; None when nothing is within the tolerance.
        units: the units of the found assignment.
        uniform: label of the cheapest single policy within the tolerance; empty when none is.
        checks: accuracy, or RMSE, on training images that were not used for the choice: of ``float32``, and
            where there are such policies of ``found`` and ``uniform``. Empty when there are no other images.
        check_images: how many those are.
        missing: seeds without a trained float32 network, and why.
        environment: where and with what it was evaluated.
    """

    title: str
    frame: pd.DataFrame
    label: str
    policy: Mapping[str, Any] | None
    units: tuple[Unit, ...]
    uniform: str
    checks: Mapping[str, float]
    check_images: int
    missing: Mapping[int, str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        name: of the grid.
        networks: what was found for each of its networks.
        energy_table: title of the energies that the modelled energy is made of.
    """

    name: str
    networks: tuple[Found, ...]
    energy_table: str
