"""Train a Keras model: the same images in the same order for every policy of one seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from precision import points
from precision.data import Augmentation, as_float
from precision.deploy.predictor import KerasPredictor
from precision.measure.machine import calibration
from precision.methods.checkpoint import Checkpoint
from precision.methods.evaluation import Evaluation, evaluate
from precision.tasks import CLASSIFICATION, Task
from precision.trial import Training

# Training steps in one call of the graph. It does not change a number; it saves a tenth of a small step.
STEPS_PER_CALL = 10
AHEAD = 4  # batches that are made while one is computed

EpochReport = Callable[[dict[str, float]], None]


class Batches(keras.utils.PyDataset):
    """The shuffled batches of one epoch: a pure function of (seed, epoch), however often Keras reads them.

    Args:
        images, labels: the training data, (N, H, W, C) and (N,), or (N, outputs) of other tasks than classes.
        size: images per batch; the last one may have fewer.
        epoch: counted from 1.
        augmentation: moves each image, differently in every epoch.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        size: int,
        seed: int,
        epoch: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__()
        self._images, self._labels, self._size = images, labels, size
        self._key, self._augmentation = [seed, epoch], augmentation
        self._order = np.random.default_rng(self._key).permutation(len(images))

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * self._size : (index + 1) * self._size]
        images = as_float(self._images[chosen])
        if self._augmentation is not None:
            images = self._augmentation.apply(images, np.random.default_rng([*self._key, index]))
        return images, self._labels[chosen]

    def fed(self) -> Any:
        """Return what ``fit`` takes: on TensorFlow a dataset that ends when its last batch was read.

        Keras would make the same dataset, but with tf.data's autotuning, whose thread is asleep when the
        epoch ends, and which Keras then waits for: up to 2.4 s were seen, with nothing computed.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in self[0])
        options = tf.data.Options()
        options.autotune.enabled = False
        data = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature)
        data = data.apply(tf.data.experimental.assert_cardinality(len(self)))
        return data.prefetch(AHEAD).with_options(options)


@dataclass(frozen=True)
class Trained:
    """What a training yields.

    Attributes:
        history: a row per epoch.
        diverged_in: the epoch in which the loss was no longer finite.
        facts: whether it went on from a checkpoint.
        looks: seconds of the calibration loop before and after it, and in between.
    """

    history: list[dict[str, float]]
    diverged_in: int | None
    facts: dict[str, str] = field(default_factory=dict)
    looks: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        """Wall seconds of all epochs, without the evaluations between them."""
        return sum(row["seconds"] for row in self.history)

    @property
    def joules(self) -> float:
        """Energy of all epochs, without the evaluations between them; NaN when that of one is not known."""
        return sum(row.get("joules", math.nan) for row in self.history) if self.history else math.nan


def prepare(
    model: Any,
    training: Training | None = None,
    steps: int = 0,
    task: Task = CLASSIFICATION,
    change: Callable[[Any], Any] = lambda optimizer: optimizer,
    compiled: bool = False,
) -> None:
    """Compile a model for evaluation, or for training over ``steps`` steps in all.

    On TensorFlow XLA is left to the quantizers: on a CPU it makes convolutions several times slower than
    oneDNN. On JAX nothing else compiles.

    Args:
        task: whose loss is minimised.
        change: maps the optimizer of Keras to the one that trains.
        compiled: let XLA compile the whole model.
    """
    compiled = compiled or keras.backend.backend() != "tensorflow"
    if training is None:
        model.compile(jit_compile=compiled)
        return
    loss, score = task.compiled()
    model.compile(
        optimizer=change(optimizer_of(training, steps)),
        loss=loss,
        metrics=[score],
        jit_compile=compiled,
        steps_per_execution=STEPS_PER_CALL,
    )


def train(
    model: Any,
    dataset: Any,
    training: Training,
    seed: int,
    augmentation: Augmentation | None,
    report: EpochReport,
    before_epoch: Callable[[int], None] = lambda epoch: None,
    change: Callable[[Any], Any] = lambda optimizer: optimizer,
    compiled: bool = False,
    checkpoint: Checkpoint | None = None,
    joules: Callable[[], float] = lambda: math.nan,
) -> Trained:
    """Train a model in place and evaluate it on the test images after every epoch; stop if the loss diverges.

    The test images have no influence: no epoch and no setting is chosen by them. The seconds of an epoch
    leave the evaluation out.

    Args:
        report: called after every epoch with its row of the history; not again for those that a checkpoint
            spares.
        before_epoch: called with the number of each epoch, from 1, before it begins.
        change: maps the optimizer of Keras to the one that trains.
        compiled: let XLA compile the whole model.
        checkpoint: from which the training goes on, if one was written before it was cut off.
        joules: returns the energy that was used so far, NaN where it is not known; see
            ``measure.machine.energy``.
    """
    steps = math.ceil(len(dataset.x_train) / training.batch_size) * training.epochs
    task = dataset.asks
    prepare(model, training, steps, task, change, compiled)
    history = checkpoint.resume(model, before_epoch) if checkpoint else []
    facts = checkpoint.facts if checkpoint else {}
    predictor = KerasPredictor(model)
    machine = calibration.of_process()
    looks = [machine.look()]
    begin = len(history) + 1
    for epoch in range(begin, training.epochs + 1):
        before_epoch(epoch)
        if epoch == begin:
            _make_variables(model, np.zeros_like(dataset.y_train[:1]))
        batches = Batches(dataset.x_train, dataset.y_train, training.batch_size, seed, epoch, augmentation)
        used, began = joules(), time.perf_counter()
        logs = model.fit(batches.fed(), shuffle=False, verbose=0).history
        seconds, used = time.perf_counter() - began, joules() - used
        tested = evaluate(predictor, dataset.x_test, dataset.y_test, task)
        loss, score = float(logs["loss"][0]), float(logs[task.score][0])
        history.append(row_of_epoch(epoch, task, loss, score, tested, seconds, used))
        report(history[-1])
        points.reached("epoch over")
        if epoch == training.epochs or machine.due():
            looks.append(machine.look())
        if not math.isfinite(history[-1]["loss"]):
            return Trained(history, epoch, facts, (*looks, machine.look()))
        if checkpoint and epoch < training.epochs:
            checkpoint.offer(model, history)
    return Trained(history, None, facts, tuple(looks))


def row_of_epoch(
    epoch: int, task: Task, loss: float, score: float, tested: Evaluation, seconds: float, joules: float
) -> dict[str, float]:
    """Return the row of an epoch in the history.

    Args:
        loss, score: over the training images.
        tested: what the network says of the test images afterwards.
        joules: NaN where they are not known.
    """
    return {
        "epoch": epoch,
        "loss": loss,
        task.score: score,
        "val_loss": tested.loss,
        f"val_{task.score}": tested.metrics[task.score],
        "seconds": seconds,
        **({} if math.isnan(joules) else {"joules": joules}),
    }


def _make_variables(model: Any, targets: np.ndarray) -> None:
    """Make the variables of a compiled model's optimizer and metrics.

    TensorFlow would make them while it traces the first step, and then trace that a second time.
    """
    if keras.backend.backend() != "tensorflow":
        return
    outputs = keras.ops.zeros((1, *model.output_shape[1:]), model.compute_dtype)
    model.optimizer.build(model.trainable_variables)
    model.compute_loss(y=targets, y_pred=outputs)
    model.compute_metrics(None, targets, outputs)
    model.reset_metrics()


def optimizer_of(training: Training, steps: int) -> Any:
    """Return the optimizer of Keras that a training asks for, for so many steps in all."""
    optimizer = type(keras.optimizers.get(training.optimizer))
    options: dict[str, Any] = {}
    if training.weight_decay or training.optimizer == "adamw":  # whose own default is not zero
        options["weight_decay"] = training.weight_decay
    if training.momentum:
        options["momentum"] = training.momentum
    rate = training.learning_rate if training.learning_rate is not None else float(optimizer().learning_rate)
    if training.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=max(1, steps))
    return optimizer(learning_rate=rate, **options)
