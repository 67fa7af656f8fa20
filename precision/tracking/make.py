"""The trackers of a run, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from precision.errors import PrecisionError, unknown
from precision.grid import Cell, Store
from precision.tracking.description import Describer
from precision.tracking.tool import Tool
from precision.tracking.tracker import Tracker


def _tensorboard(folder: Path, grid_name: str) -> Tool:
    from precision.tracking.tensorboard import TensorBoard

    return TensorBoard(folder / "tensorboard", grid_name)


def _wandb(folder: Path, grid_name: str) -> Tool:
    from precision.tracking.wandb import WeightsAndBiases

    return WeightsAndBiases(folder, grid_name)


def _mlflow(folder: Path, grid_name: str) -> Tool:
    from precision.tracking.mlflow import MLflow

    return MLflow(folder, grid_name)


# Name of the tracker, also that of its package; the tool; what else it needs.
TRACKERS: dict[str, tuple[Callable[[Path, str], Tool], tuple[str, ...]]] = {
    "tensorboard": (_tensorboard, ()),
    "wandb": (_wandb, ()),
    "mlflow": (_mlflow, ("sqlalchemy", "alembic")),
}


def make(
    names: Sequence[str],
    store: Store | str | Path,
    grid_name: str,
    cells: Sequence[Cell] = (),
    *,
    weights: bool = False,
) -> list[Tracker]:
    """Return a watcher per named tool, each a context that has to be left, or closed, at the end of the run.

    Args:
        names: of TRACKERS.
        store: of the results, or its folder; what the tools write lies in its folder ``tracking``.
        grid_name: project, experiment or folder in the tool.
        cells: whose labels name the trials.
        weights: whether the trained weights are kept as artifacts too.

    Raises:
        PrecisionError: for a name that is not known, and for a package that is not installed.

    >>> from precision.tracking import make
    >>> for tracker in make(["tensorboard"], "runs", "grid"):
    ...     with tracker:
    ...         print(tracker.name)
    tensorboard
    """
    root = store if isinstance(store, Store) else Store(store)
    describer = Describer(root, cells, weights)
    trackers = []
    for name in dict.fromkeys(names):
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
        connect, also = TRACKERS[name]
        _check_installed(name, also)
        folder = root.root.resolve() / "tracking"
        trackers.append(Tracker(name, partial(connect, folder, grid_name), describer))
    return trackers


def _check_installed(name: str, also: tuple[str, ...]) -> None:
    for package in (name, *also):
        if importlib.util.find_spec(package) is None:
            raise PrecisionError(
                f"tracking with {name} needs the package {package}, which is not installed; "
                "pip install 'precision[tracking]'"
            )
