"""The process that runs trials, one after another, and keeps what the next one can use."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock

from precision import plugins
from precision.errors import PrecisionError
from precision.formats.quiet import start_backend
from precision.grid.execution.provenance import commit, provenance
from precision.grid.store import Store
from precision.quantization import Policy
from precision.trial import Trial, TrialResult

# Set once in each worker process by start().
_state: dict[str, Any] = {}

BUSY = "busy"  # another process is running the trial


def start(store: Path, data_dir: Path | None, events: Any, files: Sequence[plugins.Plugin] = ()) -> None:
    """Prepare this process: it leaves Ctrl-C to its parent and keeps TensorFlow's start-up messages quiet.

    Args:
        events: a queue that receives (trial id, row of the history) after every epoch.
        files: the plugins of the parent process, whose very bytes are run here.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commit()  # of the code that is loaded now, whatever is edited while it runs
    start_backend()
    from precision.methods.workbench import Workbench

    try:
        plugins.load(files)
    except PrecisionError as error:  # which the parent did not meet; each trial tells it
        _state["broken"] = error
    _state["store"] = Store(store)
    _state["events"] = events
    _state["bench"] = Workbench(data_dir, _state["store"].weights)


def work(description: dict[str, Any]) -> str:
    """Run one trial and store its result, whatever comes of it; return its status or BUSY.

    Args:
        description: a trial as ``Trial.to_json`` gives it.
    """
    trial = Trial.from_json(description)
    store: Store = _state["store"]
    try:
        with store.lock(trial.id).acquire(timeout=0):
            if store.finished(trial):  # another run of this grid has done it in the meantime
                return store.load(trial.id).status  # type: ignore[union-attr]
            result = _attempt(trial)
            store.save(result)
            return result.status
    except filelock.Timeout:
        return BUSY


def _attempt(trial: Trial) -> TrialResult:
    from precision.methods.run import run_trial

    bench = _state["bench"]
    bench.report = lambda row: _state["events"].put((trial.id, row))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_plugins(trial)
            result = run_trial(trial, bench)
    except MemoryError as error:
        result = TrialResult(trial, "out_of_memory", reason=sentence(error))
    except Exception as error:
        full = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's own
        result = TrialResult(trial, "out_of_memory" if full else "failed", reason=sentence(error))
    result.provenance = provenance(trial)
    return result


def _check_plugins(trial: Trial) -> None:
    """Refuse to run a trial with other code of a plugin than the one that it is identified by."""
    if not trial.plugins:
        return
    if "broken" in _state:
        raise _state["broken"]
    here = plugins.identities(Policy.from_json(trial.policy).formats())
    if here != trial.plugins:
        raise PrecisionError(
            "a plugin must stay as it is while the grid runs, but another one gives "
            f"{', '.join(trial.plugins)} now; run the same command again"
        )


def sentence(error: BaseException) -> str:
    """Return an error as one line; what the user can mend speaks for itself.

    Keras replaces an error that passes through a layer by one of the same type with the layer's arguments in
    its text; the first one says it better.
    """
    chain = [error]
    while chain[-1].__context__ is not None and chain[-1].__context__ not in chain:
        chain.append(chain[-1].__context__)
    ours = [link for link in chain if isinstance(link, PrecisionError)]
    text = " ".join(str(ours[-1] if ours else error).split())
    return text if ours else f"{type(error).__name__}: {text[:300]}"
