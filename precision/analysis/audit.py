"""What an audit hands to its report: every format that was tried, and what is named for each target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from precision.analysis.choice import chosen
from precision.analysis.columns import Column
from precision.analysis.evidence import within

AUDIT_COLUMNS: dict[str, Column] = {
    "target": Column("str", "kind of hardware"),
    "policy": Column("str", "label of the policy in the grid file"),
    "formats": Column("str", "the format of each part of the network, as text"),
    "weight_bits": Column("float64", "mean bits of a stored value", "bit"),
    "activation_bits": Column("float64", "bits of an activation; empty where layers differ", "bit"),
    "weight_bytes": Column("Int64", "size of the stored variables, packed", "byte"),
    "compression": Column("float64", "float32 bytes over weight_bytes", "ratio"),
    "activation_bytes": Column("float64", "size of what the layers hand on for one image, packed", "byte"),
    "images": Column("Int64", "test images on which it was compared", "images"),
    "accuracy": Column("float64", "of these images classified correctly", "fraction"),
    "baseline_accuracy": Column("float64", "the same of the float32 network", "fraction"),
    "accuracy_difference": Column("float64", "accuracy minus baseline_accuracy", "fraction"),
    "low": Column("float64", "least end of the paired interval of accuracy_difference", "fraction"),
    "high": Column("float64", "its largest end", "fraction"),
    "confidence": Column("float64", "of the interval: 0.95 on all test images, 0.999 on a part", "fraction"),
    "better": Column("Int64", "images on which only the rounded network is right", "images"),
    "worse": Column("Int64", "images on which only the float32 network is right", "images"),
    "p": Column("float64", "two-sided p of McNemar's exact test of better against worse"),
    "verdict": Column("str", "safe, lost, not shown, or larger than needed"),
    "named": Column("bool", "the smallest safe format of its target"),
}
LAYER_COLUMNS: dict[str, Column] = {
    "part": Column("str", "layer with a kernel"),
    "layers": Column("str", "it and what follows it up to the next kernel: what was rounded"),
    "images": Column("Int64", "training images", "images"),
    "logits_sqnr": Column("float64", "signal-to-quantisation-noise ratio of the logits", "dB"),
    "loss_rise": Column("float64", "rise of the mean cross-entropy", "nat"),
    "accuracy_loss": Column("float64", "accuracy lost", "percentage points"),
    "changed": Column("float64", "images that get another class", "fraction"),
}


@dataclass(frozen=True)
class File:
    """A kind of file that can be deployed, for the smallest safe format of a target.

    Attributes:
        target, policy: as in ``AUDIT_COLUMNS``.
        kind: of file, in words.
        command: that writes it, as the user can type it; empty where it cannot say the format.
        portable: the same for a reader elsewhere.
        bytes: of the file, which was written to know them; None where it was not.
        holds: what it has, in words.
        why: why it cannot say the format; empty where it can.
        needs: what has to be installed before; empty where nothing has.
    """

    target: str
    policy: str
    kind: str
    command: str = ""
    portable: str = ""
    bytes: int | None = None
    holds: str = ""
    why: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Audited:
    """What is known of one model.

    Attributes:
        name: of the grid that repeats the audit.
        tolerance: percentage points of accuracy that may be lost.
        frame: a row for each format, with ``AUDIT_COLUMNS``, by target and the smallest first.
        answers: a row for each target, as of ``analysis.choice.chosen``.
        model: what the model is, in words, by name.
        data: what the data are and what was used for what, likewise.
        notes: sentences on what may be wrong.
        layers: a row for each part of the network, with ``LAYER_COLUMNS``, the most sensitive first.
        rounded: label of the policy that these were rounded by.
        environment: where and with what it was evaluated.
        files: for each target with a safe format the kinds of files, those that its hardware reads first.
    """

    name: str
    tolerance: float
    frame: pd.DataFrame
    answers: pd.DataFrame
    model: Mapping[str, str]
    data: Mapping[str, str]
    notes: tuple[str, ...]
    layers: pd.DataFrame
    rounded: str
    environment: Mapping[str, str]
    files: tuple[File, ...] = ()


def answers(frame: pd.DataFrame, baseline: Mapping[str, float], tolerance: float) -> pd.DataFrame:
    """Return for each target the smallest format that is shown to be near enough, as a report of a grid does.

    Args:
        frame: with ``AUDIT_COLUMNS``, but for ``named``.
        baseline: accuracy, weight_bytes, activation_bits and weight_bits of the float32 network.
        tolerance: in percentage points.
    """
    cells = []
    for target in frame["target"].unique():
        own = frame[frame["target"] == target]
        exact = {
            "policy": "float32",
            **{name: baseline[name] for name in ("weight_bytes", "weight_bits", "activation_bits")},
            "accuracy_mean": baseline["accuracy"],
            "accuracy_difference_mean": 0.0,
            "shown": False,
        }
        cells.append(exact | {"architecture": target})
        cells += [
            {
                **{name: row[name] for name in ("policy", "weight_bytes", "weight_bits", "activation_bits")},
                "architecture": target,
                "compression": row["compression"],
                "accuracy_mean": row["accuracy"],
                "accuracy_difference_mean": row["accuracy_difference"],
                "accuracy_difference_low": row["low"],
                "accuracy_difference_high": row["high"],
                "test_images": row["images"],
                "shown": within(row["low"], tolerance),
            }
            for _, row in own.iterrows()
        ]
    alike = {
        "task": "classification",
        "dataset": "",
        "training": "",
        "method": "ptq",
        "status": "ok",
        "n": 1,
        "failed": 0,
        "pairs": 1,
        "epochs": 0,  # the model came with its weights
    }
    missing = {"accuracy_difference_ci95": math.nan, "untouched_accuracy_mean": math.nan}
    summary = pd.DataFrame([{**alike, **missing, **cell} for cell in cells])
    return chosen(summary, "float32", tolerance)
