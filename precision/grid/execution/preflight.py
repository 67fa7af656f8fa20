"""What is checked before anything is trained, by ``run``, ``sensitivity`` and ``search`` alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from precision import data, plugins
from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.multipliers import Multiplier
from precision.data import Dataset, Extent
from precision.data.shared import share
from precision.errors import PrecisionError
from precision.formats.kernels.callback import ArrayFormat
from precision.formats.probe import probe
from precision.grid.execution import known
from precision.grid.execution.networks import Size
from precision.grid.file.source import Source
from precision.grid.plan.cell import Cell
from precision.grid.store import Store
from precision.quantization import Policy, Setting
from precision.quantization.calibration.observers import choose_range, statistics_of
from precision.quantization.policy.multipliers import Multiplying
from precision.registry import MULTIPLIERS, OBSERVERS
from precision.trial import Trial


def check_plugins(policies: Iterable[Policy]) -> None:
    """Try every format, observer and multiplier of a plugin on a few numbers, before hours of training.

    Formats that call another library are asked whether it is there.

    Raises:
        PrecisionError: for the first one that fails.
    """
    settings = [setting for policy in policies for _, setting in policy.settings()]
    for observer in dict.fromkeys(s.scaling.observer for s in settings if isinstance(s, Setting)):
        if not OBSERVERS.owner(observer).builtin:
            seen = statistics_of(np.linspace(-1, 3, 60).reshape(20, 3), -1)
            for symmetric in (True, False):
                choose_range(seen, observer, symmetric=symmetric, rounds=lambda points, low, high: points)
    for multiplying in dict.fromkeys(s for s in settings if isinstance(s, Multiplying)):
        _try_multiplier(multiplying.multiplier)
    rounds = [s for s in settings if isinstance(s, Setting | Accumulator)]
    for number_format, rounding in dict.fromkeys((f, s.rounding) for s in rounds for f in s.formats()):
        if isinstance(number_format, ArrayFormat):
            number_format.check(None)
            number_format.program(rounding)
        if plugins.identities([number_format]):
            probe(number_format, rounding)


def _try_multiplier(multiplier: Multiplier) -> None:
    if not MULTIPLIERS.owner(multiplier.family).builtin:
        a, w = (np.array([low, -1, 0, 1, high]) for low, high in multiplier.served)
        multiplier.multiply(a[:, None], w)


Place = Callable[[Trial, str, str], PrecisionError]
"""Takes a trial, its ``architecture`` or ``policy`` that is wrong, and why; adds where it is asked for."""


def unplaced(trial: Trial, part: str, text: str) -> PrecisionError:
    """Return an error that does not say where the trial is asked for. A ``Place``."""
    return PrecisionError(text)


def place_in(source: Source, cells: Iterable[Cell]) -> Place:
    """Return what names the line of a grid file that asks for the policy or the network of a trial."""

    def place(trial: Trial, part: str, text: str) -> PrecisionError:
        for cell in cells:
            if trial.architecture != cell.trial.architecture:
                continue
            if part == "policy" and trial.policy == cell.trial.policy:
                return source.error(("policies", cell.policy), f"policy {cell.policy!r}: {text}")
            if part == "architecture":
                return source.error(("architectures",), f"architecture {cell.architecture!r}: {text}")
        return unplaced(trial, part, text)

    return place


def check_networks(trials: Iterable[Trial], extent: Extent, place: Place) -> dict[str, Size]:
    """Build every network that is to be trained on a data set, and resolve the policies that round it.

    What this machine has found to fit is not built again.

    Returns:
        The sizes of the networks, by the text of the architecture.

    Raises:
        PrecisionError: for the first network that cannot be built for these images, or whose layers are not
            called the same each time, or policy that does not fit, with how many more there are.
    """
    sizes, wrong = known.networks(trials, extent)
    if wrong:
        trial, part, text = wrong[0]
        raise place(trial, part, text + (f" (and {len(wrong) - 1} more like it)" if wrong[1:] else ""))
    return sizes


def check_grid(cells: Sequence[Cell], source: Source, data_dir: Path | None) -> None:
    """Load the data sets of cells, build their networks for these images, and resolve the policies.

    Raises:
        PrecisionError: when a data set cannot be loaded, a network cannot be built, or a policy does not fit.
    """
    trials = [cell.trial for cell in cells]
    place = place_in(source, cells)
    for asking in by_data(trials):
        check_networks(asking, Extent.of(_loaded(asking[0], data_dir)), place)


def check_images(dataset: Dataset, trials: Iterable[Trial], store: Store) -> None:
    """Refuse stored results of trials that are of other images than a data set has.

    Files of the same name may hold other images, for example a part of CIFAR-10: the two never mix.

    Raises:
        PrecisionError: which names the first of them.
    """
    digest = dataset.digest()
    for trial_id, result in store.results([trial.id for trial in trials]).items():
        if result.facts.get("data_digest", digest) != digest:
            raise PrecisionError(
                f"{store.folder(trial_id)}: this result is of other images "
                f"({result.facts['dataset_title']}) than those found now ({dataset.title}); "
                "give the same --data-dir, or another --store"
            )


def share_data(
    left: Sequence[Trial],
    trials: Sequence[Trial],
    store: Store,
    data_dir: Path | None,
    folder: Path,
    place: Place = unplaced,
) -> dict[str, Path]:
    """Load every data set of the trials that are left once, and write its arrays for the workers to map.

    The store keeps its labels, from which the analysis knows which answers are right.

    A missing or corrupt file is told now, and a download shows its progress.

    Args:
        trials: whose stored results must be of the same images.
        folder: to write to.
        place: says where a network or a policy is asked for that is wrong.

    Returns:
        Folders below ``folder``, by the text of the data set's choice.

    Raises:
        PrecisionError: when a data set cannot be loaded or written, a network cannot be built, a policy does
            not fit it, or stored results are of other images.
    """
    folders = {}
    for asking in by_data(left):
        choice, dataset = asking[0].dataset, _loaded(asking[0], data_dir)
        check_networks(asking, Extent.of(dataset), place)
        check_images(dataset, [trial for trial in trials if trial.dataset == choice], store)
        if not dataset.asks.relative:  # of a regression, the errors of every image are kept
            store.keep_labels(dataset.digest(), dataset.y_test)
        folders[repr(choice)] = share(dataset, folder)
    return folders


def _loaded(trial: Trial, data_dir: Path | None) -> Dataset:
    dataset = data.load(trial.dataset.name, data_dir=data_dir, **trial.dataset.options)
    known.remember(trial, dataset)
    return dataset


def by_data(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Return the trials of each data set."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.dataset.text, []).append(trial)
    return list(found.values())
