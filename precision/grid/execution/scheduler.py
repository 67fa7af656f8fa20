"""Run the trials of a grid, several at a time, and lose nothing when one of them dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from precision import plugins, room
from precision.grid.execution import lost_trials
from precision.grid.execution.agenda import Agenda
from precision.grid.execution.executor import BUSY, LOST, Ended, Executor, group
from precision.grid.execution.interrupt import Interrupts
from precision.grid.execution.options import RunOptions, crowding
from precision.grid.execution.watcher import Watcher
from precision.grid.execution.worker import Setup
from precision.grid.plan.unrounded import needs_baseline
from precision.grid.store import Store, links
from precision.grid.store.locks import granted
from precision.trial import Trial, TrialResult

DEFAULTS = RunOptions()
LOSSES = 3  # how often a trial whose machine was lost is begun again
TICK = 0.2  # seconds between two looks at what is going on
PATIENCE = 1.0  # seconds between two looks at the trials that another run is at


def setup(store: Store, data_dir: Path | None, datasets: Mapping[str, Path] | None = None) -> Setup:
    """Return what workers start with: the plugins of this process, and the data sets that it has loaded.

    Args:
        data_dir: where the data sets lie; None searches the usual places.
        datasets: see ``Setup.datasets``.
    """
    return Setup(store.root, data_dir, tuple(plugins.loaded()), datasets or {})


def unfinished(trials: Iterable[Trial], store: Store) -> list[Trial]:
    """Return the trials that are to be run: those without a result, and baselines that went wrong since.

    The weights of a finished baseline from which one of them starts are read: when they are not those that
    were stored, which is told, it is trained again.
    """
    trials = list(trials)
    done = store.done(trials)
    left = [trial for trial in trials if trial.id not in done]
    starts = {trial.baseline.id: trial.baseline for trial in left if needs_baseline(trial)}
    damaged = {name for name, baseline in starts.items() if name in done and not store.finished(baseline)}
    return [trial for trial in trials if trial.id not in done or trial.id in damaged]


def run_trials(
    trials: Sequence[Trial],
    store: Store,
    setup: Setup,
    watcher: Watcher,
    options: RunOptions = DEFAULTS,
) -> None:
    """Run every trial that the store does not have yet, baselines before what starts from them.

    A trial that raises, hangs or kills its worker is stored with its reason and the others go on. A trial
    that another run is executing is left to it, and this run waits for its result.

    Args:
        setup: what the workers start with, see :func:`setup`.

    Raises:
        PrecisionError: when results cannot be stored.
        KeyboardInterrupt: on Ctrl-C, after the trials in flight have ended; on a second one and on SIGTERM
            after they have been stopped. Finished trials are kept.
    """
    left = unfinished(trials, store)
    if not left:
        return
    links.check(store.root, [trial.id for trial in left])
    crowded = crowding([trial.runtime.threads for trial in left], options.jobs)
    if crowded and options.executor == "local":
        watcher.note(crowded)
    with (
        Interrupts() as interrupts,
        _executor(setup, options, store) as executor,
    ):
        try:
            _Run(left, store, executor, watcher, options, interrupts).go()
        except OSError as error:  # of the disk; others are those of a watcher
            raise room.missing(error) or error from None
        if interrupts.asked:
            raise KeyboardInterrupt


_FINISHING = "interrupted: the trials in flight are finished first; press Ctrl-C again to stop them now"


def _executor(setup: Setup, options: RunOptions, store: Store) -> Executor:
    if options.executor == "ray":
        from precision.grid.execution.ray.tasks import RayTasks

        return RayTasks(setup, options, store)
    from precision.grid.execution.local import LocalWorkers

    return LocalWorkers(setup, options, store)


class _Run:
    """The state of one run."""

    def __init__(
        self,
        trials: Sequence[Trial],
        store: Store,
        executor: Executor,
        watcher: Watcher,
        options: RunOptions,
        interrupts: Interrupts,
    ) -> None:
        self._store, self._executor, self._watcher = store, executor, watcher
        self._options, self._interrupts = options, interrupts
        self._agenda = Agenda(trials, self._usable)
        self._running: dict[str, Trial] = {}
        self._elsewhere: dict[str, Trial] = {}  # in the hands of another run
        self._renewed: set[str] = set()  # baselines that are trained again
        self._looked = 0.0
        self._attempts: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._stop = self._told = False

    def go(self) -> None:
        """Go on until every trial is over, or as long as the user and ``fail_fast`` let it."""
        for trial in self._agenda.orphans:
            self._without_baseline(trial)
        while not self._stop and (self._agenda or self._running or self._elsewhere):
            if not self._interrupts.asked:
                self._submit()
            elif not self._running:
                return
            elif not self._told:
                self._told = True
                self._watcher.note(_FINISHING)
            if not (self._running or self._elsewhere):  # so what is left waits for what nobody runs
                for trial in self._agenda.stuck():
                    self._without_baseline(trial)
            self._look_elsewhere()
            for event in self._executor.poll(TICK):
                if isinstance(event, Ended):
                    self._end(event)
                elif event.kind == "epoch":
                    self._watcher.epoch(event.trial, event.row)
                else:
                    self._watcher.sample(event.trial, event.row)

    def _submit(self) -> None:
        free = self._executor.free()
        # Who is warm for a trial that is ready chooses before those who would load its network anew.
        for warm in sorted(free, key=lambda warm: not self._agenda.ready(warm)):
            busy = {group(trial) for trial in self._running.values()}
            trial = self._agenda.next(warm, busy)
            if trial is None:
                return
            self._attempts[trial.id] += 1
            self._running[trial.id] = trial
            self._watcher.started(trial)
            self._executor.submit(trial, warm, self._attempts[trial.id])

    def _end(self, event: Ended) -> None:
        trial = event.trial
        self._running.pop(trial.id, None)
        if event.status == BUSY:
            self._attempts[trial.id] -= 1
            self._elsewhere[trial.id] = trial
            self._watcher.waiting(trial)
            return
        if event.status == LOST:
            self._lost[trial.id] += 1
            if self._lost[trial.id] <= LOSSES:
                self._attempts[trial.id] -= 1
                self._watcher.note(f"the machine that ran trial {trial.id} is lost; it is run again")
                self._agenda.again(trial)
                return
            reason = f"the machines that ran it were lost {self._lost[trial.id]} times"
            lost_trials.record(self._store, trial, "killed", reason, self._attempts[trial.id])
        result = self._store.load(trial.id) or TrialResult(
            trial, "failed", reason="its result cannot be read or has vanished"
        )
        if result.status == "failed" and self._renews(trial):
            self._attempts[trial.id] -= 1
            self._watcher.retried(trial, result)
            self._agenda.renew(trial)
            return
        wrong = result.status not in ("ok", "diverged", "skipped")
        if wrong and self._attempts[trial.id] <= self._options.retries:
            self._watcher.retried(trial, result)
            self._agenda.again(trial)
            return
        self._over(trial, result, event.seconds)

    def _renews(self, trial: Trial) -> bool:
        """Return whether a trial failed because the weights that it starts from went wrong; but once each."""
        if not needs_baseline(trial) or self._usable(trial.baseline):
            return False
        new = trial.baseline.id not in self._renewed
        self._renewed.add(trial.baseline.id)
        return new or self._agenda.awaits(trial.baseline)

    def _over(self, trial: Trial, result: TrialResult, seconds: float) -> None:
        self._watcher.finished(trial, result, seconds)
        if result.status not in ("ok", "skipped") and self._options.fail_fast:
            self._stop = True
            return
        for waiting in self._agenda.over(trial):
            self._without_baseline(waiting)

    def _without_baseline(self, trial: Trial) -> None:
        baseline = self._store.load(trial.baseline.id)
        if baseline is not None and baseline.status == "skipped":
            status, reason = "skipped", baseline.reason
        else:
            why = f"{baseline.status}: {baseline.reason}" if baseline else "left no result"
            status, reason = "failed", f"its float32 baseline {why}"
        lost_trials.record(self._store, trial, status, reason)
        result = self._store.load(trial.id) or TrialResult(trial, status, reason=reason)
        self._watcher.finished(trial, result, 0.0)

    def _usable(self, baseline: Trial) -> bool:
        result = self._store.completed(baseline)
        return result is not None and result.status == "ok"

    def _look_elsewhere(self) -> None:
        """See what became of the trials that another run had in hand."""
        if not self._elsewhere or time.monotonic() - self._looked < PATIENCE:
            return
        self._looked = time.monotonic()
        for trial in list(self._elsewhere.values()):
            result = self._store.completed(trial)
            if result is not None:
                del self._elsewhere[trial.id]
                self._over(trial, result, 0.0)
            elif self._free(trial):
                del self._elsewhere[trial.id]
                self._agenda.again(trial)

    def _free(self, trial: Trial) -> bool:
        with granted(self._store.lock(trial.id)) as free:
            return free
