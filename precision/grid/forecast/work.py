"""What a trial has to do, in seconds of the machine on which this was measured: two cores of an AMD EPYC.

Of one image, a training step computes every multiply-accumulate (MAC) of the network three times and moves
every value between its layers; of one batch it updates every weight. Beside that the graphs of training and
evaluation are traced, which takes so long for each layer. How fast another machine is, and how much a network
or a method differs from this, is told by results and by a calibration, see ``forecast.estimator``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from precision.data import Extent
from precision.grid.forecast.rounding import NOTHING, Rounding, rounding
from precision.grid.plan.unrounded import epochs_of, needs_baseline
from precision.trial import Trial

# Seconds, from trainings and evaluations of the networks that come with this project, rounded generously.
MAC, VALUE = 33e-12, 2.0e-9  # of training on one image
UPDATE, STEP = 3e-9, 2.5e-3  # of a weight, and of a batch
INFERENCE = 0.25  # of a training's MACs and values
EVALUATION = 0.05  # of each pass over the test images
EPOCH = 0.05
TRACE, TRACED = 0.8, 0.13  # to trace a training, and for each layer
START, STARTED = 0.3, 0.05  # to build, round, load and trace for evaluation, and for each layer
LOADED = 0.2e-6  # to save, load and round a weight
RETRACED = 1.4  # times the tracing of float32, with roundings in it
BACKWARD = 3.0  # times the cost of rounding in an inference, in a training
NATIVE = 1.8  # times the seconds of float32: 16 bits without instructions for them


@dataclass(frozen=True)
class Work:
    """The seconds of a trial on the machine of the constants above.

    Attributes:
        train: of its training without the evaluations, as ``train_seconds`` counts them.
        rest: of everything else.
        counted: False where the network or the images are not known: the times of such trials are compared
            only with those of the same images and network, by their epochs.
    """

    train: float
    rest: float
    counted: bool = True


def work(trial: Trial, extent: Extent | None, size: Mapping[str, int] | None) -> Work:
    """Return the work of a trial.

    Args:
        extent: of its data set.
        size: counts of its network, see ``networks.Size``.
    """
    epochs, rounded = epochs_of(trial), rounding(trial.policy_text)
    if extent is None or not size:
        return Work(epochs, 1.0, counted=False)
    layers, parameters = size["layers"], size["parameters"]
    inference = INFERENCE * _image(size) + _emulation(rounded, size)
    again = RETRACED if rounded.family != NOTHING else 1.0
    rest = (START + STARTED * layers) * again + LOADED * parameters
    rest += (epochs + 1) * (EVALUATION + extent.test * inference)
    if needs_baseline(trial):
        rest += rounded.images * inference
    if not epochs:
        return Work(0.0, rest)
    image = _image(size) * (NATIVE if trial.method.name == "native" else 1.0)
    image += BACKWARD * _emulation(rounded, size)
    step = STEP + parameters * (UPDATE + 1e-9 * BACKWARD * rounded.weights)
    steps = math.ceil(extent.train / trial.training.batch_size)
    trace = (TRACE + TRACED * layers) * again
    return Work(trace + epochs * (EPOCH + extent.train * image + steps * step), rest)


def epoch_seconds(size: Mapping[str, int], images: int, batch: int) -> float:
    """Return the seconds of one epoch of a float32 training, without tracing."""
    steps = math.ceil(images / batch)
    return EPOCH + images * _image(size) + steps * (STEP + UPDATE * size["parameters"])


def _image(size: Mapping[str, int]) -> float:
    return MAC * size["macs"] + VALUE * size["values"]


def _emulation(rounded: Rounding, size: Mapping[str, int]) -> float:
    return 1e-9 * (rounded.values * size["values"] + rounded.macs * size["macs"])
