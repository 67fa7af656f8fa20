"""Training written out: forward, backward and Adam in NumPy, with a convolution of one's choice.

Nothing is rounded, and the initial weights, the images and their order are those of the float32 baseline: two
algorithms of convolution, and Keras, differ in the order of their sums alone, and in how long they take.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from precision.errors import PrecisionError
from precision.methods.marks import checked_by, measured_alone, rounds_nothing
from precision.methods.options import Epochs, Rate
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.options import Rule
from precision.quantization import Policy
from precision.registry import METHODS
from precision.tasks import CLASSIFICATION
from precision.trial import Training, Trial

Algorithm = Annotated[
    Literal["naive", "pixel_matrix", "im2col", "shifted", "direct", "winograd2", "winograd4", "fft"],
    Rule("naive, pixel_matrix, im2col, shifted, direct, winograd2, winograd4 or fft"),
]
Workers = Annotated[int, Field(ge=1, le=1024), Rule("a whole number of at least 1")]
Decay = Annotated[float, Field(ge=0, lt=1), Rule("a number from 0 to below 1")]
FromScratch = Annotated[Literal["scratch"], Rule("scratch")]


def check(policy: Policy, options: dict[str, Any]) -> None:
    """Refuse every policy that rounds.

    Raises:
        PrecisionError: saying what to write instead.
    """
    raise PrecisionError(
        f"written_out computes in float32 and rounds nothing, but got '{policy}'; use ptq or qat for it"
    )


@METHODS.register("written_out")
@checked_by(check)
@measured_alone
@rounds_nothing
def written_out(
    trial: Trial,
    bench: Workbench,
    *,
    convolution: Algorithm = "im2col",
    workers: Workers = 1,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    start: FromScratch = "scratch",
    epochs: Epochs = None,
    learning_rate: Rate = None,
) -> Outcome:
    """Train without a framework: own forward and backward pass and Adam, with an algorithm of convolution.

    For chains of convolutions, ReLU, max-pooling, flattening and dense layers.

    Args:
        convolution: the algorithm, see ``arithmetic.convolutions``.
        workers: that share each batch; the gradients of their parts are added up.
        beta1, beta2: of Adam.
        start: the initial weights of the seed, those of the baseline.
        epochs, learning_rate: instead of those of the grid's training.
    """
    from precision.arithmetic.convolutions import convolution as algorithm
    from precision.arithmetic.convolutions.parallel import Parallel
    from precision.deploy.written_out import WrittenOut

    dataset = bench.dataset(trial.dataset)
    training = replace(
        trial.training,
        epochs=epochs or trial.training.epochs,
        learning_rate=learning_rate or trial.training.learning_rate,
    )
    if training.optimizer != "adam" or training.weight_decay or dataset.asks is not CLASSIFICATION:
        raise PrecisionError(
            "the method written_out trains networks that tell classes apart, with the optimizer adam and no "
            f"weight decay, but got {dataset.task}, {training.optimizer} and {training.weight_decay:g}"
        )
    if min(training.batch_size, len(dataset.x_train) % training.batch_size or workers) < workers:
        raise PrecisionError(
            f"the method written_out shares a batch among {workers} workers, but the last batch of "
            f"{len(dataset.x_train)} images has {len(dataset.x_train) % training.batch_size}; choose another "
            "batch size or fewer workers"
        )
    model = bench.network(trial)
    if bench.restores:
        model.load_weights(bench.weights(trial.id))
        return Outcome(WrittenOut(model, Parallel(algorithm(convolution))), None, timing="native")
    with Parallel(algorithm(convolution), workers) as shared:
        predictor = WrittenOut(model, shared)
        trained = _train(trial, bench, training, predictor, beta1, beta2)
    predictor.keep()
    bench.save(trial, model)
    facts = {"convolution": f"{convolution}, {workers} {'worker' if workers == 1 else 'workers'}"}
    return Outcome(WrittenOut(model, Parallel(algorithm(convolution))), trained, timing="native", facts=facts)


def _train(
    trial: Trial, bench: Workbench, training: Training, predictor: Any, beta1: float, beta2: float
) -> Any:
    """Train over the batches of the baseline, and evaluate after every epoch."""
    import numpy as np

    from precision.arithmetic.convolutions.step import Adam
    from precision.measure.machine import calibration
    from precision.methods.evaluation import evaluate
    from precision.methods.training import Batches, Trained, row_of_epoch

    dataset = bench.dataset(trial.dataset)
    adam = Adam(predictor.written.variables, 0.0, beta1, beta2)
    rate = 1e-3 if training.learning_rate is None else training.learning_rate
    steps = math.ceil(len(dataset.x_train) / training.batch_size) * training.epochs
    history: list[dict[str, float]] = []
    done, machine = 0, calibration.of_process()
    looks = [machine.look()]
    for epoch in range(1, training.epochs + 1):
        batches = Batches(
            dataset.x_train,
            dataset.y_train,
            training.batch_size,
            trial.seed,
            epoch,
            bench.augmentation(trial.dataset),
        )
        loss = right = 0.0
        used, began = bench.joules(), time.perf_counter()
        for number in range(len(batches)):
            x, y = batches[number]
            adam.rate = rate
            if training.schedule == "cosine":
                adam.rate = rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done / steps)))
            logits, mean, gradients = predictor.computes.step(predictor.written, np.asarray(x, np.float32), y)
            adam.step(gradients)
            loss, right, done = loss + mean * len(y), right + float((logits.argmax(1) == y).sum()), done + 1
        seconds, used = time.perf_counter() - began, bench.joules() - used
        tested = evaluate(predictor, dataset.x_test, dataset.y_test)
        images = len(dataset.x_train)
        row = row_of_epoch(epoch, CLASSIFICATION, loss / images, right / images, tested, seconds, used)
        history.append(row)
        bench.report(history[-1])
        looks.append(machine.look())
        if not math.isfinite(loss):
            return Trained(history, epoch, looks=tuple(looks))
    return Trained(history, None, looks=tuple(looks))
