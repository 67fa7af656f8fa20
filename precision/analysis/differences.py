"""Pairing with the baseline: differences per run, and the rows that one table compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from precision.analysis.columns import ALONE, CHANGED
from precision.analysis.images import Labels, Pair, Predictions, over_images
from precision.tasks import TASKS, Task

PAIR = ["dataset", "architecture", "training", "seed"]
CONTROL = [*PAIR, "control"]
"""What a run has in common with the baseline run that it is compared with."""


class Block(NamedTuple):
    """What one table is about. Methods never share a table: they answer different questions.

    >>> from precision.analysis import Block
    >>> Block(dataset="digits", training="", method="ptq").method
    'ptq'
    """

    dataset: str
    training: str
    method: str


def with_differences(
    frame: pd.DataFrame,
    baseline: str,
    predictions: Predictions | None = None,
    labels: Labels | None = None,
) -> pd.DataFrame:
    """Return the frame with ``baseline_accuracy``, ``accuracy_difference`` and ``untouched_accuracy``.

    And with ``baseline_rmse`` and so on of regressions, whose differences are shares of the baseline's RMSE.
    A run is paired with the baseline run of its dataset, architecture, training, seed and control, the
    float32 training that it is compared with: that of its own method if there is one, otherwise that of
    any method. Without such a run, or when either of the two has no result, the difference is NaN. Where
    the control went on from the baseline of the grid, that is the untouched one.

    Args:
        predictions: what the interval of each difference over the test images is made of.
        labels: which of them are right, where that is known.

    >>> import precision
    >>> from precision.analysis import with_differences
    >>> frame = with_differences(precision.load_results("grid.yaml"), "float32")
    >>> frame.groupby("policy", sort=False)["accuracy_difference"].mean().round(2).to_dict()
    {'float32': 0.0, 'fixed8': -0.01, 'fixed4': -0.42}
    """
    found = _with_control(frame)
    for task in {task.score: task for task in TASKS.values()}.values():
        if task.score in found:
            found = _compared(found, baseline, task, predictions, labels)
    return found


def _compared(
    frame: pd.DataFrame,
    baseline: str,
    task: Task,
    predictions: Predictions | None,
    labels: Labels | None,
) -> pd.DataFrame:
    """Return the frame with the columns that compare the score of a task."""
    score = task.score
    usable = frame[(frame["policy"] == baseline) & (frame["status"] == "ok") & frame[score].notna()]
    reference = _looked_up(score, usable, frame, [*CONTROL, "method"])
    reference = reference.fillna(_looked_up(score, usable, frame, CONTROL))
    untouched = _looked_up(score, usable[usable["control"] == ""], frame, PAIR)
    scores = frame[score].where(frame["status"] == "ok")
    names: dict[str, Any] = dict.fromkeys([*task.ends, task.error, task.shared], "float64")
    names |= {} if task.relative else {CHANGED: "Int64", ALONE: "Int64"}
    found = frame.assign(
        **{
            task.baseline: reference,
            task.difference: task.differs(
                scores, reference.where(reference != 0) if task.relative else reference
            ),
            task.untouched: untouched.where(frame["control"] != ""),
            **{name: pd.Series(np.nan, frame.index, dtype) for name, dtype in names.items()},
        }
    )
    if predictions is not None:
        compared = _looked_up("trial", usable, frame, [*CONTROL, "method"])
        compared = compared.fillna(_looked_up("trial", usable, frame, CONTROL))
        pairs = found[found[task.difference].notna() & (found["policy"] != baseline)]
        told = over_images(_pairs(pairs, compared, task), task, predictions, labels)
        told = told.rename(columns={"changed": CHANGED, "alone": ALONE})
        for name, dtype in names.items():
            found[name] = told[name].reindex(found.index).astype(dtype)
    return found


def _pairs(runs: pd.DataFrame, compared: pd.Series, task: Task) -> Iterator[list[Pair]]:
    """Yield the seeds of each cell beside what they are compared with."""
    for _, cell in runs.groupby([*PAIR[:-1], "policy", "method"], sort=False):
        yield [
            Pair(row, trial, compared[row], difference)
            for row, trial, difference in zip(cell.index, cell["trial"], cell[task.difference], strict=True)
        ]


def _with_control(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the column ``control``, which one may lack."""
    return frame if "control" in frame else frame.assign(control="")


def _looked_up(name: str, runs: pd.DataFrame, frame: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return for each row of the frame the value of the first of the runs that agrees in the keys."""
    dtype = "object" if name == "trial" else "float64"
    if runs.empty:  # of a task that no network here is asked
        return pd.Series(np.nan, frame.index, dtype=dtype)
    known = runs.drop_duplicates(keys).set_index(keys)[name]
    found = known.reindex(pd.MultiIndex.from_frame(frame[keys]))
    return pd.Series(found.to_numpy(dtype=dtype), frame.index)


def blocks(frame: pd.DataFrame, baseline: str) -> list[Block]:
    """Return every (dataset, training, method) to tabulate, each axis in order of first appearance.

    A method that has the baseline policy alone is no block: its runs are the baseline of the others.
    When there is nothing but the baseline, its methods are the blocks.

    >>> import precision
    >>> from precision.analysis import blocks
    >>> blocks(precision.load_results("grid.yaml"), "float32")
    [Block(dataset='digits', training='', method='ptq')]
    """
    compared = frame[frame["policy"] != baseline]
    if compared.empty:
        compared = frame
    present = set(zip(compared["dataset"], compared["training"], compared["method"], strict=True))
    return [
        Block(dataset, training, method)
        for dataset in frame["dataset"].unique()
        for training in frame["training"].unique()
        for method in frame["method"].unique()
        if (dataset, training, method) in present
    ]


def rows_of(frame: pd.DataFrame, block: Block, baseline: str) -> pd.DataFrame:
    """Return the rows of a block together with the baseline rows that it is compared with.

    A baseline run recorded under another method only joins the block, if it has the control of a run
    there (the same trial serves all methods that do not train); nothing else of another method does.

    >>> import precision
    >>> from precision.analysis import Block, rows_of
    >>> frame = precision.load_results("grid.yaml")
    >>> len(rows_of(frame, Block("digits", "", "ptq"), "float32"))
    6
    """
    # Each selection from the frame itself would take a hundred columns along.
    keys = _with_control(frame)[[*CONTROL, "policy", "method"]].reset_index(drop=True)
    here = keys[(keys["dataset"] == block.dataset) & (keys["training"] == block.training)]
    own = here[here["method"] == block.method]
    elsewhere = (here["policy"] == baseline) & (here["method"] != block.method)
    references = here[elsewhere].drop_duplicates(CONTROL)
    have = pd.MultiIndex.from_frame(own.loc[own["policy"] == baseline, CONTROL])
    compared = pd.MultiIndex.from_frame(own[["architecture", "control"]].drop_duplicates())
    wanted = pd.MultiIndex.from_frame(references[["architecture", "control"]]).isin(compared)
    missing = wanted & ~pd.MultiIndex.from_frame(references[CONTROL]).isin(have)
    return _with_control(frame).iloc[[*own.index, *references.index[missing]]].sort_index()
