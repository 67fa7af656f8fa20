"""Run trials on the nodes of a Ray cluster, and copy their results back to the one store."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import replace
from typing import Any

import filelock

from precision.grid.execution.executor import BUSY, Ended, Heard, group
from precision.grid.execution.options import RunOptions
from precision.grid.execution.ray import remote
from precision.grid.execution.ray.cluster import Cluster
from precision.grid.execution.ray.parcels import Parcels
from precision.grid.execution.ray.worker import RemoteWorker
from precision.grid.execution.worker import Setup
from precision.grid.store import Store
from precision.trial import Trial

PATIENCE = 10.0  # seconds that news may take which are on their way


class RayTasks:
    """Processes on the nodes of a cluster, as many as it has room for. An ``Executor``.

    The lock of a trial is held here, beside the store; nodes need to see neither. A process ends with its
    first mishap. A trial whose node is gone is LOST.
    """

    def __init__(self, setup: Setup, options: RunOptions, store: Store) -> None:
        self._options, self._store = options, store
        # A node's checkpoints would be lost with the process that wrote them.
        self._setup = replace(setup, checkpoint_seconds=float("inf"))
        self._cluster = Cluster(options)
        self._run_id = uuid.uuid4().hex[:12]
        self._workers: list[RemoteWorker] = []
        self._number = 0
        self._events: list[Ended | Heard] = []
        self._same: dict[str, str] = {}
        self._post: Any = None
        self._news: Any = None  # that the post was asked for
        self._parcels: Parcels | None = None

    def __enter__(self) -> RayTasks:
        self._cluster.connect()
        self._same = remote.fingerprint()
        self._parcels = Parcels(self._cluster.ray, self._setup, self._store)
        actor = self._cluster.ray.remote(remote.Post)
        self._post = actor.options(num_cpus=0, scheduling_strategy=self._cluster.here()).remote()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for worker in self._workers:
                worker.close()
            self._sweep()
        finally:
            if self._parcels is not None:
                self._parcels.close()
            self._cluster.disconnect()

    def free(self) -> list[str | None]:
        """Return what each idle process has warm, and the room for further ones."""
        limit = self._options.jobs if self._options.jobs > 1 else self._cluster.room()
        idle: list[str | None] = [worker.group for worker in self._workers if worker.trial is None]
        return [*idle, *[None] * max(0, limit - len(self._workers))]

    def submit(self, trial: Trial, group: str | None, attempt: int) -> None:
        """Start a trial in an idle process, or in a new one."""
        lock = self._store.lock(trial.id)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            self._events.append(Ended(trial, BUSY, 0.0))
            return
        done = self._store.completed(trial)
        if done is not None:  # another run of this grid has done it in the meantime
            lock.release()
            self._events.append(Ended(trial, done.status, 0.0))
            return
        self._worker(trial, group).begin(trial, attempt, lock)

    def poll(self, seconds: float) -> list[Ended | Heard]:
        """Return what happened since the last call."""
        ray = self._cluster.ray
        waiting = [ref for worker in self._workers for ref in worker.waiting()]
        ready: set[Any] = set()
        if not waiting:
            time.sleep(0.0 if self._events else seconds)
        else:
            ray.wait(waiting, num_returns=1, timeout=0.0 if self._events else seconds)
            ready = set(ray.wait(waiting, num_returns=len(waiting), timeout=0)[0])
        self._hear(everything=bool(ready))  # news are sent before what they lead to
        for worker in self._workers:
            self._events += worker.happened(ready, self._same)
        if any(
            worker.stuck() for worker in self._workers
        ):  # idle processes take the room that another waits for
            for worker in self._workers:
                if worker.trial is None:
                    worker.close()
        self._workers = [worker for worker in self._workers if worker.actor is not None]
        events, self._events = self._events, []
        return events

    def _worker(self, trial: Trial, warm: str | None) -> RemoteWorker:
        assert self._parcels is not None
        if warm is not None:
            found = next(p for p in self._workers if p.trial is None and p.group == warm)
            if warm == group(trial):
                return found
            found.close()
            self._workers.remove(found)
        self._number += 1
        worker = RemoteWorker(self._cluster, self._options, self._store, self._parcels)
        worker.open(self._setup, self._run_id, self._post, self._number, trial)
        self._workers.append(worker)
        return worker

    def _hear(self, everything: bool) -> None:
        """Take in news: what has arrived, or everything that there is by now."""
        ray = self._cluster.ray
        asked = self._news is not None
        try:
            for _ in range(
                2 if asked and everything else 1
            ):  # what was asked for earlier may lack the latest
                self._news = self._news or self._post.take.remote()
                if not ray.wait([self._news], timeout=PATIENCE if everything else 0.01)[0]:
                    return
                taken, self._news = ray.get(self._news), None
                self._tell(taken)
        except Exception:  # news are for the eye; results come another way
            self._news = None

    def _tell(self, news: list[tuple[int, str, str, dict[str, float]]]) -> None:
        workers = {worker.number: worker for worker in self._workers}
        for number, kind, trial_id, row in news:
            if number in workers:
                self._events += workers[number].heard(kind, trial_id, row)

    def _sweep(self) -> None:
        """Remove what this run has left on the nodes, as far as they can be reached."""
        remote.sweep(self._run_id)
        with contextlib.suppress(Exception):
            task = self._cluster.ray.remote(remote.sweep)
            here = self._cluster.ray.get_runtime_context().get_node_id()
            refs = [
                task.options(num_cpus=0, scheduling_strategy=self._cluster.on(node["NodeID"])).remote(
                    self._run_id
                )
                for node in self._cluster.nodes()
                if node["NodeID"] != here
            ]
            if refs:
                self._cluster.ray.wait(refs, num_returns=len(refs), timeout=10)
