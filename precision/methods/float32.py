"""Trainings in float32: the baseline, trained once for all policies of one setting, and what goes on from it.

The second kind is what a policy without rounding is under a method that goes on training, see
``grid.plan.unrounded``.
"""

from __future__ import annotations

from precision.methods.marks import measured_alone
from precision.methods.options import Epochs, Freeze, Rate, Start
from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.registry import METHODS
from precision.trial import Trial


@METHODS.register("float32")
@measured_alone
def float32(
    trial: Trial,
    bench: Workbench,
    *,
    start: Start = "scratch",
    epochs: Epochs = None,
    learning_rate: Rate = None,
    freeze_batch_norm: Freeze = False,
) -> Outcome:
    """Train the network in float32 without any rounding; its times are native.

    A network that comes with its weights is evaluated as it is.

    Args:
        start: ``scratch`` for the initial weights of the seed, ``baseline`` for the trained network.
        epochs, learning_rate: instead of those of the grid's training.
        freeze_batch_norm: as of ``qat``.
    """
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.fit import fit
    from precision.methods.freezing import freezing
    from precision.quantization import Policy, apply

    if start == "scratch" and bench.is_pretrained(trial):
        model = bench.network(trial)
        bench.save(trial, model)
        return Outcome(KerasPredictor(model), None, timing="native")
    if start == "scratch":
        model = bench.network(trial)
    else:  # as other methods go on: a copy, and every random stream from its beginning
        source, _ = bench.start(trial, Policy(), start)
        model = apply(source, Policy(), trial.seed)
    before = freezing(model, int(freeze_batch_norm))
    trained = fit(trial, bench, model, epochs=epochs, learning_rate=learning_rate, before_epoch=before)
    return Outcome(KerasPredictor(model), trained, timing="native")
