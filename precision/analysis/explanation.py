"""Why a format loses: the points that each error in each tensor takes, which add up to the whole loss.

An error of one kind in one slot of one layer is measured *alone*, with no other error in the network, and by
what is *restored* when it alone is taken from the rounded network. Neither adds up to the whole: errors hide
behind each other, add to each other and make up for each other. What adds up is the value of L. S. Shapley
(1953, "A Value for n-Person Games"): the mean of what an error takes when it joins a set of others, over all
orders in which they may join. It is computed exactly, over every set, twice:

- with the kinds of errors as players, each in all tensors at once;
- with the few errors that take most as players, and all others together as one more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from precision.analysis.columns import Column
from precision.tasks import Task, named

CAUSES = ("overflow", "underflow", "rounding", "accumulation")
PLAYERS = 5  # errors that have a part of their own: every set of them is evaluated
_POINTS = "percentage points, or per cent of the RMSE"

EXPLANATION_COLUMNS: dict[str, Column] = {
    "layer": Column("str", "layer of the tensor"),
    "slot": Column("str", "weights, biases, activations, inputs, or accumulators, the sums of the layer"),
    "setting": Column("str", "how it is rounded"),
    "cause": Column("str", "overflow, underflow, rounding or accumulation"),
    "share": Column(
        "float64", "values of the tensor that suffer it in the rounded network; empty for sums", "fraction"
    ),
    "alone": Column("float64", "lost when this error alone is there", _POINTS),
    "restored": Column("float64", "no longer lost when this error alone is not there", _POINTS),
    "part": Column("float64", "its part of the loss; empty for those that are taken together", _POINTS),
    "alone_loss": Column("float64", "rise of what training minimises when it alone is there", "nat"),
    "restored_loss": Column("float64", "fall of it when it alone is not there", "nat"),
}


class Scores(NamedTuple):
    """What networks score on the same test images.

    Attributes:
        baseline: the float32 network that the trial is compared with.
        unrounded: the network of the trial, with every error switched off.
        rounded: the same with every error on.
        stored: what the store says of the trial on these images; NaN where it says nothing.
    """

    baseline: float
    unrounded: float
    rounded: float
    stored: float


@dataclass(frozen=True)
class Histogram:
    """The magnitudes of a tensor in units of its format, counted by powers of two.

    Attributes:
        layer, slot, setting: of the tensor.
        edges: exponents of two between which is counted, ascending, (n + 1,).
        counts: values between two edges, (n,).
        zeros: values that are zero.
        values: magnitudes that the format has in these units, ascending; empty where they are too many.
        overflow, underflow: shares of all values that overflow, and that become zero.
    """

    layer: str
    slot: str
    setting: str
    edges: np.ndarray
    counts: np.ndarray
    zeros: int
    values: np.ndarray
    overflow: float
    underflow: float


@dataclass(frozen=True)
class Flips:
    """Test images that the baseline and the rounded network give different classes.

    Attributes:
        number: of the image among the test images, (n,).
        truth, before, after: names of classes, (n,).
        images: (n, H, W, C) as the data set has them; None of vectors.
        lost, won: how many are right before alone, and after alone.
    """

    number: np.ndarray
    truth: np.ndarray
    before: np.ndarray
    after: np.ndarray
    images: np.ndarray | None
    lost: int
    won: int


@dataclass(frozen=True)
class Explanation:
    """Why the format of a trial loses what it loses.

    Attributes:
        trial: its id.
        network: data set, architecture, method and seed, in words.
        policy: in words.
        task: name of what the network is asked.
        images: how many test images, the first ones.
        scores: of the whole networks.
        causes: the part of each kind of error, over all tensors.
        frame: the errors, with ``EXPLANATION_COLUMNS``, those that take most first.
        others: the part of those that have none of their own.
        differing: images of which the stored prediction is another one than that of the network here; None
            where no predictions are stored.
        baseline: which float32 network the trial is compared with, in words.
        histograms: of weights and activations.
        flips: None where nothing is told apart.
        environment: where and with what it was measured.
    """

    trial: str
    network: str
    policy: str
    task: str
    images: int
    scores: Scores
    causes: Mapping[str, float]
    frame: pd.DataFrame
    others: float
    differing: int | None = None
    baseline: str = ""
    histograms: tuple[Histogram, ...] = ()
    flips: Flips | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def asks(self) -> Task:
        """What the network is asked."""
        return named(self.task)

    @property
    def whole(self) -> float:
        """What the trial loses against its baseline, in points."""
        return points(self.asks, self.scores.rounded, self.scores.baseline)

    @property
    def before(self) -> float:
        """What its network loses before anything is rounded: it is another one, or folded."""
        return points(self.asks, self.scores.unrounded, self.scores.baseline)


def points(task: Task, score: float, baseline: float) -> float:
    """Return what a score loses, in percentage points, or of a regression in per cent of the baseline's.

    It is linear in the score, so that differences between scores add up.
    """
    return float(task.loss_of(task.differs(score, baseline)))


class Reading(NamedTuple):
    """Score of a network, and the mean of what training minimises."""

    score: float
    loss: float


class Error(NamedTuple):
    """What was measured of one error.

    Attributes:
        layer, slot, setting, cause, share: as in ``EXPLANATION_COLUMNS``.
        alone: of the network with this error and no other of its kind.
        without: of that with all but this one.
        none, every: of that with none of them, and with all.
    """

    layer: str
    slot: str
    setting: str
    cause: str
    share: float
    alone: Reading
    without: Reading
    none: Reading
    every: Reading


def table(task: Task, baseline: float, measured: Sequence[Error]) -> pd.DataFrame:
    """Return errors with ``EXPLANATION_COLUMNS``, those first that do most, by the mean of their two numbers.

    None has a part yet.

    Args:
        baseline: score of the network against which is lost.

    >>> from precision.tasks import CLASSIFICATION
    >>> none, every = Reading(0.99, 0.03), Reading(0.90, 0.40)
    >>> alone, without = Reading(0.95, 0.2), Reading(0.96, 0.2)
    >>> error = Error("conv", "weights", "int(4)", "rounding", 1.0, alone, without, none, every)
    >>> table(CLASSIFICATION, 0.99, [error])[["alone", "restored"]].round(3).values.tolist()
    [[4.0, 6.0]]
    """
    rows = []
    for one in measured:
        none, every, lost, rest = (
            points(task, reading.score, baseline) for reading in (one.none, one.every, one.alone, one.without)
        )
        rows.append(
            {
                **{name: getattr(one, name) for name in ("layer", "slot", "setting", "cause", "share")},
                "alone": lost - none,
                "restored": every - rest,
                "part": math.nan,
                "alone_loss": one.alone.loss - one.none.loss,
                "restored_loss": one.every.loss - one.without.loss,
            }
        )
    frame = pd.DataFrame(rows, columns=list(EXPLANATION_COLUMNS))
    # Of errors that take as many images, the one that raises the loss more comes first.
    size = (frame["alone"] + frame["restored"]).abs()
    order = frame.assign(size=size, rise=frame["alone_loss"] + frame["restored_loss"])
    order = order.sort_values(["size", "rise"], ascending=False, kind="stable", na_position="first")
    return frame.loc[order.index].reset_index(drop=True)


def players(frame: pd.DataFrame) -> int:
    """Return how many of the errors of a table, the first ones, get a part of their own."""
    does = (frame["alone"] != 0) | (frame["restored"] != 0)
    return int(does.head(PLAYERS).sum()) if does.any() else 0


def with_parts(frame: pd.DataFrame, values: Sequence[float]) -> pd.DataFrame:
    """Return a table whose first errors have these parts, the largest first."""
    first = frame.head(len(values)).assign(part=list(values))
    first = first.sort_values("part", ascending=False, kind="stable", na_position="first")
    rest = frame.iloc[len(values) :]
    return pd.concat([first, rest], ignore_index=True) if len(rest) else first.reset_index(drop=True)
