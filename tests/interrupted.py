"""Trainings that are cut off after an epoch, for tests of checkpoints; also in a process that is killed."""

import contextlib
import json
import os
import shutil
import signal

import keras

from precision.methods.run import run_trial
from precision.methods.workbench import Workbench
from precision.quantization import parse_policy
from precision.registry import ARCHITECTURES
from precision.trial import Choice, Training, Trial

KEPT = {"weights": "fixed(8,6)", "optimizer_state": "bfloat16", "rounding": "stochastic"}
NOISY = {
    "activations": "fixed(8,3)",
    "optimizer_state": "bfloat16",
    "layers": {"logits": {"gradients": {"format": "float8_e5m2", "rounding": "stochastic"}}},
}
REAL = {"format": "int(6,symmetric=true)", "scaling": "real", "per": "channel"}
SCALED = {"weights": REAL, "activations": {"format": "int(6)", "scaling": "real"}}
FOLLOWING = {
    **SCALED,
    "activations": {**SCALED["activations"], "observer": "moving_average"},
    "rounding": "stochastic",
}
ADAM = Training(epochs=3, batch_size=24, learning_rate=0.01, schedule="cosine")
SGD = Training(epochs=3, batch_size=24, optimizer="sgd", momentum=0.9, learning_rate=0.05, weight_decay=0.01)
MOVED = {"augment": {"rotation": 10, "shift": 0.1}}

# Name: method, its options, policy, training, options of the data set.
CASES = {
    "float32": ("float32", {}, {}, ADAM, {}),
    "float32 augmented": ("float32", {}, {}, SGD, MOVED),
    "qat": ("qat", {"start": "scratch"}, FOLLOWING, ADAM, {}),
    "qat frozen": ("qat", {"freeze_batch_norm": 2}, SCALED, SGD, {}),
    "qat learned scales": ("qat", {"learn_scales": True, "freeze_batch_norm": True}, SCALED, ADAM, {}),
    "low_precision": ("low_precision", {"loss_scale": "dynamic"}, KEPT, ADAM, {}),
    "low_precision master": ("low_precision", {"master_copy": True, "start": "baseline"}, NOISY, SGD, {}),
    "native": ("native", {}, "float16", SGD, {}),
    "native mixed": ("native", {"mixed": True}, "bfloat16", ADAM, {}),
}


def trial(case):
    """Return the trial of a case."""
    method, options, policy, training, moved = CASES[case]
    return Trial(
        Choice("digits", {"train_size": 48, "test_size": 24, **moved}),
        Choice("shaky"),
        Choice(method, options),
        parse_policy(policy).to_json() if policy else {},
        training,
        seed=3,
    )


class Shaking(keras.layers.Layer):
    """Adds noise from the generator that all layers share."""

    def call(self, x, training=False):
        return x + keras.random.normal(keras.ops.shape(x), stddev=0.1, dtype=x.dtype) if training else x


@contextlib.contextmanager
def registered():
    """File a network with a normalisation and two kinds of noise as the architecture ``shaky``."""

    def shaky(input_shape, classes):
        x = inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False, name="conv")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        x = keras.layers.Dropout(0.3, name="dropout")(keras.layers.ReLU(name="relu")(x))
        x = keras.layers.Flatten(name="flatten")(Shaking(name="shaking")(x))
        return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x))

    # As one of the project's own: each of the others is looked at a second time, see ``methods.verified``.
    ARCHITECTURES.add("shaky", shaky, ARCHITECTURES.owner("mlp"))
    yield
    ARCHITECTURES.remove("shaky")


class CutOffError(Exception):
    """Ends a training."""


def run(folder, one, checkpoints=None, cut_after=0, end=None):
    """Train, and end it when another epoch is over than the last one that may go into a checkpoint.

    Args:
        folder: of the weights, those of baselines among them.
        checkpoints: a folder; None keeps none.
        cut_after: the last epoch of the checkpoint; 0 trains to the end.
        end: what ends it.
    """

    def report(row):
        if cut_after and row["epoch"] == cut_after + 1:  # the checkpoint of an epoch comes after its report
            (end or _raise)()

    bench = Workbench(
        None,
        lambda trial_id: folder / f"{trial_id}.weights.h5",
        report,
        None if checkpoints is None else lambda trial_id: checkpoints / trial_id,
        every=0,
    )
    return run_trial(one, bench)


def run_through(folder, one, left):
    """Train to the end, and keep a copy of each checkpoint in a folder of its epoch below ``left``."""

    def report(row):
        if row["epoch"] > 1:  # the checkpoint of the epoch before is there now, and the next will replace it
            shutil.copytree(left / "now" / one.id, left / str(row["epoch"] - 1) / one.id)

    bench = Workbench(
        None, lambda trial_id: folder / f"{trial_id}.weights.h5", report, lambda name: left / "now" / name, 0
    )
    return run_trial(one, bench)


def _raise():
    raise CutOffError


def numbers(result):
    """Return everything of a result that does not depend on the clock, as text."""
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
    return json.dumps(
        [
            result.facts["weights_digest"],
            result.predictions.tolist(),
            result.metrics["accuracy"],
            result.metrics["loss"],
            history,
        ]
    )


def main(connection, folder, case, epoch):
    """Train in a worker process, and kill it when the checkpoint of an epoch was written."""
    with registered():
        run(folder, trial(case), folder, epoch, lambda: os.kill(os.getpid(), signal.SIGKILL))
