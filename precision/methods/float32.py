"""The float32 baseline: the plain network, trained once for all policies of one setting."""

from __future__ import annotations

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.registry import METHODS
from precision.trial import Trial


@METHODS.register("float32")
def float32(trial: Trial, bench: Workbench) -> Outcome:
    """Train the network in float32 without any rounding; its times are native."""
    from precision.methods.training import train

    model = bench.network(trial)
    dataset = bench.dataset(trial.dataset)
    trained = train(
        model,
        dataset,
        trial.training,
        trial.seed,
        bench.augmentation(trial.dataset),
        bench.report,
        checkpoint=bench.checkpoint(trial),
    )
    bench.save(trial, model)
    return Outcome(model, model, trained, timing="native")
