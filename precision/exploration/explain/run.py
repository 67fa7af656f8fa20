"""Explain a trial: every error of its network alone, and all errors but each one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from rich.console import Console

from precision.analysis.explained import KIND, VERSION
from precision.analysis.explanation import Explanation, Flips, Scores
from precision.data import Dataset
from precision.errors import PrecisionError
from precision.exploration.explain.errors import Measured, divided, measured, most_steps
from precision.exploration.explain.passes import Passes
from precision.exploration.explain.served import check
from precision.exploration.explain.subject import Subject, in_words, settings_of, subject
from precision.exploration.explain.tensors import histograms
from precision.exploration.journal import Journal, Row
from precision.grid import Store
from precision.grid.execution.provenance import provenance
from precision.grid.progress.steps import Steps
from precision.measure.machine.environment import together
from precision.methods.restored import Restoring
from precision.tasks import CLASSIFICATION, Task
from precision.trial import TrialResult


def explain(
    result: TrialResult,
    bench: Restoring,
    store: Store,
    *,
    images: int | None = None,
    quiet: bool = False,
) -> Explanation:
    """Say of what a trial loses which error of which layer takes it; what is stored is not repeated.

    Args:
        result: of the trial, with its predictions where there are any.
        bench: with the weights of the store.
        store: which holds the trial, and keeps what is measured.
        images: the first so many test images; None for all.
        quiet: show no progress.

    Raises:
        PrecisionError: for a trial that cannot be explained, or more images than there are.
        KeyboardInterrupt: on Ctrl-C; what was measured is kept.
    """
    check(result.trial)
    dataset = bench.dataset(result.trial.dataset)
    count = _checked_images(images, dataset)
    found = subject(result, bench, store)
    task = dataset.asks
    passes = Passes(found.model, dataset.x_test, dataset.y_test, count, task)
    store.create()
    about = {"version": VERSION, "trial": result.trial.id, "images": count}
    network, policy = in_words(result.trial)
    more = {"network": network, "policy": policy, "task": task.name, "content": result.trial.to_json()}
    more |= {"environment": together([provenance(result.trial)])}
    console = Console(stderr=True, quiet=quiet)
    with (
        Journal(store.root, KIND, about, more) as journal,
        Steps(most_steps(found.errors), console) as steps,
    ):
        seen = measured(passes, found.errors, settings_of(found.model), journal, steps)
        scores, differing = _scores(result, found, seen, count, task)
        if not math.isfinite(scores.rounded + scores.unrounded):
            raise PrecisionError(
                f"trial {result.trial.id} returns no finite number for some test images, so that what it "
                "loses cannot be divided"
            )
        causes, frame, others = divided(seen, task, scores.baseline)
        _keep(journal, scores, differing, found.baseline, causes, frame, others)
        environment = journal.about.get("environment", {})
    return Explanation(
        trial=result.trial.id,
        network=network,
        policy=policy,
        task=task.name,
        images=count,
        scores=scores,
        causes=causes,
        frame=frame,
        others=others,
        differing=differing,
        baseline=found.baseline,
        histograms=histograms(seen.rounded),
        flips=_flips(dataset, found.before, seen, count),
        environment=environment,
    )


def _scores(
    result: TrialResult, found: Subject, seen: Measured, count: int, task: Task
) -> tuple[Scores, int | None]:
    """Return the scores of the networks, and how many predictions are not those that are stored."""
    targets = found.dataset.y_test[:count]
    unrounded = seen.free.metrics[task.score]
    baseline = unrounded if found.before is None else task.scored(found.before[:count], targets)
    stored, differing = math.nan, None
    if result.predictions is not None:
        before = result.predictions[:count]
        stored = task.scored(before, targets)
        apart = before != seen.whole.predictions
        differing = int((apart if apart.ndim == 1 else apart.any(axis=1)).sum())
    return Scores(baseline, unrounded, seen.whole.metrics[task.score], stored), differing


def _flips(dataset: Dataset, before: np.ndarray | None, seen: Measured, count: int) -> Flips | None:
    """Return the images that the two networks give different classes."""
    if dataset.asks is not CLASSIFICATION:
        return None
    was = seen.free.predictions if before is None else before[:count]
    now, truth = seen.whole.predictions, dataset.y_test[:count]
    number = np.flatnonzero(was != now)
    names = np.array([*dataset.class_names, "none"])

    def named(classes: np.ndarray) -> np.ndarray:
        return names[np.minimum(classes[number].astype(np.int64), len(names) - 1)]

    lost, won = (was == truth) & (now != truth), (was != truth) & (now == truth)
    images = dataset.x_test[number] if dataset.x_test.ndim == 4 else None
    return Flips(number, named(truth), named(was), named(now), images, int(lost.sum()), int(won.sum()))


def _keep(
    journal: Journal,
    scores: Scores,
    differing: int | None,
    baseline: str,
    causes: Mapping[str, float],
    frame: pd.DataFrame,
    others: float,
) -> None:
    """Append the errors and, as the end of them, what they add up to, unless the rows end with these."""
    end = {"scores": list(scores), "causes": dict(causes), "others": others}
    rows: list[Row] = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    rows.append({**end, "differing": differing, "baseline": baseline})
    if repr(journal.rows[-len(rows) :]) == repr(rows):  # equal where there is NaN too
        return
    for row in rows:
        journal.append(row)


def _checked_images(images: int | None, dataset: Dataset) -> int:
    there = len(dataset.x_test)
    if images is not None and images < 1:
        raise PrecisionError(f"--images must be a whole number above 0, but got {images}")
    if images is not None and images > there:
        raise PrecisionError(f"{dataset.title} has {there} test images, but --images is {images}")
    return images or there
