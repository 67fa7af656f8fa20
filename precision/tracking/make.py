"""The trackers of a run, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from precision.errors import PrecisionError
from precision.grid import Cell, Store
from precision.registry import TRACKERS, Factory
from precision.tracking.description import Describer
from precision.tracking.tool import Tool
from precision.tracking.tracker import Tracker


def needs(*packages: str) -> Callable[[Factory], Factory]:
    """Return a decorator that says which packages a tracker needs; one that is missing is told first."""

    def decorate(tracker: Factory) -> Factory:
        tracker.needs = packages  # type: ignore[attr-defined]
        return tracker

    return decorate


@TRACKERS.register("tensorboard")
@needs("tensorboard")
def tensorboard(folder: Path, grid_name: str) -> Tool:
    """TensorBoard's event files."""
    from precision.tracking.tensorboard import TensorBoard

    return TensorBoard(folder / "tensorboard", grid_name)


@TRACKERS.register("wandb")
@needs("wandb")
def wandb(folder: Path, grid_name: str) -> Tool:
    """Weights & Biases."""
    from precision.tracking.wandb import WeightsAndBiases

    return WeightsAndBiases(folder, grid_name)


@TRACKERS.register("mlflow")
@needs("mlflow", "sqlalchemy", "alembic")
def mlflow(folder: Path, grid_name: str) -> Tool:
    """MLflow."""
    from precision.tracking.mlflow import MLflow

    return MLflow(folder, grid_name)


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
        names: in the registry of trackers.
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
        _check_installed(name, getattr(TRACKERS[name], "needs", ()))
        folder = root.root.resolve() / "tracking"
        connect = partial(TRACKERS.call, name, Tool, folder, grid_name)
        trackers.append(Tracker(name, connect, describer))
    return trackers


def _check_installed(name: str, packages: tuple[str, ...]) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise PrecisionError(
                f"tracking with {name} needs the package {package}, which is not installed; "
                "pip install 'precision[tracking]'"
            )
