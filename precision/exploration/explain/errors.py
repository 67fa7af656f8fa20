"""Measure every error of a network alone, all but each, and every set of those that matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from precision.analysis.explanation import (
    CAUSES,
    PLAYERS,
    Error,
    Reading,
    players,
    points,
    table,
    with_parts,
)
from precision.analysis.shapley import shapley
from precision.exploration.explain.passes import Passes, everything, nothing
from precision.exploration.explain.tensors import Seen, Tensor
from precision.exploration.journal import Journal, Row
from precision.grid.progress.steps import Steps
from precision.methods.evaluation import Evaluation
from precision.quantization.switched import ACCUMULATION
from precision.tasks import Task

Key = tuple[str, str, str]  # layer, slot, kind of error
Tensors = Mapping[tuple[str, str], Tensor]


def most_steps(keys: Sequence[Key]) -> int:
    """Return how many readings an explanation takes at most, with those of the whole networks."""
    kinds = len({cause for _, _, cause in keys})
    return 2 + 2 * len(keys) + 2**kinds + 2 ** (min(len(keys), PLAYERS) + 1)


class Reader:
    """Reads the scores of networks with some errors on; from a journal what is there.

    Attributes:
        keys: the errors of the network.
        none, every: the readings without any error, and with all.

    Args:
        journal: where every reading is kept; None for nowhere.
        steps: told of each; None for none.
    """

    def __init__(
        self,
        passes: Passes,
        journal: Journal | None,
        steps: Steps | None,
        keys: Sequence[Key],
        none: Reading,
        every: Reading,
    ) -> None:
        self._passes, self._journal, self._steps = passes, journal, steps
        self.keys, self.none, self.every = tuple(keys), none, every
        rows = journal.rows if journal else []
        self._known = {row["on"]: Reading(row["score"], row["loss"]) for row in rows if "on" in row}
        self._known |= {self._name(frozenset()): none, self._name(frozenset(keys)): every}

    def read(self, on: frozenset[Key], what: str) -> Reading:
        """Return the reading of the network with some errors on.

        Args:
            what: is read, in words.
        """
        name = self._name(on)
        if name in self._known:
            self.skip()
            return self._known[name]
        found = reading(self._passes.judged(lambda *key: key in on), self._passes.task)
        self._known[name] = found
        if self._journal is not None:
            row: Row = {"on": name, "score": found.score, "loss": found.loss}
            self._journal.append(row)
        if self._steps is not None:
            self._steps.step(f"{what}: {self._passes.task.said(found.score)}")
        return found

    def skip(self) -> None:
        """Count a reading that is known."""
        if self._steps is not None:
            self._steps.skip(1)

    def _name(self, on: frozenset[Key]) -> str:
        """Return a text for a set of errors: a digit for each of the network, in hexadecimal."""
        return f"{sum(1 << place for place, key in enumerate(self.keys) if key in on):x}"


def reading(judged: Evaluation, task: Task) -> Reading:
    """Return score and loss of an evaluation."""
    return Reading(judged.metrics[task.score], judged.loss)


@dataclass(frozen=True)
class Measured:
    """What was measured of a network.

    Attributes:
        free, whole: the network without any error, and with all.
        rounded: its tensors with all errors, and their magnitudes.
        errors: each of them alone, and all but each.
        reader: that reads any other set of them.
    """

    free: Evaluation
    whole: Evaluation
    rounded: Tensors
    errors: list[Error]
    reader: Reader


def measured(
    passes: Passes,
    keys: Sequence[Key],
    settings: Mapping[tuple[str, str], str],
    journal: Journal | None = None,
    steps: Steps | None = None,
) -> Measured:
    """Measure a network whose errors have switches, whole and each of them.

    Args:
        keys: its errors.
        settings: how each layer and slot is rounded, in words.
        journal, steps: as of :class:`Reader`.
    """
    evaluations, tensors = [], []
    for on, what in ((nothing, "the network without rounding"), (everything, "the rounded network")):
        evaluations.append(passes.judged(on))
        seen = Seen(magnitudes=on is everything)
        passes.watched(on, seen)
        tensors.append(seen.tensors)
        if steps is not None:
            steps.step(what)
    free, whole = evaluations
    readings = (reading(judged, passes.task) for judged in evaluations)
    reader = Reader(passes, journal, steps, keys, *readings)
    return Measured(free, whole, tensors[1], errors(reader, settings, *tensors), reader)


def errors(
    reader: Reader, settings: Mapping[tuple[str, str], str], exact: Tensors, rounded: Tensors
) -> list[Error]:
    """Measure each error alone, and all but each.

    What no value suffers changes nothing, and is not evaluated: with an error alone its tensor is that of the
    network without rounding, and with all but this one it is that of the rounded network.

    Args:
        exact, rounded: the tensors of these two.
    """
    found = []
    for key in reader.keys:
        layer, slot, cause = key
        sums = cause == ACCUMULATION
        what = f"{cause} of the {slot} of {layer}"
        alone, without = reader.none, reader.every
        if touches := sums or bool(exact[layer, slot].suffer[cause]):
            alone = reader.read(frozenset({key}), f"{what} alone")
        else:
            reader.skip()
        if also := sums or bool(rounded[layer, slot].suffer[cause]):
            without = reader.read(frozenset(reader.keys) - {key}, f"all but {what}")
        else:
            reader.skip()
        if touches or also:
            share = math.nan if sums else rounded[layer, slot].share(cause)
            text = settings[layer, slot]
            found.append(Error(layer, slot, text, cause, share, alone, without, reader.none, reader.every))
    return found


def divided(found: Measured, task: Task, baseline: float) -> tuple[dict[str, float], pd.DataFrame, float]:
    """Divide what a network loses: by kinds of errors, and among the errors that take most.

    Args:
        baseline: score of the network against which is lost.

    Returns:
        the part of each kind; the errors as ``analysis.explanation`` has them; the part of the others.
    """

    reader = found.reader

    def game(teams: Sequence[frozenset[Key]], what: str) -> list[float]:
        def worth(some: frozenset[int]) -> float:
            on = frozenset().union(*(teams[number] for number in some))
            return points(task, reader.read(on, what).score, baseline)

        return shapley(worth, len(teams))

    kinds = [cause for cause in CAUSES if any(key[2] == cause for key in reader.keys)]
    by_kind = [frozenset(key for key in reader.keys if key[2] == cause) for cause in kinds]
    causes = dict(zip(kinds, game(by_kind, "some kinds of errors"), strict=True))
    frame = table(task, baseline, found.errors)
    singles = [
        frozenset({(str(row.layer), str(row.slot), str(row.cause))})
        for row in frame.head(players(frame)).itertuples()
    ]
    rest = frozenset(reader.keys).difference(*singles)
    values = game([*singles, rest] if rest else singles, "some of the errors that take most")
    return causes, with_parts(frame, values[: len(singles)]), values[-1] if rest else 0.0
