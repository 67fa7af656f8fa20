"""The work of the trials of a grid, from the sizes of their data sets and networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from precision.data import Extent
from precision.grid.execution import known
from precision.grid.execution.networks import Size
from precision.grid.execution.preflight import Place, by_data, check_networks, unplaced
from precision.grid.forecast.calibration import speed
from precision.grid.forecast.estimator import Estimator
from precision.grid.forecast.work import Work, work
from precision.grid.store import Store
from precision.measure.machine.environment import machine
from precision.measure.machine.processor import cores
from precision.registry import ARCHITECTURES
from precision.trial import Trial

MOST = 50  # networks of stored results that are counted, because trials may be like them


class Counted:
    """Counts the work of trials; a network is built only where this machine has not counted it before."""

    def __init__(self) -> None:
        self._extents: dict[tuple[str, ...], Extent] = {}
        self._sizes: dict[tuple[str, ...], Size] = {}

    def __call__(self, trial: Trial) -> Work:
        """Return the work of a trial; not counted where its network or its images are not known."""
        return work(trial, self._extents.get(_dataset(trial)), self._sizes.get(_network(trial)))

    def __bool__(self) -> bool:
        """Whether any network was counted."""
        return bool(self._sizes)

    def check(self, trials: Iterable[Trial], place: Place = unplaced) -> list[str]:
        """Count the networks of trials, and see whether their policies fit them.

        Returns:
            The data sets that were never loaded here, so that the size of their images is not known.

        Raises:
            PrecisionError: as of ``preflight.check_networks``.
        """
        unknown = []
        for asking in by_data(trials):
            found = known.extent(asking[0])
            if found is None:
                unknown.append(asking[0].dataset.words)
            else:
                self._note(asking, found, check_networks(asking, found, place))
        return unknown

    def compare(self, results: Iterable[Trial]) -> None:
        """Count the networks of results too, as far as they are those of this code."""
        new: dict[tuple[str, ...], Trial] = {}
        for trial in results:
            if len(new) < MOST and _network(trial) not in self._sizes and self._buildable(trial):
                new.setdefault(_network(trial), trial.baseline)
        for asking in by_data(new.values()):
            found = known.extent(asking[0])
            if found is not None:
                sizes, _ = known.networks(asking, found)
                self._note(asking, found, sizes)

    def _buildable(self, trial: Trial) -> bool:
        """Whether the network of a result would be built now as it was then."""
        name = trial.architecture.name
        if name not in ARCHITECTURES:
            return False
        same = {network[2:] for network in self._sizes}
        return ARCHITECTURES.owner(name).builtin or _network(trial)[2:] in same

    def _note(self, trials: Sequence[Trial], extent: Extent, sizes: Mapping[str, Size]) -> None:
        self._extents[_dataset(trials[0])] = extent
        self._sizes.update(
            {_network(one): sizes[one.architecture.text] for one in trials if one.architecture.text in sizes}
        )


def estimator(
    left: Sequence[Trial], store: Store, counted: Counted, *, jobs: int = 1, measure: bool = False
) -> Estimator:
    """Return what forecasts the trials that are left, from the results of this machine in a store.

    Args:
        counted: which has checked these trials.
        jobs: that run beside each other on this machine.
        measure: whether to measure the speed of this machine, where that was never done.
    """
    if not left:
        return Estimator(left, counted)
    here = [one for one in store.summaries() if one["machine"] == machine()]
    if counted:
        counted.compare(Trial.from_json(one["trial"]) for one in here)
    measured = speed(left[0].runtime.backend, measure=measure)
    return Estimator(left, counted, here, measured, beside(jobs, len(cores())))


def beside(jobs: int, cores: int) -> float:
    """Return how many times as long as alone a trial takes beside others, which share the cores.

    Alone it has all of them, though it cannot keep them all busy: two jobs on two cores were measured to be
    done in 1 / 1.39 of the time of one after another, about the square root; more jobs than cores gain
    nothing more.
    """
    return jobs / min(jobs, cores) ** 0.5


def _dataset(trial: Trial) -> tuple[str, ...]:
    return trial.dataset.text, trial.fingerprint or ""


def _network(trial: Trial) -> tuple[str, ...]:
    own = trial.plugins.get(f"architecture {trial.architecture.name}", "")
    return (*_dataset(trial), trial.architecture.text, own)
