"""The process on a node of a cluster that runs trials: the worker of one machine, with a store of its own.

Nothing of the parent's files is needed on the node: what a trial starts from arrives as bytes, and what it
leaves is sent back as bytes. Importable without Ray, which is met only in a process that Ray has started.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import platform
import shutil
import signal
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import architectures
from precision import data, formats, methods, quantization
from precision.files import make_folder, write, write_folder
from precision.grid.execution import worker
from precision.grid.execution.worker import Setup
from precision.grid.store import Store
from precision.trial import NUMERICS_VERSION, Trial

Files = dict[str, np.ndarray]
"""Names and bytes (as uint8) of the files of one folder: Ray hands arrays over without copying them."""

LOOK = 0.2  # seconds between two looks at the memory of this process


@dataclass(frozen=True)
class Prepared:
    """Where a process is ready to run trials, and what has to be the same everywhere."""

    node_id: str
    host: str
    same: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What is sent back of a trial that ran to its end, with any status.

    Attributes:
        size: resident bytes of the process.
        files: result.json, predictions and weights.
    """

    size: int
    files: Files


class Remote:
    """A process of the cluster, which keeps what the next trial of its network can use; a Ray actor.

    Args:
        setup: as on one machine; its store and its data sets are replaced by folders of the node.
        run_id: of the run, which names its folder on every node.
        post: the actor that takes news home.
        number: of this worker, by which the parent knows where news come from.
        memory_limit: resident bytes above which this process ends itself; None for no limit but Ray's.
    """

    def __init__(self, setup: Setup, run_id: str, post: Any, number: int, memory_limit: int | None) -> None:
        self._setup, self._post, self._number = setup, post, number
        self._limit = memory_limit
        self._folder = scratch(run_id)
        self._store = Store(self._folder / f"store-{uuid.uuid4().hex}")
        self._last: Any = None
        self._report("placed", "", {})

    def prepare(self, choice: str, files: Files | None, name: str) -> Prepared:
        """Load what running trials needs.

        Args:
            choice: text of the data set's choice.
            files: its arrays; None where the node has to find the data set itself.
            name: of their folder.
        """
        self._store.create()
        atexit.register(shutil.rmtree, self._store.root, ignore_errors=True)
        datasets = {choice: unpacked(files, self._folder / name)} if files is not None else {}
        same = fingerprint()
        setup = replace(self._setup, store=self._store.root, datasets={**self._setup.datasets, **datasets})
        worker.start(setup, self._report)
        if self._limit is not None:
            threading.Thread(target=self._weigh, name="memory", daemon=True).start()
        import ray

        return Prepared(ray.get_runtime_context().get_node_id(), platform.node(), same)

    def work(self, trial: Trial, attempt: int, weights: np.ndarray | None) -> Outcome:
        """Run one trial, for the ``attempt``-th time.

        Args:
            trial: what to run.
            attempt: how often it was begun, this time included.
            weights: content of the file of its baseline's weights; None where it starts from none.
        """
        self._report("begun", trial.id, {})
        self._delivered()  # or else a process that dies at once would seem to have died idle
        start = self._store.weights(trial.baseline.id)
        if weights is not None and not start.exists():
            make_folder(start.parent)
            write(start, weights.tofile)
        _, size = worker.work(trial.to_json(), attempt)
        folder, trained = self._store.folder(trial.id), self._store.weights(trial.id)
        files = packed(folder)
        for path in folder.iterdir():
            if path.is_file() and path != trained:  # from which other trials of this process may start
                path.unlink()
        self._delivered()  # what was told on the way is there before the result
        return Outcome(size, files)

    def ping(self) -> None:
        """Answer."""

    def _delivered(self, seconds: float = 10.0) -> None:
        import ray

        with contextlib.suppress(Exception):
            ray.get(self._last, timeout=seconds)

    def _report(self, kind: str, trial_id: str, row: dict[str, float]) -> None:
        # The call returns at once; should the parent's side be gone, then so is soon this process.
        with contextlib.suppress(Exception):
            self._last = self._post.put.remote((self._number, kind, trial_id, row))

    def _weigh(self) -> None:
        process = psutil.Process()
        while (size := process.memory_info().rss) <= (self._limit or size):
            time.sleep(LOOK)
        self._report("large", "", {"memory_bytes": float(size)})
        self._delivered(0.5)  # in which it may grow further
        os.kill(os.getpid(), signal.SIGKILL)


class Post:
    """Where the processes of the cluster leave news for the parent; a Ray actor beside it."""

    def __init__(self) -> None:
        self._news: list[tuple[int, str, str, dict[str, float]]] = []

    def put(self, news: tuple[int, str, str, dict[str, float]]) -> None:
        """Leave something."""
        self._news.append(news)

    def take(self) -> list[tuple[int, str, str, dict[str, float]]]:
        """Return and forget all there is."""
        taken, self._news = self._news, []
        return taken


def scratch(run_id: str) -> Path:
    """Return the folder of a run on this node."""
    return Path(tempfile.gettempdir()) / f"precision-{run_id}"


def sweep(run_id: str) -> None:
    """Remove what a run has left on this node."""
    shutil.rmtree(scratch(run_id), ignore_errors=True)


def packed(folder: Path) -> Files:
    """Return the files of a folder, without those that were not finished."""
    return {
        path.name: np.fromfile(path, np.uint8)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }


def unpacked(files: Files, folder: Path) -> Path:
    """Write files into a folder, which appears whole, unless another process has done so; return it."""

    def fill(draft: Path) -> None:
        for name, content in files.items():
            content.tofile(draft / name)

    if not folder.exists():
        write_folder(folder, fill)
    return folder


def fingerprint() -> dict[str, str]:
    """Return what has to be the same on every node: versions, and a digest of the code that computes."""
    found = {"Python": platform.python_version(), "NUMERICS_VERSION": str(NUMERICS_VERSION)}
    for package in ("tensorflow", "keras", "numpy", "scipy", "ml_dtypes"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    digest = hashlib.sha256()
    for source in (formats, quantization, methods, data, architectures):
        root = Path(str(source.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root.parent).as_posix()}\0".encode() + path.read_bytes())
    return {**found, "code of precision": digest.hexdigest()[:12]}
