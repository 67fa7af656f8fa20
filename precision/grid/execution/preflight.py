"""What is checked before anything is trained, by ``run``, ``sensitivity`` and ``search`` alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from precision import data, plugins
from precision.data import Dataset
from precision.data.shared import share
from precision.errors import PrecisionError
from precision.formats.kernels.callback import ArrayFormat
from precision.formats.probe import probe
from precision.grid.store import Store
from precision.quantization import Policy
from precision.trial import Choice, Trial


def check_plugins(policies: Iterable[Policy]) -> None:
    """Try every format of a plugin on a few numbers, so that none fails after hours of training.

    Formats that call another library are asked whether it is there.

    Raises:
        PrecisionError: for the first format that fails.
    """
    settings = [setting for policy in policies for _, setting in policy.settings()]
    for number_format, rounding in dict.fromkeys((f, s.rounding) for s in settings for f in s.formats()):
        if isinstance(number_format, ArrayFormat):
            number_format.check(None)
            number_format.program(rounding)
        if plugins.identities([number_format]):
            probe(number_format, rounding)


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
    left: Iterable[Trial], trials: Sequence[Trial], store: Store, data_dir: Path | None, folder: Path
) -> dict[str, Path]:
    """Load every data set of the trials that are left once, and write its arrays for the workers to map.

    A missing or corrupt file is told now, and a download shows its progress.

    Args:
        trials: whose stored results must be of the same images.
        folder: to write to.

    Returns:
        Folders below ``folder``, by the text of the data set's choice.

    Raises:
        PrecisionError: when a data set cannot be loaded or written, or stored results are of other images.
    """
    folders = {}
    for text, choice in choices(left).items():
        dataset = data.load(choice.name, data_dir=data_dir, **choice.options)
        check_images(dataset, [trial for trial in trials if trial.dataset == choice], store)
        folders[text] = share(dataset, folder)
    return folders


def choices(trials: Iterable[Trial]) -> dict[str, Choice]:
    """Return the data sets of trials by the text of their choice, each once."""
    return {repr(trial.dataset): trial.dataset for trial in trials}
