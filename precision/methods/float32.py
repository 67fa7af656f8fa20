"""The float32 baseline: the plain network, trained once for all policies of one setting."""

from __future__ import annotations

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.registry import METHODS, measured_alone
from precision.trial import Trial


@METHODS.register("float32")
@measured_alone
def float32(trial: Trial, bench: Workbench) -> Outcome:
    """Train the network in float32 without any rounding; its times are native."""
    from precision.deploy.predictor import KerasPredictor
    from precision.methods.fit import fit

    model = bench.network(trial)
    trained = fit(trial, bench, model)
    return Outcome(KerasPredictor(model), trained, timing="native")
