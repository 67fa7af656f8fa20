"""The trained float32 networks of a grid, from which every exploration starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from precision.data import Extent
from precision.errors import PrecisionError, unknown
from precision.grid.execution.preflight import (
    Place,
    by_data,
    check_images,
    check_networks,
    check_plugins,
    unplaced,
)
from precision.grid.execution.scheduler import run_trials, setup
from precision.grid.file.schema import Grid
from precision.grid.forecast.counted import Counted, estimator
from precision.grid.plan.expand import Cell
from precision.grid.progress import ConsoleWatcher
from precision.grid.store import Store
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.trial import Trial


@dataclass(frozen=True)
class Network:
    """One architecture of a grid on one data set, trained in one way, from every seed.

    Attributes:
        dataset, architecture, training: labels in the grid.
        policies: those of its cells that are to be explored, by label.
        trials: the float32 trainings by seed.
        missing: seeds whose training gave nothing, and why.
    """

    dataset: str
    architecture: str
    training: str
    policies: dict[str, Policy] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The labels, for a line of progress."""
        return " ".join(part for part in (self.dataset, self.architecture, self.training) if part)


def networks(cells: Iterable[Cell], wanted: Collection[str]) -> list[Network]:
    """Return the networks of a grid in the order of its cells, with the policies that are wanted.

    Args:
        wanted: labels, see :func:`chosen_policies`.
    """
    found: dict[tuple[str, str, str], Network] = {}
    for cell in cells:
        labels = (cell.dataset, cell.architecture, cell.training)
        network = found.setdefault(labels, Network(*labels))
        network.trials.setdefault(cell.seed, cell.trial.baseline)
        if cell.policy in wanted:
            network.policies.setdefault(cell.policy, Policy.from_json(cell.trial.policy))
    return list(found.values())


def chosen_policies(grid: Grid, wanted: Sequence[str]) -> list[str]:
    """Return the labels of the policies to explore: the wanted ones, or all that round something.

    Raises:
        PrecisionError: for a policy that the grid lacks or that is float32, and when none is left.
    """
    for name in wanted:
        if name not in grid.policies:
            raise unknown("policy", name, grid.policies)
        if grid.policies[name].is_float32:
            raise PrecisionError(f"policy {name!r} rounds nothing: it is the float32 network itself")
    found = [name for name in grid.policies if name in (wanted or grid.policies)]
    found = [name for name in found if not grid.policies[name].is_float32]
    if not found:
        raise PrecisionError("the grid has no policy that rounds anything; give it one beside float32")
    return found


def trained(
    found: Sequence[Network],
    cells: Sequence[Cell],
    store: Store,
    data_dir: Path | None,
    bench: Workbench,
    console: Console,
    place: Place | None = None,
) -> list[Network]:
    """Return the networks with the seeds that have a trained baseline, training what the store lacks.

    Args:
        place: where every policy has to fit its network, says where it is asked for; None leaves policies to
            the exploration.

    Raises:
        PrecisionError: when a plugin fails, a policy does not fit, a network has no trained baseline, or the
            stored ones are of other images.
        KeyboardInterrupt: on Ctrl-C; finished trainings are kept.
    """
    check_plugins(policy for network in found for policy in network.policies.values())
    check_backend(trial for network in found for trial in network.trials.values())
    everything = {trial.id: trial for network in found for trial in network.trials.values()}
    for trials in by_data(everything.values()):
        choice = trials[0].dataset
        check_images(bench.dataset(choice), trials, store)
        asked = [
            replace(trial, policy=policy.to_json())
            for network in found
            for trial in network.trials.values()
            for policy in network.policies.values()
            if trial.dataset == choice and place is not None
        ]
        check_networks([*trials, *asked], Extent.of(bench.dataset(choice)), place or unplaced)
    left = [trial for trial in everything.values() if not store.finished(trial)]
    if left:
        counted = Counted()
        counted.check(left)
        with ConsoleWatcher(left, cells, console, estimator=estimator(left, store, counted)) as watcher:
            run_trials(left, store, setup(store, data_dir), watcher)
    return [_with_results(network, store) for network in found]


def check_backend(trials: Iterable[Trial]) -> None:
    """Refuse networks of another backend than that of this process, in which an exploration evaluates.

    Raises:
        PrecisionError: with what to set.
    """
    import keras

    here = keras.backend.backend()
    for trial in trials:
        theirs = trial.runtime.backend or "tensorflow"
        if theirs != here:
            raise PrecisionError(
                f"the grid asks for networks on {theirs}, but this process has started {here}; set the "
                f"environment variable KERAS_BACKEND={theirs}, or choose cells with --only"
            )


def _with_results(network: Network, store: Store) -> Network:
    missing = {}
    for seed, trial in network.trials.items():
        result = store.load(trial.id)
        if result is None or result.status != "ok":
            missing[seed] = f"{result.status}: {result.reason}" if result else "it left no result"
    if len(missing) == len(network.trials):
        why = next(iter(missing.values()))
        raise PrecisionError(f"{network.name} has no trained float32 network to explore ({why})")
    kept = {seed: trial for seed, trial in network.trials.items() if seed not in missing}
    return replace(network, trials=kept, missing=missing)
