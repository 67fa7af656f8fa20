"""A worker on a node of a cluster, as the process of the command sees it: its trial, and how that ended."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

from precision import room
from precision.errors import PrecisionError
from precision.grid.execution import lost_trials
from precision.grid.execution.executor import LOST, Ended, Heard, group, outgrown
from precision.grid.execution.options import RunOptions, default_threads
from precision.grid.execution.ray import remote
from precision.grid.execution.ray.cluster import Cluster, reservation
from precision.grid.execution.ray.parcels import Parcels
from precision.grid.execution.worker import Setup
from precision.grid.store import Store
from precision.grid.store.locks import Lock
from precision.trial import Trial

CROWDED = 10.0  # seconds after which a process for which there is room has been begun
GRACE = 5.0  # seconds after which the cluster knows whether a process died alone or with its node
HOPE = 60.0  # seconds after which a process that cannot be reached is given up


class RemoteWorker:
    """A worker process on the cluster, which runs one trial at a time.

    The process goes on warm within one group. With anything that goes wrong in it, it ends.
    """

    def __init__(self, cluster: Cluster, options: RunOptions, store: Store, parcels: Parcels) -> None:
        self._cluster, self._options, self._store, self._parcels = cluster, options, store, parcels
        self._lock: Lock | None = None
        self._prepared: Any = None  # what the process answers when it is ready
        self._outcome: Any = None  # what it answers when the trial is over
        self._placed = False  # whether the cluster had room for the process
        self._node = self._host = ""
        self._attempt = 1
        self._handed = 0.0
        self._begun: float | None = None
        self._first_bytes = self._too_large = 0
        self._trouble: Exception | None = None
        self._since = 0.0  # when the trouble came
        self.number = 0
        self.group: str | None = None
        self.actor: Any = None
        self.trial: Trial | None = None

    def open(self, setup: Setup, run_id: str, post: Any, number: int, trial: Trial) -> None:
        """Start a process for trials like this one, where the cluster has room or as soon as it has."""
        threads = trial.runtime.threads or default_threads()
        setup = replace(setup, runtime=replace(trial.runtime, threads=threads))
        self.number, self.group = number, group(trial)
        arrays, name = self._parcels.dataset(trial.dataset)
        actor = self._cluster.ray.remote(remote.Remote).options(**reservation(trial, self._options))
        self.actor = actor.remote(setup, run_id, post, number, self._options.memory_limit)
        self._prepared = self.actor.prepare.remote(repr(trial.dataset), arrays, name)

    def begin(self, trial: Trial, attempt: int, lock: Lock) -> None:
        """Hand a trial over, whose lock is held."""
        self.trial, self._attempt, self._lock = trial, attempt, lock
        self._handed, self._begun = time.monotonic(), None
        self._outcome = self.actor.work.remote(trial, attempt, self._parcels.weights(trial))

    def close(self) -> None:
        """End the process at once, even in the middle of a trial."""
        if self.actor is not None:
            self._cluster.ray.kill(self.actor, no_restart=True)
        if self._lock is not None:
            self._lock.release()
        self.actor = self.trial = self._lock = self._prepared = self._outcome = None

    def stuck(self) -> bool:
        """Return whether a trial waits because the cluster has less room than it seemed."""
        return self.trial is not None and not self._placed and time.monotonic() - self._handed > CROWDED

    def waiting(self) -> list[Any]:
        """Return what is to be answered."""
        return [ref for ref in (self._prepared, self._outcome) if ref is not None]

    def heard(self, kind: str, trial_id: str, row: dict[str, float]) -> list[Heard]:
        """Take note of news from the process; return what concerns others."""
        if kind == "placed":
            self._placed = True
        elif kind == "large":
            self._too_large = int(row["memory_bytes"])
        elif self.trial is None or trial_id != self.trial.id:
            return []
        elif kind == "begun":
            self._begun = time.monotonic()
        else:
            return [Heard("epoch" if kind == "epoch" else "sample", self.trial, row)]
        return []

    def happened(self, ready: set[Any], same: dict[str, str]) -> list[Ended]:
        """Return the end of the trial, if it has ended.

        Args:
            ready: answers that are there.
            same: what has to be the same on every node.

        Raises:
            PrecisionError: when a node has other code or versions, or a result cannot be stored.
        """
        if self._trouble is not None:
            return self._judge(self._trouble, ready)
        try:
            if self._prepared in ready:
                self._check(self._cluster.ray.get(self._prepared), same)
                self._prepared = None
            if self._outcome in ready:
                return self._home(self._cluster.ray.get(self._outcome))
        except PrecisionError as error:
            if isinstance(error, self._cluster.ray.exceptions.RayTaskError):
                return self._failed(error)
            raise
        except Exception as error:
            return self._failed(error)
        limit = self._options.timeout
        if self.trial is not None and limit and self._begun and time.monotonic() - self._begun > limit:
            return self._over("timeout", f"it was not done after {limit:g} s")
        return []

    def _check(self, prepared: remote.Prepared, same: dict[str, str]) -> None:
        self._node, self._host = prepared.node_id, prepared.host
        others = [what for what, mine in same.items() if prepared.same.get(what) != mine]
        if others and self._node in self._cluster.trusted:
            warnings.warn(
                f"{others[0]} was changed on the node {self._host} while the grid runs; its further results "
                "are those of the change",
                stacklevel=2,
            )
        elif others:
            raise PrecisionError(
                f"the node {self._host} of the Ray cluster has {others[0]} "
                f"{prepared.same.get(others[0], 'none')}, but this machine has {same[others[0]]}; "
                "install the same on all nodes, or results would depend on where they come from"
            )
        self._cluster.trusted.add(self._node)

    def _home(self, outcome: remote.Outcome) -> list[Ended]:
        """Store the result of a trial and keep the process, unless it has grown."""
        assert self.trial is not None
        assert self._lock is not None
        trial = self.trial
        try:
            status = self._parcels.unpack(trial, outcome.files)
        except OSError as error:
            raise lost_trials.unstored(self._store, error) from None
        except (ValueError, KeyError) as error:
            return self._over("failed", f"the node {self._host} sent no valid result ({error})")
        self._lock.release()
        self.trial = self._lock = self._outcome = None
        self._first_bytes = self._first_bytes or outcome.size
        if outgrown(self._first_bytes, outcome.size):
            self.close()
        return [Ended(trial, status, time.monotonic() - self._handed)]

    def _failed(self, error: Exception) -> list[Ended]:
        """Take in that the process has not answered as it should."""
        exceptions = self._cluster.ray.exceptions
        if isinstance(error, exceptions.RayTaskError):  # it raised something, and lives
            cause = getattr(error, "cause", None) or error
            missing = room.missing(cause)
            if missing is not None:
                raise PrecisionError(f"the node {self._host}: {missing}") from None
            return self._over("failed", lost_trials.sentence(cause))
        if isinstance(error, exceptions.RuntimeEnvSetupError) or getattr(error, "_actor_init_failed", False):
            last = str(error).strip().splitlines()[-1]
            raise PrecisionError(
                f"a node of the Ray cluster cannot start a worker ({last[:200]}); precision and what it "
                "needs have to be installed on every node, in the Python that runs Ray there"
            ) from None
        self._trouble, self._since = error, time.monotonic()
        self._prepared = self._outcome = None
        return self._judge(error, set())

    def _judge(self, error: Exception, ready: set[Any]) -> list[Ended]:
        """Find out whether a process died by itself, with its node, or only cannot be reached.

        The cluster itself learns only after some seconds that a node is gone.
        """
        ray, waited = self._cluster.ray, time.monotonic() - self._since
        text = str(error)
        gone = "node has died" in text or (self._node and not self._cluster.alive(self._node))
        if self._begun is None or gone or waited > HOPE or getattr(error, "preempted", False):
            return self._over(LOST)
        if self._too_large:
            held, limit = self._too_large / 2**30, self._options.memory / 2**30
            reason = f"its process held {held:.2f} GiB, above the limit of {limit:.2f} GiB"
            return self._over("out_of_memory", reason)
        if isinstance(error, ray.exceptions.OutOfMemoryError) or "OUT_OF_MEMORY" in text or "(OOM)" in text:
            reason = f"the node {self._host} ran out of memory, and Ray ended its process"
            return self._over("out_of_memory", reason)
        if isinstance(error, ray.exceptions.ActorUnavailableError):
            if self._outcome is None:
                self._outcome = self.actor.ping.remote()
            elif self._outcome in ready:
                try:
                    ray.get(self._outcome)
                except ray.exceptions.ActorUnavailableError:
                    self._outcome = None
                except Exception as later:
                    self._outcome, self._trouble, self._since = None, later, time.monotonic()
                else:  # it can be reached again, but its answer was lost on the way
                    return self._over(LOST)
            return []
        if waited < GRACE:
            return []
        return self._over("killed", f"its process on the node {self._host} died; {_reason(text)}")

    def _over(self, status: str, reason: str = "") -> list[Ended]:
        """End the process, and store why its trial gave no result unless it is to be run again."""
        trial, seconds = self.trial, time.monotonic() - self._handed
        self.close()
        if trial is None:
            return []
        if status != LOST:
            try:
                lost_trials.record(self._store, trial, status, reason, self._attempt)
            except OSError as problem:
                raise lost_trials.unstored(self._store, problem) from None
        return [Ended(trial, status, seconds)]


def _reason(text: str) -> str:
    """Return what Ray says of the death of a process, without its lists of common causes."""
    for mark in ("Worker exit detail: ", "The actor is dead because "):
        if mark in text:
            return " ".join(text.split(mark, 1)[1].split(" Some common causes")[0].split())[:200].rstrip(".")
    return "out of memory is the usual cause"
