"""Run a stored trial once more, beside the store, and say whether the same numbers come of it."""

from __future__ import annotations

import math
import re
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from precision.errors import PrecisionError
from precision.grid.execution.options import RunOptions
from precision.grid.execution.provenance import plugins_of, provenance
from precision.grid.execution.same_numbers import MISSING, Comparison, compare, differences
from precision.grid.execution.scheduler import run_trials, setup
from precision.grid.execution.scratch import scratch
from precision.grid.execution.watcher import Watcher
from precision.grid.plan.unrounded import needs_baseline
from precision.grid.store import Store
from precision.trial import Runtime, Trial, TrialResult

SHOWN = 5  # ids in a message


def find(store: Store, prefix: str) -> str:
    """Return the id of the one trial in a store that begins with a text.

    Raises:
        PrecisionError: when there is no such trial, or more than one.
    """
    folder = store.root / "trials"
    if not folder.is_dir():
        raise PrecisionError(f"{store.root}: there is no store here; give --store")
    ids = sorted(path.name for path in folder.iterdir() if path.is_dir() and _ID.fullmatch(path.name))
    found = [name for name in ids if prefix and name.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise PrecisionError(
            f"{store.root}: no trial here has an id that begins with {prefix[:80]!r}; 'precision results' "
            "and 'precision plan GRID' list the ids"
        )
    more = ", ..." if len(found) > SHOWN else ""
    raise PrecisionError(
        f"{store.root}: {len(found)} trials have an id that begins with {prefix!r} "
        f"({', '.join(found[:SHOWN])}{more}); give more of its digits"
    )


_ID = re.compile(r"[0-9a-f]{12}")


def rerun(
    store: Store,
    trial_id: str,
    data_dir: Path | None,
    watching: Callable[[Sequence[Trial]], AbstractContextManager[Watcher]],
    from_scratch: bool = False,
) -> Comparison:
    """Run a trial again in a new process and compare everything with its stored result, which stays as it is.

    It runs with as many threads as before, not as many as the machine has. What else differs of where and
    with what it runs is told before it begins.

    Args:
        watching: given the trials that are to be run, returns the context of who is told about them.
        from_scratch: also train the float32 baseline again from which the trial starts, instead of taking
            its weights from the store.

    Raises:
        PrecisionError: when there is nothing to compare with, or the trial cannot be run.
    """
    before = stored(store, trial_id)
    trial = before.trial
    started = needs_baseline(trial)
    trials = [trial.baseline, trial] if started and from_scratch else [trial]
    with scratch() as folder:
        beside = Store(folder / "runs")
        beside.create()
        if started and not from_scratch:
            _lend(store, trial, beside)
        threads = before.provenance.get("threads", "")
        given = replace(
            setup(beside, data_dir), runtime=Runtime(threads=int(threads) if threads.isdigit() else None)
        )
        with watching(trials) as watcher:
            for row in differences(before.provenance, provenance(trial, given.runtime.threads)):
                if row.again != MISSING:  # the GPUs are those of the worker, and known afterwards
                    watcher.note(f"{row.name} was {row.before}, and is {row.again} now: numbers may differ")
            run_trials(trials, beside, given, watcher, RunOptions(checkpoint_seconds=math.inf))
        again = beside.load(trial.id)
        if again is None or again.status not in ("ok", "diverged"):
            why = f"{again.status}: {again.reason}" if again else "it left no result"
            raise PrecisionError(f"trial {trial.id} could not be run again ({why})")
        _with_predictions(beside, again)
    return compare(before, again)


def stored(store: Store, trial_id: str) -> TrialResult:
    """Return the result of a trial with its predictions.

    Raises:
        PrecisionError: when there is none, it has no numbers, or the plugins that it ran with are not loaded.
    """
    result = store.load(trial_id)
    if result is None:
        raise PrecisionError(
            f"{store.folder(trial_id)}: there is no result here that can be read; run its grid again"
        )
    if result.status not in ("ok", "diverged"):
        raise PrecisionError(
            f"trial {trial_id} has no numbers to compare with ({result.status}: {result.reason}); "
            "run its grid again"
        )
    _check_plugins(result)
    _with_predictions(store, result)
    return result


def _with_predictions(store: Store, result: TrialResult) -> None:
    try:
        result.predictions = store.predictions(result.trial.id)
    except FileNotFoundError:
        result.predictions = None
    except (OSError, PrecisionError) as error:
        warnings.warn(str(error), stacklevel=2)
        result.predictions = None


def _check_plugins(result: TrialResult) -> None:
    trial = result.trial
    if not trial.plugins:
        return
    try:
        here = plugins_of(trial)
    except PrecisionError:  # what it names is unknown
        here = {}
    if here != trial.plugins:
        raise PrecisionError(
            f"trial {trial.id} needs the plugins that it ran with "
            f"({result.provenance.get('plugins') or ', '.join(trial.plugins)}); give each with --plugin FILE"
        )


def _lend(store: Store, trial: Trial, beside: Store) -> None:
    """Copy the baseline of a trial into another store."""
    baseline = trial.baseline
    if not store.finished(baseline) or not store.weights(baseline.id).exists():
        raise PrecisionError(
            f"{store.folder(baseline.id)}: the trained weights from which trial {trial.id} starts are not "
            "here; give --from-scratch to train them again"
        )
    target = beside.folder(baseline.id)
    target.mkdir(parents=True)
    files = [path for path in store.folder(baseline.id).iterdir() if path.is_file()]
    for path in files:
        if not path.name.startswith("."):
            shutil.copyfile(path, target / path.name)
