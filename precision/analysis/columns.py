"""The columns of results.csv and summary.csv: their types, meanings and units, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from precision import trial
from precision.errors import PrecisionError, suggest

Dtype = Literal["str", "Int64", "float64", "bool"]


@dataclass(frozen=True)
class Column:
    """One column: its pandas dtype, what it means and the unit of its values."""

    dtype: Dtype
    meaning: str
    unit: str = ""


STATUSES = (*trial.STATUSES, "pending")
TIMINGS = ("native", "emulated", "")
CELL = ["dataset", "architecture", "policy", "method", "training", "seed"]

_IDENTITY = {
    "dataset": Column("str", "label of the dataset in the grid"),
    "architecture": Column("str", "label of the architecture in the grid"),
    "policy": Column("str", "label of the policy: which format each part of the network has"),
    "method": Column("str", "how the format enters: ptq (after training), qat (while training), ..."),
    "training": Column(
        "str", "the options of training and runtime that vary in the grid; empty when none does"
    ),
}

COLUMNS: dict[str, Column] = {
    "trial": Column("str", "identity of the trial: 12 hexadecimal digits of the hash of its content"),
    "dataset": _IDENTITY["dataset"],
    "dataset_title": Column("str", "name of the dataset in words"),
    "architecture": _IDENTITY["architecture"],
    "policy": _IDENTITY["policy"],
    "method": _IDENTITY["method"],
    "training": _IDENTITY["training"],
    "seed": Column("Int64", "seed of initialisation and data order; the same seed is paired across policies"),
    "status": Column("str", ", ".join(STATUSES)),
    "reason": Column("str", "why the trial gave no result; empty when it did"),
    "accuracy": Column("float64", "test images classified correctly", "fraction"),
    "loss": Column("float64", "mean cross-entropy of the test images", "nat"),
    "baseline_accuracy": Column(
        "float64",
        "accuracy of the baseline run of equal dataset, architecture, training and seed",
        "fraction",
    ),
    "accuracy_difference": Column("float64", "accuracy minus baseline_accuracy", "fraction"),
    "train_images": Column("Int64", "images trained on", "images"),
    "test_images": Column("Int64", "images tested on", "images"),
    "epochs": Column("Int64", "passes over the training images", "epochs"),
    "parameters": Column("Int64", "parameters of the network", "values"),
    "weight_bits": Column("float64", "mean stored bits per parameter, shared scales included", "bit"),
    "activation_bits": Column("float64", "bits of the activation format; empty when layers differ", "bit"),
    "weight_bytes": Column("Int64", "size of the parameters, packed in their own formats", "byte"),
    "float32_weight_bytes": Column("Int64", "size of the parameters in float32", "byte"),
    "compression": Column("float64", "float32_weight_bytes / weight_bytes", "ratio"),
    "peak_memory_bytes": Column("Int64", "peak resident memory of the worker process", "byte"),
    "train_seconds": Column("float64", "the trial's own training; empty when it trained nothing", "s"),
    "seconds_per_epoch": Column("float64", "median time of one epoch", "s"),
    "inference_images_per_second": Column("float64", "test images evaluated per second", "images/s"),
    "repeats": Column("Int64", "runs of which each time is the median; 0 without a result", "runs"),
    "timing": Column("str", "native, or emulated: then the times say nothing about hardware"),
    "formats": Column("str", "the format of each part of the network, as text"),
    "shared": Column("bool", "another cell of the grid has the same trial"),
    "machine": Column("str", "machine the trial ran on; times of different machines are not compared"),
}

DERIVED = ("baseline_accuracy", "accuracy_difference")
"""Columns that the analysis computes: a frame given to it may lack them."""

SUMMARY_COLUMNS: dict[str, Column] = {
    **_IDENTITY,
    "n": Column("Int64", "seeds with a result", "runs"),
    "failed": Column("Int64", "seeds that ended without a result", "runs"),
    "pending": Column("Int64", "seeds not run yet", "runs"),
    "status": Column("str", "ok when a seed has a result, otherwise the most frequent way to fail"),
    "accuracy_mean": Column("float64", "mean accuracy over seeds", "fraction"),
    "accuracy_std": Column("float64", "sample standard deviation over seeds; empty below two", "fraction"),
    "accuracy_ci95": Column("float64", "half width of the 95 % t-interval of the mean", "fraction"),
    "loss_mean": Column("float64", "mean loss over seeds", "nat"),
    "pairs": Column("Int64", "seeds with a result both here and of the baseline", "pairs"),
    "accuracy_difference_mean": Column("float64", "mean paired difference to the baseline", "fraction"),
    "accuracy_difference_ci95": Column(
        "float64", "half width of the 95 % t-interval of the paired difference", "fraction"
    ),
    "weight_bits": COLUMNS["weight_bits"],
    "activation_bits": COLUMNS["activation_bits"],
    "weight_bytes": COLUMNS["weight_bytes"],
    "compression": COLUMNS["compression"],
    "pareto": Column(
        "bool", "no format of this dataset, architecture, training and method is both smaller and as accurate"
    ),
    "peak_memory_bytes": Column("Int64", "largest peak_memory_bytes over seeds", "byte"),
    "train_seconds": Column("float64", "mean train_seconds; empty when seeds ran on several machines", "s"),
    "seconds_per_epoch": Column("float64", "mean seconds_per_epoch, likewise", "s"),
    "inference_images_per_second": Column("float64", "mean over seeds, likewise", "images/s"),
    "timing": COLUMNS["timing"],
    "machine": Column("str", "machine the seeds ran on; 'several' when they differ"),
}


def _converted(frame: pd.DataFrame, name: str, dtype: Dtype) -> pd.Series:
    """Return one column in its dtype; missing text becomes empty, a missing flag False."""
    if name not in frame:
        return pd.Series(float("nan"), index=frame.index, dtype="float64")
    column = frame[name]
    try:
        if dtype == "str":
            return column.astype("object").where(column.notna(), "").astype("str")
        if dtype == "bool":
            return column.astype("object").where(column.notna(), False).astype("bool")
        return pd.to_numeric(column).astype(dtype)
    except (TypeError, ValueError) as error:
        kind = "whole numbers" if dtype == "Int64" else "numbers"
        raise PrecisionError(f"results: the column {name!r} must hold {kind}; {error}") from error


def typed(frame: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return the frame with exactly these columns, in their order and dtypes; what it lacks is empty.

    Raises:
        PrecisionError: for a value of the wrong type.
    """
    return pd.DataFrame({name: _converted(frame, name, column.dtype) for name, column in columns.items()})


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with exactly the columns of ``COLUMNS``, in their order and dtypes.

    Raises:
        PrecisionError: for a missing or unknown column, a value of the wrong type, an unknown status
            or timing, or two rows for one cell, which would count one run twice.
    """
    for name in COLUMNS:
        if name not in frame and name not in DERIVED:
            raise PrecisionError(f"results: the column {name!r} is missing; received {list(frame.columns)}")
    for name in frame.columns:
        if name not in COLUMNS:
            raise PrecisionError(f"results: unknown column {name!r}; {suggest(name, COLUMNS)}")
    table = typed(frame, COLUMNS)
    for name, allowed in (("status", STATUSES), ("timing", TIMINGS)):
        for value in table[name].unique():
            if value not in allowed:
                raise PrecisionError(f"results: unknown {name} {value!r}; {suggest(value, allowed)}")
    repeated = table.duplicated(CELL)
    if repeated.any():
        cell = table.loc[repeated, CELL].iloc[0].to_dict()
        raise PrecisionError(f"results: a cell must have one row, but two rows have {cell}")
    return table.reset_index(drop=True)
