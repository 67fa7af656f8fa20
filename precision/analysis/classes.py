"""What became of each class: of the baseline of a network, and of the formats that cost it most."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from precision.analysis.results import Results
from precision.errors import PrecisionError

NETWORKS, COMPARED = 4, 2  # that are looked at, and runs of each beside its baseline
KEPT = 0.5  # share of the baseline's accuracy below which a network says nothing any more


@dataclass(frozen=True)
class Classes:
    """Means over the seeds of a run.

    Attributes:
        name: of the run.
        confusion: images of a class (row) by what was predicted, float64 (classes, classes + 1); see
            ``tasks.by_class``.
        auc: areas under the curves, (classes,).
        roc: the curves, (classes, rates), averaged at equal false positive rates.

    >>> import numpy as np
    >>> from precision.analysis import Classes
    >>> run = Classes("float32", np.array([[9, 1, 0], [0, 10, 0]]), np.ones(2), np.ones((2, 66)))
    >>> float(np.trace(run.confusion) / run.confusion.sum())
    0.95
    """

    name: str
    confusion: np.ndarray
    auc: np.ndarray
    roc: np.ndarray


def by_class(results: Results) -> dict[str, list[Classes]]:
    """Return for each network, by its name, what its baseline and some other runs say of each class.

    These are the ``COMPARED`` least accurate of those that keep ``KEPT`` of the baseline's accuracy. A run of
    which nothing is stored is left out, and so is a network of which the baseline has nothing.

    >>> import precision
    >>> from precision.analysis import by_class
    >>> by_class(precision.run("grid.yaml", output="report", quiet=True))  # of older results
    {}
    """
    cells = results.cells()
    cells = cells[(cells["status"] == "ok") & cells["accuracy"].notna()]
    found: dict[str, list[Classes]] = {}
    for (dataset, architecture), rows in cells.groupby(["dataset", "architecture"], sort=False):
        runs = _runs(results, rows) if len(found) < NETWORKS else []
        if runs:
            found[f"{dataset}, {architecture}"] = runs
    return found


def _runs(results: Results, rows: pd.DataFrame) -> list[Classes]:
    is_baseline = (rows["policy"] == results.settings.baseline) & (rows["control"] == "")
    baseline = _mean(results, results.settings.baseline, rows[is_baseline])
    if baseline is None:
        return []
    others = rows[~is_baseline & (rows["policy"] != results.settings.baseline)]
    means = others.groupby(["policy", "method", "training"], sort=False)["accuracy"].mean()
    enough = means[means >= KEPT * rows[is_baseline]["accuracy"].mean()].sort_values(kind="stable")
    several = others["method"].nunique() > 1
    runs = [baseline]
    for policy, method, training in enough.index:
        if len(runs) > COMPARED:
            break
        own = (others["policy"] == policy) & (others["method"] == method) & (others["training"] == training)
        name = " ".join(part for part in (policy, method if several else "", training) if part)
        run = _mean(results, name, others[own])
        if run is not None and run.confusion.shape == baseline.confusion.shape:
            runs.append(run)
    return runs


def _mean(results: Results, name: str, rows: pd.DataFrame) -> Classes | None:
    stored = [found for trial in rows["trial"].unique() if (found := _stored(results, trial))]
    if not stored:
        return None
    means = {part: np.mean([found[part] for found in stored], axis=0) for part in ("confusion", "auc", "roc")}
    return Classes(name, **means)


def _stored(results: Results, trial: str) -> Mapping[str, np.ndarray]:
    if results.by_class is None:
        return {}
    try:
        return results.by_class(trial)
    except FileNotFoundError:
        return {}
    except (OSError, PrecisionError) as error:
        warnings.warn(str(error), stacklevel=2)
        return {}
