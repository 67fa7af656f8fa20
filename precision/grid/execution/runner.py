"""What runs a trial in a worker process: TensorFlow, the plugins, and a workbench that stays warm."""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any

from precision import plugins
from precision.arithmetic import threads
from precision.errors import AbsentError, PrecisionError
from precision.grid.execution.provenance import plugins_of
from precision.grid.execution.worker import Report, Run, Setup
from precision.grid.store import Store
from precision.measure.machine.environment import commit
from precision.measure.machine.threads import limit_blas
from precision.startup import import_backend, start_backend, started
from precision.trial import Trial, TrialResult

# What nearly every trial imports in its functions, because checking a grid must not import Keras.
_USED = ("methods.run", "methods.evaluation", "methods.fit", "methods.traced", "deploy.predictor")


_WITH_GPU = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}


def preload() -> None:
    """Import what every worker needs, in the process that they are forked from."""
    import_backend(lean=True)
    for module in _USED:
        importlib.import_module(f"precision.{module}")
    commit()  # of the code that is loaded now


def runner(setup: Setup, report: Report) -> Run:
    """Return the function that runs one trial after another in this process."""
    if setup.runtime.device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    start_backend(setup.runtime.threads, lean=True)
    # Every trial is a model of its own; TensorFlow takes the traces of many for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from precision.methods.run import run_trial
    from precision.methods.workbench import Workbench

    broken: PrecisionError | None = None
    try:
        plugins.load(setup.plugins)
    except PrecisionError as error:  # which the parent did not meet; each trial tells it
        broken = error
    store = Store(setup.store)
    bench: Any = Workbench(
        setup.data_dir,
        store.weights,
        checkpoint=store.checkpoint,
        every=setup.checkpoint_seconds,
        datasets=setup.datasets,
        digest=store.weights_digest,
    )

    def run(trial: Trial) -> TrialResult:
        if broken is not None and trial.plugins:
            raise broken
        _check_plugins(trial)
        _check_device(trial)
        threads.limit(trial.runtime.threads)
        if trial.runtime.threads is not None:
            limit_blas(trial.runtime.threads)
        bench.report = lambda row: report("epoch", trial.id, row)
        bench.sample = lambda row: report("sample", trial.id, row)
        return run_trial(trial, bench)

    return run


def _check_plugins(trial: Trial) -> None:
    """Refuse to run a trial with other code of a plugin than the one that it is identified by."""
    if not trial.plugins:
        return
    here = plugins_of(trial)
    if here != trial.plugins:
        raise PrecisionError(
            "a plugin and a model's file must stay as they are while the grid runs, but another one gives "
            f"{', '.join(trial.plugins)} now; run the same command again"
        )


def _check_device(trial: Trial) -> None:
    """Refuse a trial whose device is not here."""
    if trial.runtime.device != "gpu":
        return
    if not started()["GPUs"]:
        backend = trial.runtime.backend or "tensorflow"
        raise AbsentError(
            f"{backend} finds no gpu here; with a driver and {_WITH_GPU[backend]} installed, the same "
            "command runs it"
        )
