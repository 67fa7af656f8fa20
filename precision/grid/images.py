"""Results of other images under the same names, for example of a part of CIFAR-10, never mix."""

from __future__ import annotations

from collections.abc import Iterable

from precision.data import Dataset
from precision.errors import PrecisionError
from precision.grid.store import Store
from precision.trial import Trial


def check_images(dataset: Dataset, trials: Iterable[Trial], store: Store) -> None:
    """Refuse stored results of trials that are of other images than a data set has.

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
