"""The columns of results.csv and summary.csv: their types, meanings and units, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from precision import trial
from precision.errors import PrecisionError, suggest
from precision.metrics import METRICS, Kind, Metric
from precision.tasks import TASKS, Task

Dtype = Literal["str", "Int64", "float64", "bool"]


@dataclass(frozen=True)
class Column:
    """One column: its pandas dtype, what it means and the unit of its values.

    >>> from precision.analysis import COLUMNS
    >>> COLUMNS["weight_bytes"].unit
    'byte'
    """

    dtype: Dtype
    meaning: str
    unit: str = ""


STATUSES = (*trial.STATUSES, "pending")
UNRUN = ("skipped", "pending")  # of trials that did not fail, because they did not run
TIMINGS = ("native", "emulated", "")
VERDICTS = ("equivalent", "worse", "better", "no difference shown", "underpowered")
"""What is said of the difference between a format and the baseline, see ``analysis.verdicts``."""
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


CHANGED = "changed_images"
_CHANGED = "test images that get another answer than in the baseline run"
ALONE = "discordant_images"
_ALONE = "test images on which either this run or that of the baseline is right, where the labels are stored"


def _of_baseline(task: Task) -> dict[str, Column]:
    """Return the columns of results.csv that compare the score of a task with that of the baseline."""
    score, unit = task.score, METRICS[task.score].unit
    taken = f"{score} over {task.baseline}, minus 1" if task.relative else f"{score} minus {task.baseline}"
    low, high = task.ends
    counts = {CHANGED: _CHANGED, ALONE: _ALONE}
    changed = (
        {} if task.relative else {name: Column("Int64", text, "images") for name, text in counts.items()}
    )
    return {
        task.baseline: Column(
            "float64",
            f"{score} of the baseline run of equal dataset, architecture, training, seed and control",
            unit,
        ),
        task.difference: Column("float64", taken, "fraction"),
        low: Column(
            "float64",
            f"least end of the 95 % interval of {task.difference} over the test images, paired; of other "
            "seeds it says nothing",
            "fraction",
        ),
        high: Column("float64", "its largest end", "fraction"),
        task.error: Column(
            "float64", f"standard error of {task.difference} over the test images", "fraction"
        ),
        task.shared: Column(
            "float64",
            f"where a cell has several seeds: covariance of {task.difference} with those of the other seeds, "
            "which the same test images bring about; the mean over these seeds",
            "fraction^2",
        ),
        **changed,
        task.untouched: Column(
            "float64", f"where control is not empty: {score} of the baseline before it went on", unit
        ),
    }


_SCORED = tuple({task.score: task for task in TASKS.values()}.values())  # one task for each score
_OF_BASELINE = {name: column for task in _SCORED for name, column in _of_baseline(task).items()}
_CONTROL = Column(
    "str",
    "the float32 training that the run is compared with; empty for the baseline of the grid, from which a "
    "method that goes on training goes on in float32 too",
)
_TASK = Column("str", f"what the network is asked: {', '.join(TASKS)}; empty where it is not known yet")
_LOST = {
    "lost_negatives": Column(
        "str", "tensors that were negative in calibration and become 0, as their formats have no sign"
    )
}
_RAN_ON = {
    "device": Column("str", "cpu or gpu: what the trial ran on, or asks for and did not find"),
    "threads": Column("Int64", "threads of one operation that the trial had", "threads"),
    "cores": Column("Int64", "processors that its process could use", "cores"),
}


def spread_of(metric: Metric) -> str:
    """Return the column of results.csv that says how far the times of repeats lie apart."""
    return f"{metric.name}_spread"


def spreads() -> dict[str, Column]:
    """Return the columns of :func:`spread_of`, one for each time that is a cost."""
    return {
        spread_of(m): Column(
            "float64", f"largest less smallest {m.name} over the repeats, over the median", "fraction"
        )
        for m in METRICS.of("timed")
        if m.cost
    }


OPTIONAL = (
    *_OF_BASELINE,
    *("control", "task", *_LOST, *_RAN_ON, *spreads()),
    *(m.name for m in METRICS.values() if m.special or m.lacking),
)
"""Columns that a frame may lack: the analysis computes them, or they are empty."""

_TIMING = Column("str", "native, or emulated: then the times say nothing about hardware")
_BEFORE = {
    "trial": Column("str", "identity of the trial: 12 hexadecimal digits of the hash of its content"),
    "dataset": _IDENTITY["dataset"],
    "dataset_title": Column("str", "name of the dataset in words"),
    "task": _TASK,
    **{name: _IDENTITY[name] for name in ("architecture", "policy", "method", "training")},
    "control": _CONTROL,
    "seed": Column("Int64", "seed of initialisation and data order; the same seed is paired across policies"),
    "status": Column("str", ", ".join(STATUSES)),
    "reason": Column("str", "why the trial gave no result; empty when it did"),
}
_AFTER = {
    "repeats": Column("Int64", "runs of which each time is the median; 0 without a result", "runs"),
    "timing": _TIMING,
    "formats": Column("str", "the format of each part of the network, as text"),
    "shared": Column("bool", "another cell of the grid has the same trial"),
    "energy_source": Column(
        "str", "what counted the energy and what is left out; or 'not measurable here' and why"
    ),
    "machine": Column("str", "machine the trial ran on; times of different machines are not compared"),
}

_COUNTS = {
    **_IDENTITY,
    "task": _TASK,
    "control": _CONTROL,
    "n": Column("Int64", "seeds with a result", "runs"),
    "failed": Column("Int64", "seeds that ended without a result", "runs"),
    "skipped": Column("Int64", "seeds left out, because the machine lacked the device", "runs"),
    "pending": Column("Int64", "seeds not run yet", "runs"),
    "status": Column(
        "str",
        "ok when a seed has a result, otherwise the most frequent way to fail, or skipped, or pending",
    ),
}


def _paired(task: Task) -> dict[str, Column]:
    """Return the columns of summary.csv that compare the score of a task with that of the baseline."""
    low, high = task.ends
    taken = " as a share of the baseline's score" if task.relative else ""
    return {
        f"{task.difference}_mean": Column(
            "float64", f"mean paired difference to the baseline{taken}", "fraction"
        ),
        f"{task.difference}_ci95": Column(
            "float64",
            "half width of the 95 % interval over seeds and test images; empty below two",
            "fraction",
        ),
        low: Column(
            "float64",
            "least end of the 95 % interval of the difference: over seeds and test images where there are "
            "several seeds, otherwise over the test images, paired",
            "fraction",
        ),
        high: Column("float64", "its largest end", "fraction"),
        task.error: Column("float64", "standard error of the difference, likewise", "fraction"),
        task.freedom: Column("float64", "degrees of freedom of that error"),
        f"{task.untouched}_mean": Column(
            "float64", f"mean over seeds of {task.untouched}", METRICS[task.score].unit
        ),
    }


_PAIRED = {
    "test_images": Column("Int64", "images tested on", "images"),
    "pairs": Column("Int64", "seeds with a result both here and of the baseline", "pairs"),
    **{name: column for task in _SCORED for name, column in _paired(task).items()},
    CHANGED: Column("float64", f"mean over seeds of the {_CHANGED}", "images"),
    ALONE: Column("float64", f"mean over seeds of the {_ALONE}", "images"),
    "compared": Column("Int64", "formats that the p-values of this row are adjusted for", "formats"),
    "p_difference": Column("float64", "two-sided p of no difference to the baseline, adjusted"),
    "p_loss": Column("float64", "p of a loss of the tolerance or more, of the two-sided level, adjusted"),
    "p_gain": Column("float64", "p of a gain of as much or more, likewise"),
    "shown": Column("bool", "shown to lose less than the tolerance"),
    "verdict": Column("str", f"{', '.join(VERDICTS)}; empty where there is no pair"),
}
_PARETO = {
    "pareto": Column(
        "bool", "no format of this dataset, architecture, training and method is both smaller and as good"
    ),
}
_PLACE = {
    "timing": _TIMING,
    "machine": Column("str", "machine the seeds ran on; 'several' when they differ"),
}


class Columns(Mapping[str, Column]):
    """Columns by name, in their order; those of metrics are of the ones that are registered when one looks.

    Args:
        make: returns groups of columns, in their order.
    """

    def __init__(self, make: Callable[[], Iterable[Mapping[str, Column]]]) -> None:
        self._make = make

    def _all(self) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for group in self._make():
            for name in group:
                if name in found:
                    raise PrecisionError(f"two columns have the name {name!r}; give the metric another one")
            found |= group
        return found

    def __getitem__(self, name: str) -> Column:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _of_metrics(*kinds: Kind) -> dict[str, Column]:
    """Return the columns of results.csv that hold the metrics of these kinds."""
    return {m.name: Column(m.dtype, m.meaning, m.unit) for m in METRICS.of(*kinds)}


def _of_seeds(*kinds: Kind) -> dict[str, Column]:
    """Return the columns of summary.csv that hold statistics of the metrics of these kinds."""
    return {
        metric.column_of(statistic): Column(
            metric.dtype if statistic in ("first", "largest") else "float64",
            meaning or metric.meaning,
            metric.unit,
        )
        for metric in METRICS.of(*kinds)
        for statistic, meaning in metric.summary.items()
    }


COLUMNS = Columns(
    lambda: (
        _BEFORE,
        _of_metrics("quality"),
        _OF_BASELINE,
        _of_metrics("counted", "modelled", "measured", "timed"),
        spreads(),
        _AFTER,
        _LOST,
        _RAN_ON,
    )
)
SUMMARY_COLUMNS = Columns(
    lambda: (
        *(_COUNTS, _of_seeds("quality"), _PAIRED),
        *(_of_seeds("counted", "modelled"), _PARETO, _of_seeds("measured", "timed"), _PLACE),
    )
)


def _converted(frame: pd.DataFrame, name: str, dtype: Dtype) -> pd.Series:
    """Return one column in its dtype; missing text becomes empty, a missing flag False."""
    if name not in frame:
        empty = {"str": "", "bool": False}.get(dtype, float("nan"))
        return pd.Series(empty, index=frame.index, dtype=dtype)
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

    >>> import precision
    >>> from precision.analysis import COLUMNS, checked
    >>> list(checked(precision.load_results("grid.yaml"))) == list(COLUMNS)
    True
    """
    for name in COLUMNS:
        if name not in frame and name not in OPTIONAL:
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
