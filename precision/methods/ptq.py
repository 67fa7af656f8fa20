"""Post-training quantisation: round the trained float32 network and evaluate it as it is."""

from __future__ import annotations

from precision.methods.outcome import Outcome
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.registry import METHODS
from precision.trial import Trial


@METHODS.register("ptq")
def ptq(trial: Trial, bench: Workbench) -> Outcome:
    """Post-training quantisation of the float32 baseline."""
    model = bench.quantised(trial, Policy.from_json(trial.policy))
    return Outcome(model, bench.baseline(trial), None, timing="emulated")
