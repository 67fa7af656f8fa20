"""Trials that run in the process of the test, where no test asks what a process of their own does.

A worker process costs a second until its TensorFlow is warm, and each network gets another one. Here one
workbench serves them all; the agenda, the store and what a worker does with a trial are the real ones.
"""

import contextlib
import time
from dataclasses import replace
from unittest import mock

import scipy.linalg  # noqa: F401  # whose BLAS is another one than NumPy's
import threadpoolctl

from precision.grid.execution import local, worker
from precision.grid.execution.executor import Ended, Heard, group
from precision.grid.execution.runner import runner
from precision.trial import Runtime


class Inside:
    """Runs a trial when it is submitted. An ``Executor``."""

    def __init__(self, setup, options, store):
        self._setup = replace(setup, checkpoint_seconds=options.checkpoint_seconds, runtime=Runtime())
        self._store, self._run, self._warm, self._events = store, None, None, []

    def __enter__(self):
        # A trial may limit the threads of its process, which here has others to run.
        self._threads = threadpoolctl.threadpool_limits(user_api="blas")
        return self

    def __exit__(self, *_):
        self._threads.restore_original_limits()
        worker._state.clear()

    def free(self):
        return [self._warm] if not self._events else []

    def submit(self, trial, warm, attempt):
        def report(kind, trial_id, row):
            if kind == "epoch":
                self._events.append(Heard("epoch", trial, row))

        began = time.monotonic()
        self._run = self._run or runner(self._setup, lambda *told: worker._state["report"](*told))
        worker._state.update(store=self._store, setup=self._setup, report=report, run=self._run)
        status, _ = worker.work(trial.to_json(), attempt)
        self._warm = group(trial)
        self._events.append(Ended(trial, status, time.monotonic() - began))

    def poll(self, seconds):
        events, self._events = self._events, []
        return events


@contextlib.contextmanager
def trials():
    """Within this context the trials of a run on this machine run in this process."""
    with mock.patch.object(local, "LocalWorkers", Inside):
        yield
