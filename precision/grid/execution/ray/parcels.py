"""What goes to the nodes of a cluster and what comes back: data sets, weights and results, as bytes."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from precision import data, files
from precision.data.shared import share
from precision.errors import PrecisionError
from precision.grid.execution.ray.remote import Files, packed
from precision.grid.execution.worker import Setup
from precision.grid.plan.unrounded import needs_baseline
from precision.grid.store import Store, predictions, record, samples, sums
from precision.trial import Choice, Trial

KEPT = 4  # data sets and weights, each, that stay in the memory of the cluster


class Parcels:
    """Puts things into the memory of the cluster once, however many trials start from them."""

    def __init__(self, ray: Any, setup: Setup, store: Store) -> None:
        self._ray, self._setup, self._store = ray, setup, store
        self._datasets: OrderedDict[str, tuple[Any, str]] = OrderedDict()
        self._weights: OrderedDict[str, Any] = OrderedDict()
        self._folder: Path | None = None

    def dataset(self, choice: Choice) -> tuple[Any, str]:
        """Return the arrays of a data set in the memory of the cluster, and the name of their folder.

        None instead of the arrays leaves it to the node to find the data set: it is not found here.
        """
        key = repr(choice)
        if key not in self._datasets:
            folder = self._setup.datasets.get(key) or self._shared(choice)
            self._datasets[key] = (self._ray.put(packed(folder)), folder.name) if folder else (None, "")
            while len(self._datasets) > KEPT:
                self._datasets.popitem(last=False)
        return self._datasets[key]

    def weights(self, trial: Trial) -> Any:
        """Return the weights that a trial starts from in the memory of the cluster, or None."""
        path = self._store.weights(trial.baseline.id)
        if not needs_baseline(trial) or not path.exists():
            return None
        if path.parent.name not in self._weights:
            self._weights[path.parent.name] = self._ray.put(np.fromfile(path, np.uint8))
            while len(self._weights) > KEPT:
                self._weights.popitem(last=False)
        return self._weights[path.parent.name]

    def unpack(self, trial: Trial, parcel: Files) -> str:
        """Store what came back of a trial, as its worker would have; return its status.

        Raises:
            ValueError: when it is not the result of this trial.
            OSError: when it cannot be stored.
        """
        result = record.revive(record.decode(parcel["result.json"].tobytes(), trial.id))
        if sums.PREDICTIONS in parcel:
            result.predictions = predictions.decode(parcel[sums.PREDICTIONS].tobytes())
        if sums.BY_CLASS in parcel:
            result.by_class = predictions.decode_by_class(parcel[sums.BY_CLASS].tobytes())
        if sums.SAMPLES in parcel:
            with suppress(ValueError):  # the result is worth more
                result.samples = samples.decode(parcel[sums.SAMPLES].tobytes())
        weights = self._store.weights(trial.id)
        if weights.name in parcel:
            files.make_folder(weights.parent)
            # Not tofile(), which on a full disk says less than the system does.
            files.write(weights, parcel[weights.name].data)
        self._store.save(result)
        return result.status

    def close(self) -> None:
        """Let go of everything."""
        self._datasets.clear()
        self._weights.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _shared(self, choice: Choice) -> Path | None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="precision-data-"))
        try:
            dataset = data.load(choice.name, data_dir=self._setup.data_dir, **choice.options)
            return share(dataset, self._folder)
        except PrecisionError:
            return None
