"""The rounded networks of one model beside the float32 one, on the same test images in one random order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from precision.exploration.audit.looks import Counts, sizes
from precision.exploration.evaluator import BATCH, TRACED, batch
from precision.exploration.journal import Journal
from precision.grid import Store
from precision.methods.evaluation import judge
from precision.methods.traced import Traced
from precision.methods.training import prepare
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.trial import Trial

_STREAM = 0xA0D17  # sets the order of the test images apart from all other random numbers


class Compared:
    """What formats do to one model, as the method ``ptq`` applies them.

    Args:
        trial: of the float32 network, whose result is in the store.

    Attributes:
        order: in which the test images are looked at.
        total: how many there are.
        reused: how many looks were known, from an earlier audit or because a grid has run the format.
    """

    def __init__(self, bench: Workbench, store: Store, trial: Trial) -> None:
        self._bench, self._store, self._trial = bench, store, trial
        self._data = bench.dataset(trial.dataset)
        self.total = len(self._data.y_test)
        self.order = np.random.default_rng(_STREAM).permutation(self.total)
        self._exact = store.predictions(trial.id)[self.order]
        self._traced = Traced(bench.dataset, models=TRACED, revisits=True)
        self.reused = 0

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Return the classes that the float32 network says, (N,), of float32 images."""
        network = self._bench.source(self._trial, Policy())
        prepare(network)
        return self._classes(network, images, np.arange(len(images)))

    def looks(self, trial: Trial, until: int, journal: Journal) -> Iterator[Counts]:
        """Yield the counts of a rounded network after each look, up to so many images.

        What the journal or the store has is not computed again.
        """
        known = {row["images"]: row for row in journal.rows if row.get("trial") == trial.id}
        counts, model = Counts(0, 0, 0, 0, 0, 0), None
        done = None if known else self._stored(trial)
        for size in sizes(self.total):
            if size > until:
                return
            if size in known:
                counts = Counts(**{name: known[size][name] for name in counts.to_json()})
                self.reused += 1
            else:
                if done is not None:
                    said = done[counts.images : size]
                    self.reused += 1
                else:
                    model = model or self._model(trial)
                    said = self._classes(model, self._data.x_test, self.order[counts.images : size])
                counts += self._counted(said, counts.images, size)
                journal.append({"trial": trial.id, **counts.to_json()})
            yield counts

    def _stored(self, trial: Trial) -> np.ndarray | None:
        """Return what the network of a trial that was run says about all images; None where it was not."""
        result = self._store.completed(trial)
        if result is None or result.status != "ok":
            return None
        return self._store.predictions(trial.id)[self.order]

    def _model(self, trial: Trial) -> Any:
        policy = Policy.from_json(trial.policy)
        return self._traced.model(trial, policy, self._bench.source(trial, policy))

    def _classes(self, model: Any, images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(chosen), BATCH):
            one = batch(images[chosen[start : start + BATCH]], len(images))
            logits = np.asarray(model.predict_on_batch(one.images))[: one.meant]
            found.append(judge(logits, np.zeros(len(logits), np.int64)).predictions)
        return np.concatenate(found)

    def _counted(self, said: np.ndarray, start: int, stop: int) -> Counts:
        labels = self._data.y_test[self.order[start:stop]]
        return Counts.of(said, self._exact[start:stop], labels)
