"""Train a Keras model: the same images in the same order for every policy of one seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from precision.data import Augmentation, as_float
from precision.errors import PrecisionError
from precision.methods.evaluation import evaluate
from precision.trial import Training

OPTIMIZERS = {
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}

# Training steps in one call of the graph. It does not change a number; it saves a tenth of a small step.
STEPS_PER_CALL = 10

EpochReport = Callable[[dict[str, float]], None]


class Batches(keras.utils.PyDataset):
    """Shuffled batches of training images; order and augmentation are functions of (seed, epoch)."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, size: int, seed: int, augmentation: Augmentation | None
    ) -> None:
        super().__init__()
        self._images, self._labels, self._size = images, labels, size
        self._seed, self._augmentation = seed, augmentation
        self._epoch = -1
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._epoch += 1
        self._order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._images))

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * self._size : (index + 1) * self._size]
        images = as_float(self._images[chosen])
        if self._augmentation is not None:
            images = self._augmentation.apply(images, np.random.default_rng([self._seed, self._epoch, index]))
        return images, self._labels[chosen]


@dataclass(frozen=True)
class Trained:
    """What a training yields: the history per epoch, wall seconds, and the epoch in which it diverged."""

    history: list[dict[str, float]]
    seconds: float
    diverged_in: int | None


def prepare(model: Any, training: Training | None = None, steps: int = 0) -> None:
    """Compile a model for evaluation, or for training over ``steps`` steps in all.

    XLA is left to the quantizers: on a CPU it makes convolutions several times slower than oneDNN.
    """
    if training is None:
        model.compile(jit_compile=False)
        return
    model.compile(
        optimizer=_optimizer(training, steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
        steps_per_execution=STEPS_PER_CALL,
    )


def train(model: Any, dataset: Any, training: Training, seed: int, augmentation: Augmentation | None,
          report: EpochReport) -> Trained:
    """Train a model in place and evaluate it on the test images after every epoch.

    The test images steer nothing: no epoch and no setting is chosen by them. The seconds of an epoch leave
    the evaluation out.

    Args:
        report: called after every epoch with its row of the history.
    """
    batches = Batches(dataset.x_train, dataset.y_train, training.batch_size, seed, augmentation)
    prepare(model, training, steps=len(batches) * training.epochs)
    watch = _Watch(dataset, report)
    model.fit(batches, epochs=training.epochs, shuffle=False, verbose=0, callbacks=[watch])
    return Trained(watch.history, sum(row["seconds"] for row in watch.history), watch.diverged_in)


class _Watch(keras.callbacks.Callback):
    """Times each epoch, evaluates after it, and stops a training whose loss is no longer finite."""

    def __init__(self, dataset: Any, report: EpochReport) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.diverged_in: int | None = None
        self._dataset, self._report = dataset, report

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.perf_counter() - self._began
        logs = logs or {}
        tested = evaluate(self.model, self._dataset.x_test, self._dataset.y_test)
        row = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            "accuracy": float(logs["accuracy"]),
            "val_loss": tested.loss,
            "val_accuracy": tested.accuracy,
            "seconds": seconds,
        }
        self.history.append(row)
        self._report(row)
        if not math.isfinite(row["loss"]):
            self.diverged_in = epoch + 1
            self.model.stop_training = True


def _optimizer(training: Training, steps: int) -> Any:
    optimizer = OPTIMIZERS[training.optimizer]
    options: dict[str, Any] = {"weight_decay": training.weight_decay or None}
    if training.momentum:
        if training.optimizer not in ("sgd", "rmsprop"):
            raise PrecisionError(f"momentum is an option of sgd and rmsprop, but the optimizer is {training.optimizer}")
        options["momentum"] = training.momentum
    rate = training.learning_rate if training.learning_rate is not None else float(optimizer().learning_rate)
    if training.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=max(1, steps))
    return optimizer(learning_rate=rate, **options)
